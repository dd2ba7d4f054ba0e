#include "declare/nixos-child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/unit.h"
#include "io/child.h"
#include "io/fd.h"
#include "kernel/syscall.h"

static int shell(int *ret_status, const char *script, int out, uint64_t timeout_us)
{
	const char *const arguments[] = { "sh", "-c", script, NULL };
	static const char *const environment[] = { "PATH=/usr/bin:/bin", NULL };
	const struct child_request request = {
		.path = "/bin/sh",
		.arguments = (char *const *)arguments,
		.environment = (char *const *)environment,
		.stdio = { -EBADF, out, -EBADF },
		.timeout_us = timeout_us,
	};

	return nixos_child_run(ret_status, &request);
}

START_TEST(it_ends_as_it_likes)
{
	const struct child_request missing = { .path = "/nowhere/at/all",
					       .arguments = (char *const[]){ (char *)"x", NULL },
					       .environment = (char *const[]){ NULL },
					       .stdio = { -EBADF, -EBADF, -EBADF },
					       .timeout_us = CHILD_FOREVER };
	int status;

	ck_assert_int_eq(shell(&status, "exit 7", -EBADF, CHILD_FOREVER), 0);
	ck_assert_int_eq(status, 7);
	ck_assert_int_eq(shell(&status, "kill -9 $$", -EBADF, CHILD_FOREVER), 0);
	ck_assert_int_eq(status, -SIGKILL);
	ck_assert_int_eq(shell(&status, "sleep 1000", -EBADF, 1000), -ETIMEDOUT);
	ck_assert_int_eq(nixos_child_run(&status, &missing), -ENOENT);
}
END_TEST

/* The child tells its number, and then waits. */
static pid_t start_waiting(pid_t *ret_child)
{
	char text[11] = "";
	int both[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe2(both, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(shell(&status, "printf '%10d' $$; exec sleep 1000", both[1], CHILD_FOREVER) ==
				      -EINTR
			      ? 42
			      : 1);
	close(both[1]);
	ck_assert_int_eq(fd_read_all(both[0], text, 10), 0);
	close(both[0]);
	*ret_child = atoi(text);
	return pid;
}

START_TEST(who_is_asked_to_end_ends_it_first)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t child, pid = start_waiting(&child);
		int status;

		ck_assert_int_eq(kill(pid, signals[i]), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
		ck_assert_int_eq(kill(child, 0), -1);
	}
}
END_TEST

START_TEST(who_is_killed_takes_it_along)
{
	pid_t child, pid = start_waiting(&child);
	int pidfd = sys_pidfd_open(child, 0), status;
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	ck_assert_int_ge(pidfd, 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(poll(&ended, 1, 10000), 1);
	close(pidfd);
}
END_TEST

/* Who holds them is not ended between two children, and the next child is not even waited for. */
START_TEST(held_signals_are_for_the_next_child)
{
	sigset_t before;
	int status;

	nixos_child_hold(&before);
	ck_assert_int_eq(raise(SIGTERM), 0);
	ck_assert_int_eq(shell(&status, "exec sleep 1000", -EBADF, CHILD_FOREVER), -EINTR);
	nixos_child_let_go(&before);
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/nixos-child", it_ends_as_it_likes,
			who_is_asked_to_end_ends_it_first, who_is_killed_takes_it_along,
			held_signals_are_for_the_next_child);
}
