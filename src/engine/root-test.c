#include "engine/root.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "engine/root-locate.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "machine/record.h"
#include "spec/readers.h"

static struct arena arena;
static struct spec spec;
static const char *environment[] = { "HOME=/mnt/home", NULL };
static const struct reader_facts facts = {
	.working_directory = "/mnt/here",
	.environment = environment,
	.uid = 1000,
};

static void make(const char *path)
{
	ck_assert_int_ge(dir_make_all(path, 0755), 0);
}

/* ---- where ---- */

static int locate(struct root_place *place, const char *directory, const char *machine)
{
	spec_init(&spec);
	spec.directory = directory;
	spec.machine = machine;
	return root_locate(&arena, place, &spec, &facts);
}

START_TEST(the_directory_names_the_machine)
{
	struct root_place place;

	ck_assert_int_eq(locate(&place, "/srv//trees/./web_1/", NULL), 0);
	ck_assert_str_eq(spec.directory, "/srv/trees/web_1");
	ck_assert_str_eq(spec.machine, "web1");
	ck_assert_str_eq(place.settings_name, "web1");
	ck_assert_str_eq(place.beside, "/srv/trees");
	ck_assert_int_eq(locate(&place, NULL, NULL), 0);
	ck_assert_str_eq(spec.directory, "/mnt/here");
	ck_assert_int_eq(locate(&place, "/srv/web", "db"), 0);
	ck_assert_str_eq(spec.machine, "db");
	ck_assert_int_eq(locate(&place, "/", NULL), 0);
	ck_assert_ptr_null(place.beside);
	ck_assert_int_eq(locate(&place, "/srv/___", NULL), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "--machine="));
}
END_TEST

START_TEST(an_ephemeral_machine_gets_a_suffix)
{
	struct root_place place;
	char name[128] = "/srv/";

	memset(name + 5, 'a', 70);
	name[5 + 46] = '-';
	spec_init(&spec);
	spec.directory = name;
	spec.ephemeral = TRISTATE_YES;
	ck_assert_int_eq(root_locate(&arena, &place, &spec, &facts), 0);
	ck_assert_uint_le(strlen(spec.machine), 64);
	ck_assert_ptr_nonnull(text_after(spec.machine, "aaaa"));
	ck_assert_ptr_null(strstr(spec.machine, "--"));
	ck_assert_uint_eq(strlen(place.settings_name), 64);

	spec_init(&spec);
	spec.directory = "/srv/web";
	spec.machine = "web";
	spec.ephemeral = TRISTATE_YES;
	ck_assert_int_eq(root_locate(&arena, &place, &spec, &facts), 0);
	ck_assert_str_eq(spec.machine, "web");
}
END_TEST

START_TEST(a_machine_is_found_by_name)
{
	struct root_place place;

	fixture_enter(0);
	ck_assert_int_eq(locate(&place, NULL, "web"), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/mnt/home/.local/state/machines/web"));
	make("/mnt/home/.local/state/machines/web");
	ck_assert_int_eq(locate(&place, NULL, "web"), 0);
	ck_assert_str_eq(spec.directory, "/mnt/home/.local/state/machines/web");
	fixture_write("/mnt/home/.local/state/machines/disk.raw", "");
	ck_assert_int_eq(locate(&place, NULL, "disk"), 0);
	ck_assert_str_eq(spec.image, "/mnt/home/.local/state/machines/disk.raw");
	ck_assert_ptr_null(spec.directory);
	ck_assert_str_eq(spec.machine, "disk");
	ck_assert_str_eq(place.beside, "/mnt/home/.local/state/machines");
}
END_TEST

START_TEST(the_newest_version_is_chosen)
{
	struct root_place place;

	fixture_enter(0);
	make("/mnt/web.v/web_1");
	make("/mnt/web.v/web_2");
	ck_assert_int_eq(locate(&place, "/mnt/web.v", NULL), 0);
	ck_assert_str_eq(spec.directory, "/mnt/web.v/web_2");
	ck_assert_str_eq(spec.machine, "web");
	make("/mnt/empty.v");
	ck_assert_int_eq(locate(&place, "/mnt/empty.v", NULL), -ENOENT);
}
END_TEST

START_TEST(a_template_needs_a_place)
{
	struct root_place place;

	spec_init(&spec);
	spec.template = "/mnt/base";
	ck_assert_int_eq(root_locate(&arena, &place, &spec, &facts), -EINVAL);
	spec_init(&spec);
	spec.template = "/mnt/base";
	spec.machine = "web";
	ck_assert_int_eq(root_locate(&arena, &place, &spec, &facts), 0);
	ck_assert_str_eq(spec.directory, "/mnt/home/.local/state/machines/web");
	spec_init(&spec);
	spec.template = "/mnt/base";
	spec.ephemeral = TRISTATE_YES;
	ck_assert_int_eq(root_locate(&arena, &place, &spec, &facts), 0);
	ck_assert_str_eq(spec.directory, "/mnt/base");
	ck_assert_ptr_null(spec.template);
}
END_TEST

/* ---- opening ---- */

static struct record record;
static const struct host host = { .loader = "ld-test.so", .runtime_directory = "/run/redd" };

static void enter(void)
{
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0);
	record = (struct record)RECORD_EMPTY;
	ck_assert_int_eq(record_create(&arena, &record, "/run/redd", "web"), 0);
	make("/mnt/web/usr/bin");
	make("/mnt/web/usr/lib");
	make("/mnt/web/etc");
	ck_assert_int_eq(symlink("usr/bin", "/mnt/web/bin"), 0);
	spec_init(&spec);
	spec.machine = "web";
	spec.directory = "/mnt/web";
	spec.start = START_COMMAND;
}

static int open_root(struct root *root)
{
	*root = (struct root)ROOT_EMPTY;
	return root_open(&arena, root, &spec, &host, &record);
}

START_TEST(a_tree_is_opened_locked_and_looked_at)
{
	struct root root, second;

	enter();
	fixture_write("/mnt/web/usr/lib/ld-test.so", "");
	fixture_write("/mnt/web/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	ck_assert_int_eq(symlink("../run/resolv.conf", "/mnt/web/etc/resolv.conf"), 0);
	ck_assert_int_eq(open_root(&root), 0);
	ck_assert_str_eq(root.facts.path, "/mnt/web");
	ck_assert(root.facts.has_bin && root.facts.has_usr && root.facts.has_etc);
	ck_assert(!root.facts.has_sbin && !root.facts.has_proc && !root.facts.has_lib64);
	ck_assert(root.facts.usr_lib && !root.facts.usr_bin && !root.facts.usr_sbin);
	ck_assert(root.facts.has_loader && !root.facts.loader_in_lib64);
	ck_assert(root.facts.has_resolv_conf_link);
	ck_assert_uint_eq(root.facts.machine_id[0], 0x01);
	ck_assert_uint_eq(root.facts.machine_id[15], 0xef);
	ck_assert_int_eq(open_root(&second), -EBUSY);
	root_done(&root);
	ck_assert_int_lt(access("/mnt/.#web.lck", F_OK), 0);
	ck_assert_int_eq(open_root(&second), 0);
	root_done(&second);
	root_done(&second);
}
END_TEST

START_TEST(a_link_to_the_tree_is_the_tree)
{
	struct root root, second;

	enter();
	ck_assert_int_eq(symlink("web", "/mnt/alias"), 0);
	spec.directory = "/mnt/alias";
	ck_assert_int_eq(open_root(&root), 0);
	ck_assert_str_eq(root.facts.path, "/mnt/web");
	spec.directory = "/mnt/web";
	ck_assert_int_eq(open_root(&second), -EBUSY);
	root_done(&root);
}
END_TEST

START_TEST(readers_share_a_tree)
{
	struct root root, second;

	enter();
	spec.read_only = TRISTATE_YES;
	ck_assert_int_eq(open_root(&root), 0);
	ck_assert_int_eq(open_root(&second), 0);
	root_done(&second);
	root_done(&root);
}
END_TEST

START_TEST(what_is_no_os_tree_is_refused)
{
	struct root root;

	enter();
	make("/mnt/empty");
	spec.directory = "/mnt/empty";
	ck_assert_int_eq(open_root(&root), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/usr"));
	fixture_write("/mnt/file", "");
	spec.directory = "/mnt/file";
	ck_assert_int_eq(open_root(&root), -ENOTDIR);
	spec.directory = "/mnt/nowhere";
	ck_assert_int_eq(open_root(&root), -ENOENT);

	spec.directory = "/mnt/web";
	spec.start = START_BOOT;
	ck_assert_int_eq(open_root(&root), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "os-release"));
	fixture_write("/mnt/web/etc/os-release", "");
	ck_assert_int_eq(open_root(&root), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/sbin/init"));
	ck_assert_int_lt(access("/mnt/.#web.lck", F_OK), 0);
}
END_TEST

START_TEST(an_os_release_outside_does_not_count)
{
	struct root root;

	enter();
	spec.start = START_BOOT;
	ck_assert_int_eq(symlink("/proc/self/root/etc/os-release", "/mnt/web/etc/os-release"), 0);
	ck_assert_int_eq(open_root(&root), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "os-release"));
}
END_TEST

START_TEST(the_hosts_root_is_not_run_writable)
{
	struct root root;

	enter();
	spec.directory = "/";
	ck_assert_int_eq(open_root(&root), -EINVAL);
	spec.read_only = TRISTATE_YES;
	ck_assert_int_eq(open_root(&root), -EINVAL);
	spec.volatile_mode = VOLATILE_YES;
	ck_assert_int_eq(open_root(&root), 0);
	root_done(&root);
	spec.volatile_mode = VOLATILE_NO;
	spec.ephemeral = TRISTATE_YES;
	ck_assert_int_eq(open_root(&root), 0);
	ck_assert_ptr_nonnull(text_after(root.facts.ephemeral_upper, "/run/redd/snapshots/"));
	root_done(&root);
}
END_TEST

START_TEST(several_ephemeral_ones_come_from_one_tree)
{
	struct record other = RECORD_EMPTY;
	struct root first, second = ROOT_EMPTY, writer;

	enter();
	spec.ephemeral = TRISTATE_YES;
	ck_assert_int_eq(open_root(&first), 0);
	ck_assert_str_eq(first.facts.snapshot_rung, "overlay");
	ck_assert_int_eq(access(first.facts.ephemeral_upper, F_OK), 0);
	ck_assert_int_eq(record_create(&arena, &other, "/run/redd", "web2"), 0);
	ck_assert_int_eq(root_open(&arena, &second, &spec, &host, &other), 0);
	ck_assert_str_ne(first.facts.ephemeral_upper, second.facts.ephemeral_upper);
	spec.ephemeral = TRISTATE_NO;
	ck_assert_int_eq(open_root(&writer), -EBUSY);
	root_done(&first);
	root_done(&second);
	ck_assert_int_lt(access(first.facts.ephemeral_upper, F_OK), 0);
	ck_assert_int_eq(open_root(&writer), 0);

	/* from a tree that is written to: a copy */
	spec.ephemeral = TRISTATE_YES;
	fixture_write("/mnt/web/etc/mark", "x");
	ck_assert_int_eq(root_open(&arena, &second, &spec, &host, &other), 0);
	ck_assert_str_eq(second.facts.snapshot_rung, "copy");
	ck_assert_str_ne(second.facts.path, "/mnt/web");
	ck_assert_int_eq(faccessat(second.fd, "etc/mark", F_OK, 0), 0);
	root_done(&second);
	root_done(&writer);
}
END_TEST

START_TEST(a_template_fills_a_new_directory_once)
{
	struct root root;

	enter();
	spec.template = "/mnt/web";
	spec.directory = "/mnt/pool/new";
	ck_assert_int_eq(open_root(&root), 0);
	ck_assert_str_eq(root.facts.path, "/mnt/pool/new");
	ck_assert_str_eq(root.facts.snapshot_rung, "copy");
	root_done(&root);
	ck_assert_int_eq(access("/mnt/pool/new/usr/bin", F_OK), 0);
	ck_assert_int_eq(open_root(&root), 0);
	ck_assert_ptr_null(root.facts.snapshot_rung);
	root_done(&root);
}
END_TEST

START_TEST(printing_a_plan_changes_nothing)
{
	struct root root = ROOT_EMPTY;

	enter();
	spec.ephemeral = TRISTATE_YES;
	ck_assert_int_eq(root_open(&arena, &root, &spec, &host, NULL), 0);
	ck_assert_str_eq(root.facts.snapshot_rung, "overlay");
	ck_assert_int_lt(access(root.facts.ephemeral_upper, F_OK), 0);
	ck_assert_int_lt(access("/mnt/.#web.lck", F_OK), 0);
	root_done(&root);
}
END_TEST

START_TEST(a_machine_id_that_is_none_is_made)
{
	static const char *const texts[] = { "", "uninitialized\n", "x", "0\n" };
	struct root root;
	uint8_t before[16];

	enter();
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		fixture_write("/mnt/web/etc/machine-id", texts[i]);
		ck_assert_int_eq(open_root(&root), 0);
		ck_assert_uint_eq(root.facts.machine_id[6] & 0xF0, 0x40);
		root_done(&root);
	}
	memcpy(before, root.facts.machine_id, sizeof(before));
	ck_assert_int_eq(unlink("/mnt/web/etc/machine-id"), 0);
	ck_assert_int_eq(mkfifo("/mnt/web/etc/machine-id", 0644), 0);
	ck_assert_int_eq(open_root(&root), 0);
	ck_assert_int_ne(memcmp(before, root.facts.machine_id, sizeof(before)), 0);
	root_done(&root);
	spec.has_machine_id = true;
	memset(spec.machine_id, 7, sizeof(spec.machine_id));
	ck_assert_int_eq(open_root(&root), 0);
	ck_assert_int_eq(memcmp(spec.machine_id, root.facts.machine_id, 16), 0);
	root_done(&root);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("root");

	tcase_add_test(cases, the_directory_names_the_machine);
	tcase_add_test(cases, an_ephemeral_machine_gets_a_suffix);
	tcase_add_test(cases, a_machine_is_found_by_name);
	tcase_add_test(cases, the_newest_version_is_chosen);
	tcase_add_test(cases, a_template_needs_a_place);
	if (geteuid() == 0) {
		tcase_add_test(cases, a_tree_is_opened_locked_and_looked_at);
		tcase_add_test(cases, a_link_to_the_tree_is_the_tree);
		tcase_add_test(cases, readers_share_a_tree);
		tcase_add_test(cases, what_is_no_os_tree_is_refused);
		tcase_add_test(cases, an_os_release_outside_does_not_count);
		tcase_add_test(cases, the_hosts_root_is_not_run_writable);
		tcase_add_test(cases, several_ephemeral_ones_come_from_one_tree);
		tcase_add_test(cases, a_template_fills_a_new_directory_once);
		tcase_add_test(cases, printing_a_plan_changes_nothing);
		tcase_add_test(cases, a_machine_id_that_is_none_is_made);
	}
	return fixture_run(cases, "engine/root");
}
