#include "image/find.h"

#include "base/arena.h"
#include "base/list.h"
#include "io/dir.h"
#include "kernel/fixture.h"

static struct arena arena;
static const struct find_scope user = { .uid = 1000, .runtime = "/mnt/run", .home = "/mnt/home" };

static void make(const char *path)
{
	ck_assert_int_ge(dir_make_all(path, 0755), 0);
}

START_TEST(a_users_machines_are_below_the_home)
{
	struct found found;

	fixture_enter(0);
	ck_assert_int_eq(find_image(&arena, &found, "web", &user), -ENOENT);
	make("/mnt/home/.local/state/machines/web");
	ck_assert_int_eq(find_image(&arena, &found, "web", &user), 0);
	ck_assert_str_eq(found.path, "/mnt/home/.local/state/machines/web");
	ck_assert_int_eq(found.kind, FIND_DIRECTORY);
	ck_assert(!found.read_only);
	make("/mnt/run/machines/web");
	ck_assert_int_eq(find_image(&arena, &found, "web", &user), 0);
	ck_assert_str_eq(found.path, "/mnt/run/machines/web");
	ck_assert_str_eq(find_pool_path(&arena, "new", &user),
			 "/mnt/home/.local/state/machines/new");
}
END_TEST

START_TEST(disk_images_and_versions_are_found)
{
	struct found found;

	fixture_enter(0);
	make("/mnt/run/machines/web.v/web_1");
	make("/mnt/run/machines/web.v/web_2");
	fixture_write("/mnt/run/machines/disk.raw", "");
	fixture_write("/mnt/run/machines/plain", "");
	ck_assert_int_eq(find_image(&arena, &found, "web", &user), 0);
	ck_assert_str_eq(found.path, "/mnt/run/machines/web.v/web_2");
	ck_assert_int_eq(find_image(&arena, &found, "disk", &user), 0);
	ck_assert_int_eq(found.kind, FIND_RAW);
	ck_assert_int_eq(find_image(&arena, &found, "plain", &user), -ENOENT);
}
END_TEST

START_TEST(the_systems_directories_come_in_order)
{
	struct find_scope root = { 0 };
	struct found found;

	if (!fixture_enter_as_root())
		return;
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(mount("tmpfs", "/var/lib", "tmpfs", 0, NULL), 0);
	make("/var/lib/machines/web");
	ck_assert_int_eq(find_image(&arena, &found, "web", &root), 0);
	ck_assert_str_eq(found.path, "/var/lib/machines/web");
	make("/run/machines");
	ck_assert_int_eq(symlink("/mnt", "/run/machines/web"), 0);
	ck_assert_int_eq(find_image(&arena, &found, "web", &root), 0);
	ck_assert_str_eq(found.path, "/run/machines/web");
}
END_TEST

START_TEST(a_tree_that_cannot_be_written_says_so)
{
	struct found found;

	fixture_enter(0);
	make("/mnt/run/machines/web");
	ck_assert_int_eq(mount("tmpfs", "/mnt/run/machines/web", "tmpfs", MS_RDONLY, NULL), 0);
	ck_assert_int_eq(find_image(&arena, &found, "web", &user), 0);
	ck_assert(found.read_only);
}
END_TEST

START_TEST(names_that_lead_elsewhere_are_refused)
{
	static const char *const names[] = { "", ".", "..", "../x", "a/b", ".#web", "/etc" };
	struct found found;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_int_eq(find_image(&arena, &found, names[i], &user), -EINVAL);
}
END_TEST

START_TEST(settings_are_the_systems_or_a_users)
{
	static const char *const environment[] = { "HOME=/home/ada", "XDG_RUNTIME_DIR=", NULL };
	struct find_scope scope = find_scope_of(1000, environment);
	struct text_list places = { 0 };

	ck_assert_ptr_null(scope.runtime);
	find_settings(&arena, &places, &scope);
	ck_assert_uint_eq(places.count, 1);
	ck_assert_str_eq(places.items[0], "/home/ada/.config/systemd/nspawn");
	text_list_clear(&places);
	scope = find_scope_of(0, environment);
	find_settings(&arena, &places, &scope);
	ck_assert_uint_eq(places.count, 2);
	ck_assert_str_eq(places.items[0], "/etc/systemd/nspawn");
	ck_assert_str_eq(places.items[1], "/run/systemd/nspawn");
}
END_TEST

START_TEST(a_new_image_is_not_named_like_a_form_or_a_companion)
{
	static const char *const bad[] = {
		".host",    "a.raw", "a.mstack", "a.v",		  "a.raw.v",	"a.nspawn",
		"a.verity", ".v",    ".#a",	 "a.usrhash.p7s", "a.roothash", "a.oci-config"
	};
	static const char *const good[] = { "a", "a.v1", "raw", "a.nspawn.d", "a.tar", ".hidden" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!find_is_new_name(bad[i]), "%s", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(find_is_new_name(good[i]), "%s", good[i]);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("find");

	tcase_add_test(cases, a_users_machines_are_below_the_home);
	tcase_add_test(cases, disk_images_and_versions_are_found);
	tcase_add_test(cases, the_systems_directories_come_in_order);
	tcase_add_test(cases, a_tree_that_cannot_be_written_says_so);
	tcase_add_test(cases, names_that_lead_elsewhere_are_refused);
	tcase_add_test(cases, a_new_image_is_not_named_like_a_form_or_a_companion);
	tcase_add_test(cases, settings_are_the_systems_or_a_users);
	return fixture_run(cases, "image/find");
}
