#include "kernel/loop.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/fs.h>

#include "io/fd.h"
#include "kernel/fixture.h"

static int file = -EBADF;

/* False: no root, or a host without loop devices. */
static bool make_file(void)
{
	if (access("/dev/loop-control", R_OK | W_OK) < 0 || !fixture_enter_as_root())
		return false;
	file = open("/mnt/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(ftruncate(file, 1 << 20), 0);
	ck_assert_int_eq(pwrite(file, "here", 4, 8192), 4);
	return true;
}

START_TEST(a_device_shows_its_part_of_the_file)
{
	autoclose int fd = -EBADF;
	unsigned int number;
	uint64_t size;
	char text[5] = "";

	if (!make_file())
		return;
	fd = loop_attach(&number, file, 8192, 4096, false, "redd a test");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, BLKGETSIZE64, &size), 0);
	ck_assert_uint_eq(size, 4096);
	ck_assert_int_eq(pread(fd, text, 4, 0), 4);
	ck_assert_str_eq(text, "here");
	ck_assert_int_eq(loop_has_name(fd, "redd a test"), 1);
	ck_assert_int_eq(loop_has_name(fd, "another"), 0);
	ck_assert_int_eq(loop_has_name(file, "redd a test"), 0);
}
END_TEST

START_TEST(it_goes_with_its_last_user)
{
	unsigned int number;
	char path[32];
	int fd;

	if (!make_file())
		return;
	fd = loop_attach(&number, file, 0, 4096, true, "redd a test of ends");
	ck_assert_int_ge(fd, 0);
	snprintf(path, sizeof(path), "/dev/loop%u", number);
	fd_close(&fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_le(loop_has_name(fd, "redd a test of ends"), 0);
	fd_close(&fd);
}
END_TEST

START_TEST(read_only_is_read_only)
{
	autoclose int fd = -EBADF;
	unsigned int number;
	int read_only = 0;

	if (!make_file())
		return;
	fd = loop_attach(&number, file, 0, 4096, true, "redd a test");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, BLKROGET, &read_only), 0);
	ck_assert_int_eq(read_only, 1);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("loop");

	tcase_add_test(cases, a_device_shows_its_part_of_the_file);
	tcase_add_test(cases, it_goes_with_its_last_user);
	tcase_add_test(cases, read_only_is_read_only);
	return fixture_run(cases, "kernel/loop");
}
