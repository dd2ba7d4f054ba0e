#include <time.h>

#include "base/unit.h"
#include "io/clock.h"

START_TEST(time_goes_on)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	uint64_t before = clock_monotonic_us();

	nanosleep(&pause, NULL);
	ck_assert_uint_ge(clock_monotonic_us() - before, 2000);
}
END_TEST

START_TEST(real_time_is_since_1970)
{
	uint64_t now = (uint64_t)time(NULL);

	ck_assert_uint_ge(clock_realtime_us() / 1000000, now);
	ck_assert_uint_le(clock_realtime_us() / 1000000, now + 10);
}
END_TEST

int main(void)
{
	return UNIT_RUN("io/clock", time_goes_on, real_time_is_since_1970);
}
