/* machine/jobs - the same for many machines: a bounded number at a time, each in a process of its
 * own, after those that it names.
 *
 * What a process records as a failure it logs itself, so that sentences come as things happen.
 * Speaking. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

enum jobs_stage { JOBS_WAITING, JOBS_UNDER_WAY, JOBS_FINISHED };

struct jobs_item {
	const char *name;
	struct text_list after; /* a name that is none of theirs is no reason to wait */
	void *context;		/* for RUN */
	enum jobs_stage stage;
	int pidfd; /* starts as -EBADF */
	bool failed;
};

struct jobs {
	struct jobs_item *items;
	size_t count, under_way, failed;
	bool strict; /* when one fails, none begins any more */
};

/* In the process. A negative errno: it failed. */
typedef int jobs_fn(void *context, const char *name, void *item);

/* 0: all have ended, or will not begin; those that failed are counted. */
int jobs_run(struct jobs *jobs, jobs_fn *run, void *context);
