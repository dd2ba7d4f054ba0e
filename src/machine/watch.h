/* machine/watch - what happens to machines, as it happens.
 *
 * Records, and what is noted beside them, are watched by inotify, leaders and supervisors by pidfd,
 * cgroups by inotify on their event files. Whatever wakes us, the machine is looked at again and
 * compared with what was seen last, so nothing is told twice and a lost notification is made up for
 * by the next look. Memory is bounded by the number of machines at one time. Any process, as the
 * records' owner. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/list.h"
#include "machine/refusals.h"

enum watch_kind {
	WATCH_RUNNING, /* it was there when the watch began */
	WATCH_OPENING, /* somebody starts it */
	WATCH_STARTED, /* its program runs */
	WATCH_READY,   /* the guest said so */
	WATCH_REBOOTED,
	WATCH_PAUSED,
	WATCH_RESUMED,
	WATCH_STOPPING,	 /* its supervisor was asked to end it */
	WATCH_OOM,	 /* a process of it was killed for want of memory */
	WATCH_REFUSED,	 /* it wanted to reach what it may not */
	WATCH_ABANDONED, /* its supervisor is gone */
	WATCH_ADOPTED,	 /* and here is another */
	WATCH_ENDED,
	WATCH_KINDS
};

struct watch_event {
	enum watch_kind kind;
	uint64_t realtime_us;
	const char *machine; /* valid until the next call */
	pid_t leader;	     /* 0: none (any more) */
	uint64_t count;	     /* of WATCH_OOM: how many since the start */
	/* of WATCH_ENDED, as far as the kernel tells */
	bool status_known;
	int status, signal;	       /* signal 0: it exited */
	const struct refusal *refusal; /* of WATCH_REFUSED: valid until the next call */
};

struct watched;

#define WATCH_QUEUE_MAX 8 /* of one look */

struct watch {
	struct arena arena;
	const char *runtime;
	const struct text_list *names; /* borrowed; empty: all */
	int poll_fd;		       /* readable when watch_next() has something to do */
	int inotify_fd;
	int records;		/* the watch of the records' directory */
	struct watched *first;	/* machines that were seen */
	struct watched *unused; /* memory of such that are gone */
	struct watched *gone;	/* ended, but the queue still has its name */
	bool beginning;		/* what is found was there already */
	struct watch_event queue[WATCH_QUEUE_MAX];
	size_t queued, taken;
	struct refusal refusal;
	size_t at, size; /* in buffer: what inotify told and was not looked at yet */
	char buffer[4096] __attribute__((aligned(8)));
};

/* The first events tell of what is there already. */
int watch_open(struct watch *watch, const char *runtime, const struct text_list *names);
void watch_done(struct watch *watch);

/* 1: an event. 0: nothing within TIMEOUT_MS (negative: no limit). -EINTR: a signal. */
int watch_next(struct watch *watch, struct watch_event *ret, int timeout_ms);

/* "started" */
const char *watch_kind_name(enum watch_kind kind);
