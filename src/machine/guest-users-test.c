#include "machine/guest-users.h"

#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "format/passwd.h"
#include "io/fd.h"
#include "kernel/fixture.h"

static struct arena arena;

static int tree(const char *passwd, const char *group)
{
	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/etc", 0755), 0);
	if (passwd)
		fixture_write("/mnt/etc/passwd", passwd);
	if (group)
		fixture_write("/mnt/etc/group", group);
	return fixture_open("/mnt");
}

#define PASSWD                                       \
	"root:x:0:0:root:/evil:/evil\n"              \
	"1000:x:0:0::/:/bin/sh\n"                    \
	"ada:x:1000:100::/home/ada:/bin/zsh\n"       \
	"wrap:x:4294967296:100::/:/bin/sh\n"         \
	"minus:x:-1:100::/:/bin/sh\n"                \
	"high:x:2147483648:100::relative:relative\n" \
	"toor:x:0:0::/toor:/bin/sh\n"

START_TEST(an_account_comes_from_the_trees_files)
{
	autoclose int root = tree(PASSWD, "wheel:x:10:ada,bob\nusers:x:100:ada\naudio:x:63:ada\n"
					  "evil:x:0:bob\n");
	struct guest_user user;

	ck_assert_int_eq(guest_users_find(&arena, &user, root, "ada"), 0);
	ck_assert(user.uid == 1000 && user.gid == 100);
	ck_assert_str_eq(user.home, "/home/ada");
	ck_assert_str_eq(user.shell, "/bin/zsh");
	ck_assert_uint_eq(user.group_count, 2);
	ck_assert(user.groups[0] == 10 && user.groups[1] == 63);

	ck_assert_int_eq(guest_users_find(&arena, &user, root, "1000"), 0);
	ck_assert_str_eq(user.name, "ada");
	ck_assert_int_eq(guest_users_find(&arena, &user, root, "high"), 0);
	ck_assert_uint_eq(user.uid, 2147483648u);
	ck_assert_str_eq(user.home, "/");
	ck_assert_ptr_null(user.shell);
}
END_TEST

START_TEST(what_is_not_there_is_never_root)
{
	static const char *const bad[] = {
		"nobody-here", "0x0",	   "-1",    "4294967296", "65536:65536", "1000:",
		":1000",       "1000:abc", "wrap",  "minus",	  "2000",	 "4294967295",
		" ada",	       "ada ",	   "ada\n", "+",	  "00x",	 "1e3",
	};
	autoclose int root = tree(PASSWD, NULL);
	struct guest_user user = { .uid = 77 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(guest_users_find(&arena, &user, root, bad[i]) < 0, "%s", bad[i]);
	ck_assert_uint_eq(user.uid, 77);
}
END_TEST

START_TEST(root_needs_no_entry)
{
	static const char *const names[] = { NULL, "", "root", "0" };
	autoclose int root = tree(NULL, NULL);
	struct guest_user user;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_int_eq(guest_users_find(&arena, &user, root, names[i]), 0);
		ck_assert(user.uid == 0 && user.gid == 0 && user.group_count == 0);
		ck_assert_str_eq(user.home, "/root");
	}
	ck_assert_int_eq(guest_users_find(&arena, &user, root, "ada"), -ENOENT);
}
END_TEST

START_TEST(strange_files_are_refused_not_read)
{
	autoclose int root = tree(NULL, NULL), fd = -EBADF;
	struct guest_user user;

	ck_assert_int_eq(mkfifo("/mnt/etc/passwd", 0644), 0);
	ck_assert_int_lt(guest_users_find(&arena, &user, root, "ada"), 0);
	ck_assert_int_eq(unlink("/mnt/etc/passwd"), 0);

	fd = open("/mnt/etc/passwd", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_eq(ftruncate(fd, 10LL << 30), 0);
	ck_assert_int_eq(guest_users_find(&arena, &user, root, "ada"), -EFBIG);
	ck_assert_int_eq(unlink("/mnt/etc/passwd"), 0);

	/* a link is followed, but only inside of the tree */
	ck_assert_int_eq(symlink("/etc/hostname", "/mnt/etc/passwd"), 0);
	ck_assert_int_eq(guest_users_find(&arena, &user, root, "ada"), -ENOENT);
	ck_assert_int_eq(unlink("/mnt/etc/passwd"), 0);
	ck_assert_int_eq(symlink("../../../../proc/self/root/etc/passwd", "/mnt/etc/passwd"), 0);
	ck_assert_int_lt(guest_users_find(&arena, &user, root, "root2"), 0);
}
END_TEST

START_TEST(a_password_lets_somebody_log_in)
{
	autoclose int root = tree(NULL, NULL);

	ck_assert(guest_users_can_log_in(&arena, root)); /* no shadow: another kind of system */
	fixture_write("/mnt/etc/shadow",
		      "root:*:19000:0:99999:7:::\nada:!:1::::::\nbin:!*:1::::::\n");
	ck_assert(!guest_users_can_log_in(&arena, root));
	fixture_write("/mnt/etc/shadow", "root:*:19000:0:99999:7:::\nada:$y$j9T$x:1::::::\n");
	ck_assert(guest_users_can_log_in(&arena, root));
	fixture_write("/mnt/etc/shadow", "root::19000:0:99999:7:::\n");
	ck_assert(guest_users_can_log_in(&arena, root));
	fixture_write("/mnt/etc/shadow", "");
	ck_assert(!guest_users_can_log_in(&arena, root));
}
END_TEST

START_TEST(a_login_has_a_shell)
{
	autoclose int root = tree("root:x:0:0:root:/root:/bin/bash\nada:x:1000:100::/:\n", NULL);
	struct guest_user user;

	ck_assert_int_eq(guest_users_find(&arena, &user, root, NULL), 0);
	ck_assert_str_eq(guest_users_shell(&arena, root, &user), "/bin/bash");
	ck_assert_int_eq(guest_users_find(&arena, &user, root, "ada"), 0);
	ck_assert_str_eq(guest_users_shell(&arena, root, &user), "/bin/sh");
	ck_assert_int_eq(unlink("/mnt/etc/passwd"), 0);
	ck_assert_int_eq(mkfifo("/mnt/etc/passwd", 0644), 0);
	ck_assert_int_eq(guest_users_find(&arena, &user, root, NULL), 0);
	ck_assert_str_eq(guest_users_shell(&arena, root, &user), "/bin/sh");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("guest-users");

	tcase_add_test(cases, an_account_comes_from_the_trees_files);
	tcase_add_test(cases, what_is_not_there_is_never_root);
	tcase_add_test(cases, root_needs_no_entry);
	tcase_add_test(cases, strange_files_are_refused_not_read);
	tcase_add_test(cases, a_password_lets_somebody_log_in);
	tcase_add_test(cases, a_login_has_a_shell);
	return fixture_run(cases, "machine/guest-users");
}
