#include "machine/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "kernel/syscall.h"
#include "kernel/terminal.h"
#include "machine/enter.h"

#define SIGNAL_GROUP (1U << 2) /* linux/pidfd.h PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9 */
#define DRAIN_US UINT64_C(1000000)
#define LEAVE_US UINT64_C(1000000) /* what a program that we leave has to end by itself */
#define KEEP_MS 2000		   /* what a debugger in there has to let go of it */

static const char *const names[] = { "standard input", "standard output", "standard error" };

/* ---- before the program ---- */

int session_check(void)
{
	for (int i = 0; i < 3; i++) {
		int flags = fcntl(i, F_GETFL);
		struct stat st;

		/* The lowest number that is free is this one. */
		if (flags < 0 && open("/dev/null", O_RDWR | O_NOCTTY) < 0)
			return fail(-errno, "cannot open '/dev/null'");
		if (flags < 0)
			continue;
		if (fstat(i, &st) < 0)
			return fail(-errno, "cannot look at %s", names[i]);
		if (flags & O_PATH || S_ISDIR(st.st_mode))
			return fail_input("cannot give %s to a machine: it is a directory, or just "
					  "the name of something (try '</dev/null')",
					  names[i]);
	}
	return 0;
}

static bool must_be_relayed(const struct enter *enter, int fd)
{
	struct stat st;

	if (terminal_is(fd))
		return true;
	return enter->shares_ids && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* O_NONBLOCK belongs to the open file, which the shell shares with us. */
static int open_anew(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Our end never waits; the program's is as programs expect it. */
static int open_relay(struct session *session, int i)
{
	struct session_relay *relay = &session->relays[i];
	int ours, outside = -EBADF, ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe for %s", names[i]);
	session->stdio[i] = ends[i == 0 ? 0 : 1];
	session->given[i] = true;
	ours = ends[i == 0 ? 1 : 0];
	if (i == 0) {
		relay->from = i;
		relay->to = ours;
		relay->owns_to = true;
	} else {
		if (terminal_is(i))
			outside = open_anew(i, O_WRONLY);
		relay->from = ours;
		relay->to = outside < 0 ? i : outside;
		relay->owns_from = true;
		relay->owns_to = outside >= 0;
	}
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return fail(-errno, "cannot make a pipe for %s", names[i]);
	return 0;
}

static int open_stream(struct session *session, const struct enter *enter, int i)
{
	if (session->terminal >= 0 && terminal_is(i))
		return 0;
	if (must_be_relayed(enter, i))
		return open_relay(session, i);
	session->stdio[i] = i;
	return 0;
}

/* What was ignored when we were started stays so: nohup(1), and what a script puts behind it. */
static int take_signals(struct session *session)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };
	struct sigaction action;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (sigaction(taken[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&set, taken[i]);
	session->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (session->signals < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return fail(-errno, "cannot take signals");
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int session_open(struct session *ret, const struct enter *enter, bool pty)
{
	struct session session = SESSION_EMPTY;
	unsigned int number;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(session.relays); i++)
		session.relays[i].from = session.relays[i].to = -EBADF;
	if (pty && terminal_is(STDIN_FILENO) && terminal_is(STDOUT_FILENO)) {
		r = enter_open_terminal(enter, &session.master, &session.terminal, &number);
		if (r >= 0)
			terminal_copy_size(session.master, STDIN_FILENO);
	}
	for (int i = 0; i < 3 && r >= 0; i++)
		r = open_stream(&session, enter, i);
	if (r >= 0)
		r = take_signals(&session);
	if (r < 0) {
		session_done(&session);
		return r;
	}
	*ret = session;
	return 0;
}

bool session_has_pty(const struct session *session)
{
	return session->terminal >= 0;
}

/* ---- relays ---- */

static void end_from(struct session_relay *relay)
{
	if (relay->owns_from)
		fd_close(&relay->from);
	relay->from = -EBADF;
}

/* For the program's standard input this is the end of the file. */
static void end_to(struct session_relay *relay)
{
	if (relay->owns_to)
		fd_close(&relay->to);
	relay->to = -EBADF;
}

static bool is_empty(const struct session_relay *relay)
{
	return relay->start == relay->end;
}

/* What it waits for now; poll(2) skips what is negative. */
static struct pollfd relay_poll(const struct session_relay *relay)
{
	if (relay->to < 0)
		return (struct pollfd){ .fd = -1 };
	if (!is_empty(relay))
		return (struct pollfd){ .fd = relay->to, .events = POLLOUT };
	return (struct pollfd){ .fd = relay->from, .events = POLLIN };
}

/* One step; false: it would have to wait, or nothing is left to do. */
static bool relay_step(struct session_relay *relay)
{
	ssize_t n;

	if (relay->to < 0)
		return false;
	if (!is_empty(relay)) {
		n = write(relay->to, relay->data + relay->start, relay->end - relay->start);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0) { /* nobody reads: whoever writes shall know */
			end_from(relay);
			end_to(relay);
			return false;
		}
		relay->start += (size_t)n;
		return true;
	}
	n = read(relay->from, relay->data, sizeof(relay->data));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	relay->start = 0;
	relay->end = n < 0 ? 0 : (size_t)n;
	if (n > 0)
		return true;
	end_from(relay);
	end_to(relay);
	return false;
}

/* The program has ended; what it left in the pipe is still shown. What it left behind may go on
 * writing for ever, and who reads may not read: so not for ever. */
static void relay_drain(struct session_relay *relay, uint64_t until)
{
	while (relay->to >= 0 && clock_monotonic_us() < until) {
		struct pollfd writable = { .fd = relay->to, .events = POLLOUT };

		if (!is_empty(relay) && poll(&writable, 1, 100) <= 0)
			continue;
		if (!relay_step(relay) && is_empty(relay))
			break;
	}
}

/* ---- the loop ---- */

/* As when a line hangs up: the kernel sends SIGHUP to who is on the pty, and the program can still
 * put its things in order. What it has written is no longer of interest. */
static void leave(struct session *session)
{
	session->left = true;
	session->console.out = -EBADF;
	console_done(&session->console);
}

/* A key at our terminal is for everybody there, as it would be in a shell. */
static void pass_on(int pidfd, const struct signalfd_siginfo *info)
{
	int signal = (int)info->ssi_signo;

	if (info->ssi_code == SI_KERNEL &&
	    sys_pidfd_send_signal(pidfd, signal, NULL, SIGNAL_GROUP) == 0)
		return;
	(void)process_signal(pidfd, signal);
}

static void hear_signals(struct session *session, int pidfd)
{
	struct signalfd_siginfo info;

	while (read(session->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGWINCH)
			console_resize(&session->console);
		else if (info.ssi_signo == SIGHUP && session_has_pty(session))
			leave(session);
		else
			pass_on(pidfd, &info);
	}
}

#define RELAYS ARRAY_SIZE(((struct session *)NULL)->relays)
#define CONSOLE_AT (2 + RELAYS)

/* 1: the program has ended. */
static int wait_once(struct session *session, int pidfd, int patience_ms)
{
	struct pollfd polls[CONSOLE_AT + CONSOLE_POLLS] = {
		{ .fd = pidfd, .events = POLLIN },
		{ .fd = session->signals, .events = POLLIN },
	};
	size_t console = console_poll(&session->console, polls + CONSOLE_AT);

	for (size_t i = 0; i < RELAYS; i++)
		polls[2 + i] = relay_poll(&session->relays[i]);
	if (poll(polls, CONSOLE_AT + console, patience_ms) < 0 && errno != EINTR)
		return fail(-errno, "cannot wait for the program");
	for (size_t i = 0; i < RELAYS; i++)
		if (polls[2 + i].revents != 0)
			relay_step(&session->relays[i]);
	if (session->console.master >= 0 &&
	    console_forward(&session->console, polls + CONSOLE_AT, console) == CONSOLE_KEY_KILL)
		leave(session);
	if (polls[1].revents != 0)
		hear_signals(session, pidfd);
	return polls[0].revents != 0;
}

static void drain(struct session *session)
{
	uint64_t until = clock_monotonic_us() + DRAIN_US;

	for (size_t i = 1; i < ARRAY_SIZE(session->relays); i++)
		relay_drain(&session->relays[i], until);
	console_done(&session->console);
}

int session_run(struct session *session, int pidfd, siginfo_t *ret)
{
	uint64_t until = 0;
	int r;

	for (int i = 0; i < 3; i++)
		if (session->given[i])
			fd_close(&session->stdio[i]);
	if (session_has_pty(session))
		console_take(&session->console, take_fd(&session->master), true, true);
	while ((r = wait_once(session, pidfd, session->left ? 100 : -1)) == 0) {
		if (session->left && until == 0)
			until = clock_monotonic_us() + LEAVE_US;
		if (until != 0 && clock_monotonic_us() > until)
			(void)process_signal(pidfd, SIGKILL);
		if (until != 0 && clock_monotonic_us() > until + LEAVE_US)
			return fail_plain(-EBUSY, "cannot end the program: something in the "
						  "machine keeps it (it was left behind)");
	}
	if (r < 0)
		return r;
	drain(session);
	r = process_reap(pidfd, ret, KEEP_MS);
	if (r == -EBUSY)
		return fail_plain(r, "cannot tell how the program ended: something in the machine "
				     "traces it, and does not let go");
	return r < 0 ? fail(r, "cannot wait for the program") : 0;
}

void session_done(struct session *session)
{
	for (size_t i = 0; i < ARRAY_SIZE(session->relays); i++) {
		end_from(&session->relays[i]);
		end_to(&session->relays[i]);
		if (session->given[i])
			fd_close(&session->stdio[i]);
	}
	console_done(&session->console);
	fd_close(&session->master);
	fd_close(&session->terminal);
	fd_close(&session->signals);
}
