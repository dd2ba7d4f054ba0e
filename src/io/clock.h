/* io/clock - what time it is, in microseconds. Any process; async-signal-safe. */
#pragma once
#include <stdint.h>

uint64_t clock_monotonic_us(void); /* for deadlines: never steps, does not run in suspend */
uint64_t clock_realtime_us(void);  /* since 1970, for people and records */
