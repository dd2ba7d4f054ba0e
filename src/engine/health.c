#include "engine/health.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "engine/container.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "spec/spec.h"

#define FIRST_US 100000		  /* nearly everything needs some time */
#define STARTING_US 1000000	  /* between checks until one has been good */
#define GRACE_US 5000000	  /* for the check to notice itself that it is late */
#define STOP_US (90 * 1000000ull) /* for the machine to end, before it is killed */

bool health_watch_is_over(const struct health *health, bool worked, uint32_t failures,
			  uint64_t now_us)
{
	if (worked)
		return failures >= health->retries;
	return now_us >= health->start_us + health->retries * health->interval_us;
}

uint64_t health_watch_pause_us(const struct health *health, bool worked)
{
	return worked ? health->interval_us : MIN(health->interval_us, (uint64_t)STARTING_US);
}

static void set_timer(struct health_watch *watch, uint64_t us)
{
	const struct itimerspec when = { .it_value = { (time_t)(us / 1000000),
						       (long)(us % 1000000) * 1000 } };

	(void)timerfd_settime(watch->timer_fd, 0, &when, NULL);
}

static void note(struct container *container)
{
	char text[HEALTH_REPORT_ROOM];

	health_print(text, &container->health.report);
	if (record_health(&container->resources.record, text) >= 0)
		return;
	log_warning("%s", fail_recorded()->text);
	fail_forget();
}

int health_watch_begin(struct container *container)
{
	const struct health *health = &container->spec->health;
	struct health_watch *watch = &container->health;

	if (health->command.count == 0)
		return 0;
	*watch = (struct health_watch)HEALTH_WATCH_EMPTY;
	watch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch->timer_fd < 0)
		return fail(-errno, "cannot make a timer for checks of health");
	watch->used = true;
	watch->started_us = clock_monotonic_us();
	watch->report.state = HEALTH_STARTING;
	note(container);
	set_timer(watch, MIN(health->interval_us, (uint64_t)FIRST_US));
	return 0;
}

bool health_watch_is_open(const struct container *container)
{
	return container->health.used && container->health.report.state == HEALTH_STARTING;
}

void health_watch_end(struct container *container)
{
	struct health_watch *watch = &container->health;
	siginfo_t info;

	if (watch->pidfd >= 0) {
		process_signal(watch->pidfd, SIGKILL);
		process_wait(watch->pidfd, &info, 0);
	}
	fd_close(&watch->pidfd);
	fd_close(&watch->timer_fd);
	watch->used = false;
}

int health_watch_fd(const struct container *container, size_t which)
{
	return which == 0 ? container->health.timer_fd : container->health.pidfd;
}

/* ---- one check ---- */

/* What goes wrong each time is said once. */
static void check(const struct container *container)
{
	static const char *const environment[] = { "PATH=/usr/bin:/bin", NULL };
	const struct health *health = &container->spec->health;
	const char *arguments[HEALTH_WORDS_MAX + 6], **argument = arguments;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char timeout[24];

	snprintf(timeout, sizeof(timeout), "%llu", (unsigned long long)health->timeout_us);
	*argument++ = "nspawn";
	*argument++ = HEALTH_MODE;
	*argument++ = container->spec->machine;
	*argument++ = container->resources.record.runtime;
	*argument++ = timeout;
	for (size_t i = 0; i < health->command.count && i < HEALTH_WORDS_MAX; i++)
		*argument++ = health->command.items[i];
	*argument = NULL;
	process_reset_signals();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (container->health.report.failures > 0)
		dup2(null, STDERR_FILENO);
	execve("/proc/self/exe", (char *const *)arguments, (char *const *)environment);
	_exit(HEALTH_EXIT_ERROR);
}

static void start_check(struct container *container)
{
	struct health_watch *watch = &container->health;
	pid_t pid = process_clone(0, -EBADF, &watch->pidfd);

	if (pid == 0)
		check(container);
	if (pid < 0)
		log_warning("cannot make a process for a check of health: %s", strerror(-pid));
	/* Should the check hang itself. */
	set_timer(watch, pid < 0 ? STARTING_US : container->spec->health.timeout_us + GRACE_US);
}

static int act(struct container *container, int status)
{
	const struct health *health = &container->spec->health;
	struct health_watch *watch = &container->health;
	const char *name = container->spec->machine;

	if (status == HEALTH_EXIT_LATE)
		log_warning("Container %s does not work: its check is not done in time.", name);
	else
		log_warning("Container %s does not work: its check ended with %d.", name, status);
	if (health->on_failure == HEALTH_NONE)
		return 0;
	watch->restart = health->on_failure != HEALTH_STOP;
	watch->asked = true;
	set_timer(watch, STOP_US);
	return 1;
}

static int take_result(struct container *container, int status)
{
	const struct health *health = &container->spec->health;
	struct health_watch *watch = &container->health;
	enum health_state before = watch->report.state;
	uint64_t now = clock_monotonic_us() - watch->started_us;

	watch->report.checked_us = clock_realtime_us();
	if (status == 0) {
		watch->worked = true;
		watch->report.failures = 0;
		watch->report.state = HEALTH_WORKING;
	} else {
		watch->report.failures += watch->report.failures < UINT32_MAX;
		if (health_watch_is_over(health, watch->worked, watch->report.failures, now))
			watch->report.state = HEALTH_FAILING;
	}
	note(container);
	set_timer(watch, health_watch_pause_us(health, watch->worked || watch->report.state ==
										HEALTH_FAILING));
	if (watch->report.state == before)
		return 0;
	if (watch->report.state == HEALTH_FAILING)
		return act(container, status);
	log_debug("container '%s' works", container->spec->machine);
	return 0;
}

static int take_end(struct container *container)
{
	struct health_watch *watch = &container->health;
	siginfo_t info;

	if (process_wait(watch->pidfd, &info, WNOHANG) < 0)
		return 0;
	fd_close(&watch->pidfd);
	if (watch->asked)
		return 0;
	return take_result(container,
			   info.si_code == CLD_EXITED ? info.si_status : HEALTH_EXIT_LATE);
}

int health_watch_serve(struct container *container, size_t which)
{
	struct health_watch *watch = &container->health;
	uint64_t times;

	if (which != 0)
		return take_end(container);
	if (read(watch->timer_fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
		return 0;
	/* Asked once more, it is killed. */
	if (watch->asked)
		return 1;
	if (watch->pidfd >= 0)
		process_signal(watch->pidfd, SIGKILL);
	else
		start_check(container);
	return 0;
}
