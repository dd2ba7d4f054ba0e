#include "machine/guest-login.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "io/fd.h"
#include "kernel/fixture.h"

static struct arena arena;

static int tree(void)
{
	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/bin", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/sbin", 0755), 0);
	return fixture_open("/mnt");
}

static void program(const char *path)
{
	fixture_write(path, "");
	ck_assert_int_eq(chmod(path, 0755), 0);
}

static char **find(int root, const char *path)
{
	const char *found = "";
	char **arguments = NULL;

	ck_assert_int_eq(guest_login_find(&arena, &found, &arguments, root, "linux"), 0);
	ck_assert_str_eq(found, path);
	return arguments;
}

START_TEST(the_best_that_is_there_is_found)
{
	autoclose int root = tree();
	const char *path;
	char **words;

	ck_assert_int_eq(guest_login_find(&arena, &path, &words, root, "linux"), -ENOENT);
	program("/mnt/bin/busybox");
	words = find(root, "/bin/busybox");
	ck_assert_str_eq(words[0], "login");
	ck_assert_ptr_null(words[1]);
	program("/mnt/bin/login");
	words = find(root, "/bin/login");
	ck_assert_ptr_null(words[1]);
	ck_assert_int_eq(symlink("../bin/busybox", "/mnt/sbin/getty"), 0);
	words = find(root, "/sbin/getty");
	ck_assert_str_eq(words[1], "-L");
	ck_assert_str_eq(words[4], "linux");
	program("/mnt/sbin/agetty");
	words = find(root, "/sbin/agetty");
	ck_assert_str_eq(words[1], "--noclear");
	ck_assert_str_eq(words[2], "-");
	ck_assert_str_eq(words[3], "linux");
	ck_assert_ptr_null(words[4]);
}
END_TEST

START_TEST(a_getty_may_be_an_agetty)
{
	autoclose int root = tree();

	program("/mnt/bin/agetty");
	ck_assert_int_eq(symlink("/bin/agetty", "/mnt/sbin/getty"), 0);
	ck_assert_str_eq(find(root, "/sbin/getty")[1], "--noclear");
}
END_TEST

START_TEST(what_cannot_be_run_is_none)
{
	autoclose int root = tree();
	const char *path;
	char **words;

	fixture_write("/mnt/sbin/agetty", "");
	ck_assert_int_eq(mkdir("/mnt/sbin/getty", 0755), 0);
	ck_assert_int_eq(mkfifo("/mnt/bin/login", 0755), 0);
	ck_assert_int_eq(symlink("/nowhere", "/mnt/bin/busybox"), 0);
	ck_assert_int_eq(guest_login_find(&arena, &path, &words, root, "linux"), -ENOENT);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("guest-login");

	tcase_add_test(cases, the_best_that_is_there_is_found);
	tcase_add_test(cases, a_getty_may_be_an_agetty);
	tcase_add_test(cases, what_cannot_be_run_is_none);
	return fixture_run(cases, "machine/guest-login");
}
