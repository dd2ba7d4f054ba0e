#include "io/clock.h"

#include <time.h>

static uint64_t now_us(clockid_t clock)
{
	struct timespec now = {};

	/* Both clocks exist on every Linux: no failure to report. */
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_monotonic_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

uint64_t clock_realtime_us(void)
{
	return now_us(CLOCK_REALTIME);
}
