#include "kernel/mapper.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/fs.h>

#include "io/fd.h"
#include "kernel/fixture.h"

/* Most hosts of tests are containers, which have none. */
static bool has_mapper(void)
{
	autoclose int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	return fd >= 0;
}

START_TEST(a_host_that_has_none_is_told_apart)
{
	if (!has_mapper())
		ck_assert_int_lt(mapper_open("a-test", "zero", 8, ""), 0);
	if (access("/dev/mapper/control", F_OK) < 0)
		ck_assert_int_eq(mapper_open("a-test", "zero", 8, ""), -ENOENT);
}
END_TEST

START_TEST(a_device_is_what_its_target_makes_of_it)
{
	autoclose int fd = -EBADF;
	char bytes[16] = "something";
	uint64_t size;

	if (!has_mapper())
		return;
	fd = mapper_open("a-test", "zero", 64, "");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, BLKGETSIZE64, &size), 0);
	ck_assert_uint_eq(size, UINT64_C(64) * 512);
	ck_assert_int_eq(pread(fd, bytes, sizeof(bytes), 512), sizeof(bytes));
	ck_assert_str_eq(bytes, "");
}
END_TEST

START_TEST(targets_that_are_not_there_and_errors_are_told_apart)
{
	if (!has_mapper())
		return;
	ck_assert_int_eq(mapper_open("a-test", "no such", 64, ""), -ENOPKG);
	ck_assert_int_eq(mapper_open("a-test", "error", 64, ""), -EBADMSG);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("mapper");

	tcase_add_test(cases, a_host_that_has_none_is_told_apart);
	tcase_add_test(cases, a_device_is_what_its_target_makes_of_it);
	tcase_add_test(cases, targets_that_are_not_there_and_errors_are_told_apart);
	return fixture_run(cases, "kernel/mapper");
}
