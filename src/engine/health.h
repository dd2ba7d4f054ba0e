/* engine/health - [X-Health] while the machine runs: when its check is due, and what follows.
 *
 * The check is a child (machine/health), which is this program once more; here are a timer, the
 * child's pidfd and a count. Until it has worked once, the check is due every second, and it may
 * fail for StartPeriod= and as long as Retries= checks take; later, Retries= failures in a row are
 * the end of health. What came of it is in the record. Allocates nothing once it has begun. Runs
 * in: supervisor, while the container runs. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "format/health.h"
#include "machine/health.h"

struct container;

#define HEALTH_SERVED 2 /* descriptors in the supervisor's loop */

struct health_watch {
	bool used;
	bool restart; /* it is to be started again when it has ended */
	bool asked;   /* to end; then the timer tells when that takes too long */
	bool worked;  /* once in this start */
	int timer_fd, pidfd;
	uint64_t started_us; /* monotonic */
	struct health_report report;
};

#define HEALTH_WATCH_EMPTY                          \
	{                                           \
		.timer_fd = -EBADF, .pidfd = -EBADF \
	}

/* The program runs. Does nothing where no command is declared. */
int health_watch_begin(struct container *container);

/* Whether it works is not known yet. */
bool health_watch_is_open(const struct container *container);

/* Of one start. */
void health_watch_end(struct container *container);

int health_watch_fd(const struct container *container, size_t which);

/* 1: the machine is to end. */
int health_watch_serve(struct container *container, size_t which);

/* Pure: so many FAILURES are the end of health, NOW_US after the start. */
bool health_watch_is_over(const struct health *health, bool worked, uint32_t failures,
			  uint64_t now_us);

/* Pure: until the next check. */
uint64_t health_watch_pause_us(const struct health *health, bool worked);
