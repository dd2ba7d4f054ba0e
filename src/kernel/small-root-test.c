#include "kernel/small-root.h"

#include <stdlib.h>
#include <unistd.h>

#include "io/fd.h"
#include "kernel/fixture.h"

/* Who has entered leaves by leave(): the leak sanitizer looks for /proc at a usual end. */
static void enter(const char *const *paths)
{
	autoclose int root = -EBADF;
	const char *which;

	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/shown", 0755), 0);
	fixture_write("/mnt/shown/file", "text");
	fixture_write("/mnt/hidden", "text");
	root = small_root_make();
	ck_assert_int_ge(root, 0);
	ck_assert_int_eq(small_root_attach(root), 0);
	ck_assert_int_eq(small_root_show(&which, root, paths), 0);
	ck_assert_int_eq(mkdirat(root, "own", 0755), 0);
	ck_assert_int_eq(small_root_close(root), 0);
	ck_assert_int_eq(small_root_enter(root), 0);
}

static void leave(void)
{
	_exit(EXIT_SUCCESS);
}

START_TEST(what_is_shown_is_all_there_is_and_cannot_be_written)
{
	static const char *const paths[] = { "/mnt/shown", "/mnt/not-there", NULL };

	enter(paths);
	ck_assert_int_eq(access("/mnt/shown/file", R_OK), 0);
	ck_assert_int_eq(access("/own", F_OK), 0);
	ck_assert_int_lt(access("/mnt/hidden", F_OK), 0);
	ck_assert_int_lt(access("/mnt/not-there", F_OK), 0);
	ck_assert_int_lt(access("/proc/self", F_OK), 0);
	ck_assert_int_lt(mkdir("/mnt/shown/new", 0755), 0);
	ck_assert_int_eq(errno, EROFS);
	ck_assert_int_lt(mkdir("/new", 0755), 0);
	ck_assert_int_eq(errno, EROFS);
	leave();
}
END_TEST

START_TEST(single_files_are_shown_too)
{
	static const char *const paths[] = { "/mnt/shown/file", NULL };

	enter(paths);
	ck_assert_int_eq(access("/mnt/shown/file", R_OK), 0);
	ck_assert_int_lt(open("/mnt/shown/file", O_WRONLY | O_CLOEXEC), 0);
	leave();
}
END_TEST

START_TEST(what_cannot_be_shown_is_named)
{
	static const char *const paths[] = { "/mnt/shown", NULL };
	autoclose int root = -EBADF;
	const char *which = "";

	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/shown", 0755), 0);
	root = small_root_make();
	ck_assert_int_eq(small_root_attach(root), 0);
	ck_assert_int_eq(small_root_close(root), 0);
	ck_assert_int_eq(small_root_show(&which, root, paths), -EROFS);
	ck_assert_str_eq(which, "/mnt/shown");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("small-root");

	tcase_add_test(cases, what_is_shown_is_all_there_is_and_cannot_be_written);
	tcase_add_test(cases, single_files_are_shown_too);
	tcase_add_test(cases, what_cannot_be_shown_is_named);
	return fixture_run(cases, "kernel/small-root");
}
