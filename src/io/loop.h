/* io/loop - waits for descriptors and calls back. Supervisor. Quiet.
 *
 * A fixed table of sources and one epoll descriptor: nothing is allocated. A
 * callback may add and remove any source, itself too; an event that was
 * fetched for a source removed since is dropped. The loop borrows the
 * descriptors: remove before closing.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "base/macros.h"

#define LOOP_SOURCES_MAX 16

/* EVENTS as from epoll(7). A negative result ends loop_run_once() and loop_run() with it. */
typedef int loop_fn(void *context, int fd, uint32_t events);

struct loop_source {
	loop_fn *callback; /* NULL: this slot is free */
	void *context;
	int fd;
	uint32_t serial; /* tells a new source from an old one in the same slot */
};

struct loop {
	int epoll_fd;
	uint32_t serial;
	bool exiting;
	struct loop_source sources[LOOP_SOURCES_MAX];
};

/* For objects that may be dropped before loop_init(). */
#define LOOP_EMPTY                 \
	{                          \
		.epoll_fd = -EBADF \
	}

int loop_init(struct loop *loop);
void loop_done(struct loop *loop);
#define autoloop CLEANUP(loop_done)

/* EVENTS: EPOLLIN, EPOLLOUT, … -ENOSPC: the table is full. -EEXIST: FD is there already.
 * -EPERM: a regular file or directory, which is always ready. */
int loop_add(struct loop *loop, int fd, uint32_t events, loop_fn *callback, void *context);
int loop_change(struct loop *loop, int fd, uint32_t events); /* -ENOENT: FD is no source */
void loop_remove(struct loop *loop, int fd);		     /* no source: nothing happens */

/* Wait up to TIMEOUT_MS (-1: no limit) and call back: number of calls, 0 after the timeout or a
 * signal. */
int loop_run_once(struct loop *loop, int timeout_ms);

int loop_run(struct loop *loop); /* until loop_exit() */
void loop_exit(struct loop *loop);

/* Block SIGNALS in this thread and return a descriptor (O_NONBLOCK) to read them from. */
int loop_open_signals(const int *signals, size_t count);

/* One signal. -EAGAIN: none is waiting. */
int loop_read_signal(struct signalfd_siginfo *ret, int fd);
