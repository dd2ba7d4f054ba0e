#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/unit.h"
#include "io/fd.h"
#include "io/loop.h"

struct watched {
	struct loop *loop;
	int ends[2], other, calls;
};

static void open_pipe(int ends[2])
{
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
}

static int count(void *context, int fd, uint32_t events)
{
	struct watched *watched = context;
	char byte;

	ck_assert_uint_ne(events & EPOLLIN, 0);
	ck_assert_int_eq(read(fd, &byte, 1), 1);
	watched->calls++;
	return 0;
}

START_TEST(a_ready_source_is_called)
{
	autoloop struct loop loop = LOOP_EMPTY;
	struct watched watched = {};

	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(loop_run_once(&loop, 0), 0);
	open_pipe(watched.ends);
	ck_assert_int_eq(loop_add(&loop, watched.ends[0], EPOLLIN, count, &watched), 0);
	ck_assert_int_eq(loop_run_once(&loop, 1000), 1);
	ck_assert_int_eq(loop_run_once(&loop, 1), 0);
	ck_assert_int_eq(watched.calls, 1);
}
END_TEST

START_TEST(events_can_be_changed_and_sources_removed)
{
	autoloop struct loop loop = LOOP_EMPTY;
	struct watched watched = {};

	ck_assert_int_eq(loop_init(&loop), 0);
	open_pipe(watched.ends);
	ck_assert_int_eq(loop_change(&loop, watched.ends[0], 0), -ENOENT);
	ck_assert_int_eq(loop_add(&loop, watched.ends[0], 0, count, &watched), 0);
	ck_assert_int_eq(loop_run_once(&loop, 0), 0);
	ck_assert_int_eq(loop_change(&loop, watched.ends[0], EPOLLIN), 0);
	ck_assert_int_eq(loop_run_once(&loop, 0), 1);
	ck_assert_int_eq(write(watched.ends[1], "y", 1), 1);
	loop_remove(&loop, watched.ends[0]);
	loop_remove(&loop, watched.ends[0]);
	ck_assert_int_eq(loop_run_once(&loop, 0), 0);
}
END_TEST

START_TEST(the_table_has_an_end)
{
	autoloop struct loop loop = LOOP_EMPTY;
	struct watched watched = {};
	int fds[LOOP_SOURCES_MAX + 1];

	ck_assert_int_eq(loop_init(&loop), 0);
	open_pipe(watched.ends);
	for (int i = 0; i <= LOOP_SOURCES_MAX; i++)
		fds[i] = fd_duplicate(watched.ends[0]);
	for (int i = 0; i < LOOP_SOURCES_MAX; i++)
		ck_assert_int_eq(loop_add(&loop, fds[i], EPOLLIN, count, &watched), 0);
	ck_assert_int_eq(loop_add(&loop, fds[0], EPOLLIN, count, &watched), -EEXIST);
	ck_assert_int_eq(loop_add(&loop, fds[16], EPOLLIN, count, &watched), -ENOSPC);
	loop_remove(&loop, fds[5]);
	ck_assert_int_eq(loop_add(&loop, fds[16], EPOLLIN, count, &watched), 0);
	loop_remove(&loop, fds[16]);
	ck_assert_int_eq(loop_add(&loop, -EBADF, EPOLLIN, count, &watched), -EBADF);
	ck_assert_int_eq(loop_add(&loop, fds[5], EPOLLIN, count, &watched), 0);
}
END_TEST

/* Removes the other one and puts a new source into its slot. */
static int replace_other(void *context, int fd, uint32_t events)
{
	struct watched *watched = context;

	(void)fd, (void)events;
	watched->calls++;
	loop_remove(watched->loop, watched->other);
	loop_remove(watched->loop, fd);
	ck_assert_int_eq(loop_add(watched->loop, watched->ends[1], 0, replace_other, watched), 0);
	return 0;
}

START_TEST(an_event_of_a_removed_source_is_dropped)
{
	struct watched one = {}, two = {};
	autoloop struct loop loop = LOOP_EMPTY;

	ck_assert_int_eq(loop_init(&loop), 0);
	open_pipe(one.ends);
	open_pipe(two.ends);
	one.loop = two.loop = &loop;
	one.other = two.ends[0];
	two.other = one.ends[0];
	ck_assert_int_eq(loop_add(&loop, one.ends[0], EPOLLIN, replace_other, &one), 0);
	ck_assert_int_eq(loop_add(&loop, two.ends[0], EPOLLIN, replace_other, &two), 0);
	ck_assert_int_eq(loop_run_once(&loop, 0), 1);
	ck_assert_int_eq(one.calls + two.calls, 1);
}
END_TEST

static int leave(void *context, int fd, uint32_t events)
{
	(void)fd, (void)events;
	loop_exit(context);
	return 0;
}

static int refuse(void *context, int fd, uint32_t events)
{
	(void)context, (void)fd, (void)events;
	return -EPROTO;
}

START_TEST(the_loop_ends_when_told_or_after_a_failure)
{
	autoloop struct loop loop = LOOP_EMPTY;
	int ends[2];

	open_pipe(ends);
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(loop_add(&loop, ends[0], EPOLLIN, refuse, NULL), 0);
	ck_assert_int_eq(loop_run(&loop), -EPROTO);
	loop_remove(&loop, ends[0]);
	ck_assert_int_eq(loop_add(&loop, ends[0], EPOLLIN, leave, &loop), 0);
	ck_assert_int_eq(loop_run(&loop), 0);
}
END_TEST

START_TEST(signals_come_as_reads)
{
	static const int signals[] = { SIGTERM, SIGUSR1 };
	autoclose int fd = loop_open_signals(signals, 2);
	struct signalfd_siginfo info;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(loop_read_signal(&info, fd), -EAGAIN);
	ck_assert_int_eq(raise(SIGTERM), 0);
	ck_assert_int_eq(loop_read_signal(&info, fd), 0);
	ck_assert_uint_eq(info.ssi_signo, SIGTERM);
	ck_assert_uint_eq(info.ssi_pid, (uint32_t)getpid());
}
END_TEST

int main(void)
{
	return UNIT_RUN("io/loop", a_ready_source_is_called,
			events_can_be_changed_and_sources_removed, the_table_has_an_end,
			an_event_of_a_removed_source_is_dropped,
			the_loop_ends_when_told_or_after_a_failure, signals_come_as_reads);
}
