#include "net/pin.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "base/unit.h"
#include "io/fd.h"
#include "kernel/fixture.h"

#define RUNTIME "/mnt/redd"
#define TAG "0123456789abcdef"
#define FILE_OF_TAG RUNTIME "/network/ns-" TAG

static ino_t inode_of(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_ino;
}

/* A namespace that nobody lives in. */
static int make_namespace(void)
{
	autoclose int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
	return fd;
}

START_TEST(a_namespace_is_held_until_the_pin_is_removed)
{
	autoclose int fd = -EBADF, held = -EBADF;
	ino_t inode;

	fixture_enter(CLONE_NEWNET);
	fd = make_namespace();
	inode = inode_of(fd);
	ck_assert_int_eq(pin_open(RUNTIME, TAG), -ENOENT);
	ck_assert_int_eq(pin_make(RUNTIME, TAG, fd), 0);
	ck_assert_int_eq(pin_make(RUNTIME, TAG, fd), 0);
	fd_close(&fd);
	held = pin_open(RUNTIME, TAG);
	ck_assert_int_ge(held, 0);
	ck_assert_uint_eq(inode_of(held), inode);
	fd_close(&held);
	ck_assert_int_eq(pin_remove(RUNTIME, TAG), 0);
	ck_assert_int_eq(access(FILE_OF_TAG, F_OK), -1);
	ck_assert_int_eq(pin_open(RUNTIME, TAG), -ENOENT);
	ck_assert_int_eq(pin_remove(RUNTIME, TAG), 0);
}
END_TEST

START_TEST(a_file_alone_holds_nothing)
{
	fixture_enter(0);
	ck_assert_int_eq(mkdir(RUNTIME, 0755), 0);
	ck_assert_int_eq(mkdir(RUNTIME "/network", 0700), 0);
	fixture_write(FILE_OF_TAG, "");
	ck_assert_int_eq(pin_open(RUNTIME, TAG), -ENOENT);
	ck_assert_int_eq(pin_remove(RUNTIME, TAG), 0);
	ck_assert_int_eq(access(FILE_OF_TAG, F_OK), -1);
}
END_TEST

START_TEST(no_link_is_followed)
{
	autoclose int fd = -EBADF;

	fixture_enter(CLONE_NEWNET);
	fd = make_namespace();
	ck_assert_int_eq(mkdir(RUNTIME, 0755), 0);
	ck_assert_int_eq(mkdir(RUNTIME "/network", 0700), 0);
	fixture_write("/mnt/file", "");
	ck_assert_int_eq(symlink("/mnt/file", FILE_OF_TAG), 0);
	ck_assert_int_eq(pin_make(RUNTIME, TAG, fd), -ELOOP);
	ck_assert_int_eq(pin_remove(RUNTIME, TAG), 0);
	ck_assert_int_eq(access("/mnt/file", F_OK), 0);
}
END_TEST

int main(void)
{
	return UNIT_RUN("net/pin", a_namespace_is_held_until_the_pin_is_removed,
			a_file_alone_holds_nothing, no_link_is_followed);
}
