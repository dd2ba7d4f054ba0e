#include "declare/nixos-child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/macros.h"
#include "io/child.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/process.h"

#define GRACE_US 10000000ull

static void asked(sigset_t *ret)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	sigemptyset(ret);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(ret, signals[i]);
}

void nixos_child_hold(sigset_t *ret_before)
{
	sigset_t set;

	asked(&set);
	sigprocmask(SIG_BLOCK, &set, ret_before);
}

void nixos_child_let_go(const sigset_t *before)
{
	sigprocmask(SIG_SETMASK, before, NULL);
}

/* In the child; what it cannot do is written to FAILED_FD. */
static void become(const struct child_request *request, pid_t parent, int failed_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), copies[3], code;

	/* Asked, not killed: nix ends what it builds with, and removes what it has made. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0 || getppid() != parent)
		_exit(127);
	/* Away from 0 to 2, or an earlier dup2() would overwrite what a later one copies. */
	for (int i = 0; i < 3; i++)
		copies[i] = fd_duplicate(request->stdio[i] < 0 ? null : request->stdio[i]);
	for (int i = 0; i < 3; i++)
		dup2(copies[i], i);
	fd_close_all(3, &failed_fd, 1);
	process_reset_signals();
	execve(request->path, request->arguments, request->environment);
	code = -errno;
	(void)fd_write_all(failed_fd, &code, sizeof(code));
	_exit(127);
}

/* What was sent to us is sent on. */
static bool pass_on(int signal_fd, int pidfd)
{
	struct signalfd_siginfo info;
	bool any = false;

	while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		(void)process_signal(pidfd, (int)info.ssi_signo);
		any = true;
	}
	return any;
}

/* Until the child has ended: 0, -EINTR or -ETIMEDOUT. */
static int await_end(int pidfd, int signal_fd, uint64_t deadline_us)
{
	int r = 0;

	for (;;) {
		struct pollfd polled[] = { { .fd = pidfd, .events = POLLIN },
					   { .fd = signal_fd, .events = POLLIN } };
		uint64_t now = clock_monotonic_us();

		if (now >= deadline_us) {
			(void)process_signal(pidfd, SIGKILL);
			r = r == 0 ? -ETIMEDOUT : r;
			deadline_us = UINT64_MAX;
			continue;
		}
		(void)poll(polled, ARRAY_SIZE(polled),
			   (int)MIN((deadline_us - now) / 1000 + 1, 60000u));
		if (pass_on(signal_fd, pidfd)) {
			r = -EINTR;
			deadline_us = MIN(deadline_us, clock_monotonic_us() + GRACE_US);
		}
		if (polled[0].revents != 0)
			return r;
	}
}

static int run(int *ret_status, const struct child_request *request, int signal_fd)
{
	uint64_t now_us = clock_monotonic_us(),
		 deadline_us = now_us + MIN(request->timeout_us, UINT64_MAX - now_us);
	autoclose int pidfd = -EBADF, read_fd = -EBADF, write_fd = -EBADF;
	const pid_t self = getpid();
	int r, code, both[2];
	siginfo_t info;
	pid_t pid;

	if (pipe2(both, O_CLOEXEC) < 0)
		return -errno;
	read_fd = both[0];
	write_fd = both[1];
	pid = process_clone(0, -EBADF, &pidfd);
	if (pid == 0)
		become(request, self, write_fd);
	if (pid < 0)
		return pid;
	fd_close(&write_fd);
	r = await_end(pidfd, signal_fd, deadline_us);
	if (process_wait(pidfd, &info, 0) < 0)
		return r < 0 ? r : -ECHILD;
	if (fd_read_all(read_fd, &code, sizeof(code)) >= 0)
		return code;
	*ret_status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
	return r;
}

int nixos_child_run(int *ret_status, const struct child_request *request)
{
	autoclose int signal_fd = -EBADF;
	sigset_t set, before;
	int r;

	asked(&set);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return -errno;
	nixos_child_hold(&before);
	r = run(ret_status, request, signal_fd);
	nixos_child_let_go(&before);
	return r;
}
