#include "engine/health.h"

#include "base/unit.h"

#define S 1000000ull

static const struct health health = {
	.interval_us = 10 * S,
	.timeout_us = 5 * S,
	.start_us = 20 * S,
	.retries = 3,
};

START_TEST(until_it_has_worked_time_counts)
{
	ck_assert(!health_watch_is_over(&health, false, 40, 49 * S));
	ck_assert(health_watch_is_over(&health, false, 1, 50 * S));
	ck_assert_uint_eq(health_watch_pause_us(&health, false), 1 * S);
}
END_TEST

START_TEST(then_failures_in_a_row_count)
{
	ck_assert(!health_watch_is_over(&health, true, 2, 1000 * S));
	ck_assert(health_watch_is_over(&health, true, 3, 1 * S));
	ck_assert_uint_eq(health_watch_pause_us(&health, true), 10 * S);
}
END_TEST

START_TEST(a_short_interval_stays_short)
{
	const struct health fast = { .interval_us = S / 5 };

	ck_assert_uint_eq(health_watch_pause_us(&fast, false), S / 5);
}
END_TEST

int main(void)
{
	return UNIT_RUN("engine/health", until_it_has_worked_time_counts,
			then_failures_in_a_row_count, a_short_interval_stays_short);
}
