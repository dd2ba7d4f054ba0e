#include "engine/guest-users-bind.h"

#include <string.h>

#include "base/arena.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "spec/spec.h"

static struct arena arena;

/* ---- --bind-user= ---- */

static int bind_tree(void)
{
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(mount("tmpfs", "/etc", "tmpfs", 0, "mode=0755"), 0);
	fixture_write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n"
				     "ada:x:1000:1000::/home/ada:/bin/zsh\n"
				     "bob:x:1001:100::/home/bob:/bin/sh\n"
				     "eve:x:1002:1002::/:/bin/sh\n"
				     "nobody:x:65534:65534::/nonexistent:/bin/false\n");
	fixture_write("/etc/group",
		      "ada:x:1000:\nbob:x:7:\neve:x:1002:\nnobody:x:65534:\nroot:x:0:\n");
	fixture_write("/etc/shadow", "root:$root:1::::::\nada:$y$a\"b:1::::::\n");
	ck_assert_int_eq(mkdir("/mnt/etc", 0755), 0);
	fixture_write("/mnt/etc/passwd", "u:x:60514:1::/:/bin/sh\n");
	fixture_write("/mnt/etc/group", "g:x:60515:\n");
	return fixture_open("/mnt");
}

static int bind_one(struct guest_users_bound *bound, int root, const char *name)
{
	static const char *items[2];
	struct spec spec;

	memset(&spec, 0, sizeof(spec));
	items[0] = name;
	spec.bind_users = (struct text_list){ .items = (char **)items, .count = 1 };
	spec.bind_user_shell = "yes";
	return guest_users_bind(&arena, bound, root, &spec);
}

static const struct guest_users_file *file(const struct guest_users_bound *bound, const char *name)
{
	for (size_t i = 0; i < bound->file_count; i++)
		if (strcmp(bound->files[i].name, name) == 0)
			return &bound->files[i];
	ck_abort_msg("no file %s", name);
	return NULL;
}

START_TEST(a_bound_user_gets_records_and_a_home)
{
	autoclose int root = bind_tree();
	struct guest_users_bound bound;

	ck_assert_int_eq(bind_one(&bound, root, "ada"), 0);
	ck_assert_uint_eq(bound.home_count, 1);
	ck_assert_uint_eq(bound.homes[0].uid, 60516); /* the first two are taken */
	ck_assert_uint_eq(bound.homes[0].host_uid, 1000);
	ck_assert_str_eq(bound.homes[0].target, "/run/host/home/ada");
	ck_assert_str_eq(file(&bound, "ada.user")->data,
			 "{\"userName\":\"ada\",\"uid\":60516,\"gid\":60516,"
			 "\"disposition\":\"regular\",\"homeDirectory\":\"/run/host/home/ada\","
			 "\"service\":\"io.systemd.NSpawn\",\"shell\":\"/bin/zsh\"}\n");
	ck_assert_str_eq(file(&bound, "ada.user-privileged")->data,
			 "{\"privileged\":{\"hashedPassword\":[\"$y$a\\\"b\"]}}\n");
	ck_assert_int_eq(file(&bound, "ada.user-privileged")->mode, 0600);
	ck_assert_str_eq(file(&bound, "60516.user")->data, "ada.user");
	ck_assert(file(&bound, "60516.group")->is_link);
}
END_TEST

START_TEST(who_cannot_be_bound_is_refused)
{
	static const char *const bad[] = {
		"root", "nobody", "carol", "bob", "eve", "1000", "../x"
	};
	autoclose int root = bind_tree();
	struct guest_users_bound bound;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(bind_one(&bound, root, bad[i]) < 0, "%s", bad[i]);
	fixture_write("/mnt/etc/group", "ada:x:5:\n");
	ck_assert_int_eq(bind_one(&bound, root, "ada"), -EBUSY);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("guest-users-bind");

	if (geteuid() == 0) {
		tcase_add_test(cases, a_bound_user_gets_records_and_a_home);
		tcase_add_test(cases, who_cannot_be_bound_is_refused);
	}
	return fixture_run(cases, "engine/guest-users-bind");
}
