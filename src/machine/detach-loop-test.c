#include "machine/detach-loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unit.h"
#include "io/fd.h"

START_TEST(the_pause_doubles_up_to_half_a_minute)
{
	ck_assert_uint_eq(detach_pause_us(1), 100000);
	ck_assert_uint_eq(detach_pause_us(2), 200000);
	ck_assert_uint_eq(detach_pause_us(9), 25600000);
	ck_assert_uint_eq(detach_pause_us(10), 30000000);
	ck_assert_uint_eq(detach_pause_us(1000000), 30000000);
}
END_TEST

START_TEST(more_time_is_a_number_on_a_line_of_its_own)
{
	ck_assert_uint_eq(detach_extension("EXTEND_TIMEOUT_USEC=7"), 7);
	ck_assert_uint_eq(detach_extension("STATUS=x\nEXTEND_TIMEOUT_USEC=3600000000\nREADY=1"),
			  3600000000);
	ck_assert_uint_eq(detach_extension("STATUS=EXTEND_TIMEOUT_USEC=7"), 0);
	ck_assert_uint_eq(detach_extension("EXTEND_TIMEOUT_USEC="), 0);
	ck_assert_uint_eq(detach_extension("EXTEND_TIMEOUT_USEC=-1"), 0);
	ck_assert_uint_eq(detach_extension("EXTEND_TIMEOUT_USEC=99999999999999999999999999999"), 0);
	ck_assert_uint_eq(detach_extension(""), 0);
}
END_TEST

START_TEST(the_lock_tells_whether_it_is_ready)
{
	autoclose int fd = memfd_create("lock", MFD_CLOEXEC);
	char text[64], expected[64];

	for (int i = 0; i < 4; i++) {
		ssize_t size;

		ck_assert_int_eq(detach_note(fd, i % 2 == 1), 0);
		snprintf(expected, sizeof(expected), "%d\n%s", getpid(), i % 2 ? "ready\n" : "");
		size = pread(fd, text, sizeof(text) - 1, 0);
		ck_assert_int_gt(size, 0);
		text[size] = '\0';
		ck_assert_str_eq(text, expected);
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("machine/detach-loop", the_pause_doubles_up_to_half_a_minute,
			more_time_is_a_number_on_a_line_of_its_own,
			the_lock_tells_whether_it_is_ready);
}
