#include "machine/detach-loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/parse.h"
#include "io/clock.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/memory.h"
#include "kernel/process.h"
#include "machine/detach.h"
#include "machine/find.h"
#include "machine/service.h"

#define PAUSE_FIRST_US 100000ull
#define PAUSE_MAX_US 30000000ull
#define STABLE_US 60000000ull /* having run for so long, the next failure is a first one */
#define FORCE_US 5000000ull   /* for the runner, after its payload was killed */
#define EXIT_START_AGAIN 133
#define EXTEND "EXTEND_TIMEOUT_USEC="

uint64_t detach_pause_us(unsigned int failures)
{
	uint64_t pause = PAUSE_FIRST_US;

	for (unsigned int i = 1; i < failures && pause < PAUSE_MAX_US; i++)
		pause *= 2;
	return MIN(pause, PAUSE_MAX_US);
}

int detach_note(int lock_fd, bool ready)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%d\n%s", (int)getpid(),
			      ready ? DETACH_READY "\n" : "");

	return pwrite(lock_fd, text, (size_t)length, 0) == length && ftruncate(lock_fd, length) == 0
		       ? 0
		       : -EIO;
}

uint64_t detach_extension(const char *text)
{
	const char *found = strstr(text, EXTEND);
	uint64_t us;
	char number[24];

	if (found == NULL || (found > text && found[-1] != '\n'))
		return 0;
	snprintf(number, sizeof(number), "%s", found + strlen(EXTEND));
	number[strcspn(number, "\n")] = '\0';
	return parse_u64(&us, number) < 0 ? 0 : us;
}

static void note(const struct detach_loop *loop, const char *format, ...) PRINTF(2, 3);

static void note(const struct detach_loop *loop, const char *format, ...)
{
	char text[256];
	size_t used = (size_t)snprintf(text, sizeof(text), "supervisor: ");
	va_list args;

	va_start(args, format);
	used += (size_t)vsnprintf(text + used, sizeof(text) - used - 1, format, args);
	va_end(args);
	used = MIN(used, sizeof(text) - 2);
	text[used++] = '\n';
	(void)fd_write_all(loop->log_fd, text, used);
}

static void run(const struct detach_loop *loop)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(loop->log_fd, STDOUT_FILENO);
	dup2(loop->log_fd, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(loop->detach->arguments[0], loop->detach->arguments, loop->environment);
	note(loop, "cannot run '%s': %s", loop->detach->arguments[0], strerror(errno));
	_exit(EXIT_FAILURE);
}

static void start(struct detach_loop *loop)
{
	loop->again_us = 0;
	loop->started_us = clock_monotonic_us();
	loop->pid = process_clone(0, -EBADF, &loop->pidfd);
	if (loop->pid == 0)
		run(loop);
	if (loop->pid < 0) {
		note(loop, "cannot make a process: %s", strerror(-loop->pid));
		loop->leaving = true;
	}
}

/* ---- what the runner says ---- */

static void tell_starter(const struct detach_loop *loop, uint64_t number)
{
	if (loop->answer_fd >= 0)
		(void)fd_write_all(loop->answer_fd, &number, sizeof(number));
}

static void take_notification(struct detach_loop *loop)
{
	char text[512];
	uint64_t more;
	pid_t from;
	ssize_t size = fd_hear(loop->notify_fd, text, sizeof(text) - 1, MSG_DONTWAIT, &from);

	if (size < 0)
		return;
	text[size] = '\0';
	if (from != loop->pid)
		return;
	more = detach_extension(text);
	if (more > 0)
		tell_starter(loop, more);
	if (strstr(text, "READY=1") == NULL)
		return;
	(void)detach_note(loop->lock_fd, true);
	tell_starter(loop, 0);
	fd_close(&loop->answer_fd);
	memory_shrink();
}

/* What is written meanwhile between copy and cut is lost: the runner holds the file open, so it
 * cannot be renamed away. */
static void rotate(struct detach_loop *loop)
{
	char events[4096];
	autoclose int from = -EBADF, to = -EBADF;
	struct stat st;

	while (read(loop->watch_fd, events, sizeof(events)) > 0)
		;
	if (fstat(loop->log_fd, &st) < 0 || st.st_size < DETACH_LOG_MAX)
		return;
	from = open(loop->log_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	to = open(loop->old_log_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (from >= 0 && to >= 0)
		(void)file_copy_fd(to, from);
	if (ftruncate(loop->log_fd, 0) < 0)
		note(loop, "cannot cut the log: %s", strerror(errno));
}

/* ---- how it ends ---- */

/* What is declared may be another thing than it was at the start, or nothing, as it is of a machine
 * that is removed: then that of the start holds. */
static struct service declared_now(const struct detach_loop *loop)
{
	const struct detach *detach = loop->detach;
	autoarena struct arena arena = { 0 };
	struct service service;

	if (service_read(&arena, &service, detach->environment, detach->name) <= 0) {
		fail_forget();
		return *detach->service;
	}
	return (struct service){
		.restart = service.restart,
		.pause_us = service.pause_us,
		.stop_us = service.stop_us,
	};
}

/* Started so that it may outlive its runner, it did: not ours any more, until it is adopted. */
static bool is_abandoned(const struct detach_loop *loop)
{
	autoarena struct arena arena = { 0 };
	struct machine machine;
	int r = machine_open(&arena, &machine, loop->detach->runtime, loop->detach->name);

	return r >= 0 && machine.state == MACHINE_ABANDONED;
}

static void plan_next(struct detach_loop *loop, const struct service *service, int status)
{
	uint64_t now = clock_monotonic_us();
	uint64_t pause;

	if (status == EXIT_START_AGAIN) {
		loop->again_us = now;
		return;
	}
	if (now - loop->started_us >= STABLE_US || status == 0)
		loop->failures = 0;
	if (++loop->failures >= DETACH_TRIES) {
		note(loop, "the machine failed %u times in a row, giving up", loop->failures);
		loop->leaving = true;
		return;
	}
	pause = service->pause_us;
	if (pause == 0)
		pause = detach_pause_us(loop->failures);
	note(loop, "the machine %s (%s %d), starting it again in %llu ms",
	     status == 0 ? "ended" : "failed", status < 0 ? "signal" : "status", abs(status),
	     (unsigned long long)(pause / 1000));
	loop->again_us = now + pause;
}

static void take_end(struct detach_loop *loop)
{
	struct service service;
	siginfo_t info;
	int status;

	if (process_wait(loop->pidfd, &info, WNOHANG) < 0)
		return;
	fd_close(&loop->pidfd);
	(void)detach_note(loop->lock_fd, false);
	status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
	service = declared_now(loop);
	/* Who starts it is told of a first failure; trying again would only hide that. */
	if (loop->leaving || loop->answer_fd >= 0 ||
	    (status != EXIT_START_AGAIN && !service_restarts(service.restart, status))) {
		loop->leaving = true;
	} else if (status < 0 && is_abandoned(loop)) {
		note(loop, "the runner was killed, the machine lives on (try machinectl adopt)");
		loop->leaving = true;
	} else {
		plan_next(loop, &service, status);
	}
}

/* The machine first, so that the runner can still clean up after it. */
static void use_force(struct detach_loop *loop)
{
	autoarena struct arena arena = { 0 };
	autoclose int leader = -EBADF;
	struct machine machine;

	note(loop, "the machine does not stop in time, killing it");
	if (machine_open(&arena, &machine, loop->detach->runtime, loop->detach->name) >= 0)
		leader = machine_open_leader(&machine);
	if (leader >= 0 && !loop->forced) {
		process_signal(leader, SIGKILL);
		loop->forced = true;
		loop->kill_us = clock_monotonic_us() + FORCE_US;
		return;
	}
	process_signal(loop->pidfd, SIGKILL);
	loop->kill_us = 0;
}

static void take_signals(struct detach_loop *loop)
{
	struct signalfd_siginfo info;
	uint64_t stop_us;

	while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		loop->leaving = true;
		loop->again_us = 0;
		if (info.ssi_signo != SIGUSR1 || loop->kill_us != 0 || loop->pidfd < 0)
			continue;
		process_signal(loop->pidfd, SIGTERM);
		stop_us = declared_now(loop).stop_us;
		loop->kill_us = clock_monotonic_us() + (stop_us != 0 ? stop_us : DETACH_STOP_US);
	}
}

static int timeout_ms(const struct detach_loop *loop)
{
	uint64_t at = loop->again_us != 0 ? loop->again_us : loop->kill_us;
	uint64_t now = clock_monotonic_us();

	if (at == 0)
		return -1;
	return at <= now ? 0 : (int)MIN((at - now) / 1000 + 1, 1u << 30);
}

static void prepare(struct detach_loop *loop)
{
	sigset_t taken;

	sigemptyset(&taken);
	sigaddset(&taken, SIGTERM);
	sigaddset(&taken, SIGUSR1);
	sigaddset(&taken, SIGUSR2);
	sigprocmask(SIG_BLOCK, &taken, NULL);
	loop->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
	loop->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	(void)inotify_add_watch(loop->watch_fd, loop->log_path, IN_MODIFY);
}

void detach_loop(struct detach_loop *loop)
{
	prepare(loop);
	start(loop);
	while (loop->pidfd >= 0 || !loop->leaving) {
		struct pollfd polled[] = {
			{ .fd = loop->signal_fd, .events = POLLIN },
			{ .fd = loop->notify_fd, .events = POLLIN },
			{ .fd = loop->watch_fd, .events = POLLIN },
			{ .fd = loop->pidfd, .events = POLLIN },
		};
		uint64_t now;

		if (poll(polled, ARRAY_SIZE(polled), timeout_ms(loop)) < 0 && errno != EINTR)
			break;
		take_signals(loop);
		take_notification(loop);
		rotate(loop);
		if (loop->pidfd >= 0)
			take_end(loop);
		now = clock_monotonic_us();
		if (loop->kill_us != 0 && loop->pidfd >= 0 && now >= loop->kill_us)
			use_force(loop);
		if (loop->again_us != 0 && now >= loop->again_us)
			start(loop);
	}
}
