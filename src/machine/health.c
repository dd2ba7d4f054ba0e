#include "machine/health.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "machine/enter-shield.h"
#include "machine/enter.h"
#include "machine/find.h"
#include "machine/guest-users.h"
#include "machine/record.h"

static const char *const names[] = {
	[HEALTH_STARTING] = "starting",
	[HEALTH_WORKING] = "healthy",
	[HEALTH_FAILING] = "unhealthy",
};

const char *health_state_name(enum health_state state)
{
	return names[state];
}

void health_print(char ret[HEALTH_REPORT_ROOM], const struct health_report *report)
{
	snprintf(ret, HEALTH_REPORT_ROOM, "%-9s %010u %020llu", names[report->state],
		 report->failures, (unsigned long long)report->checked_us);
}

int health_parse(struct health_report *ret, const char *text)
{
	struct health_report report = { 0 };
	char *end;

	for (size_t i = HEALTH_STARTING; i < ARRAY_SIZE(names); i++) {
		const char *rest = text_after(text, names[i]);

		if (rest == NULL || *rest != ' ')
			continue;
		report.state = (enum health_state)i;
		report.failures = (uint32_t)strtoul(rest, &end, 10);
		if (*end != ' ')
			return -EBADMSG;
		report.checked_us = strtoull(end, &end, 10);
		if (*end != '\0')
			return -EBADMSG;
		*ret = report;
		return 0;
	}
	return -EBADMSG;
}

struct health_report health_of(const struct machine *machine)
{
	const char *note = machine->is_host ? NULL : machine_note(machine, RECORD_HEALTH);
	struct health_report report = { 0 };

	if (note != NULL)
		(void)health_parse(&report, note);
	return report;
}

/* ---- waiting ---- */

/* The record is written over in place; when the machine ends, it is removed. */
static int await_change(int inotify_fd, int leader_fd, uint64_t deadline)
{
	struct pollfd polls[] = {
		{ .fd = inotify_fd, .events = POLLIN },
		{ .fd = leader_fd, .events = POLLIN },
	};
	uint64_t now = clock_monotonic_us();
	char events[4096];
	int n;

	if (now >= deadline)
		return -ETIMEDOUT;
	n = poll(polls, ARRAY_SIZE(polls), (int)MIN((deadline - now) / 1000 + 1, 1u << 30));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	while (read(inotify_fd, events, sizeof(events)) > 0)
		;
	return 0;
}

int health_await(struct arena *arena, struct health_report *ret, const char *runtime,
		 const char *name, uint64_t timeout_us)
{
	const uint64_t deadline = clock_monotonic_us() + timeout_us;
	int r = 0;

	*ret = (struct health_report){ 0 };
	while (r >= 0) {
		/* Who is started again has a record of its own. */
		autoclose int inotify_fd = machine_watch_record(arena, runtime, name),
			      leader = -EBADF;
		autoarena struct arena scratch = { 0 };
		struct machine machine;

		r = inotify_fd < 0 ? inotify_fd : machine_open(&scratch, &machine, runtime, name);
		if (r < 0)
			break;
		*ret = health_of(&machine);
		if (ret->state != HEALTH_STARTING)
			return 0;
		leader = machine_open_leader(&machine);
		/* What has ended is not waited for twice: next its record goes. */
		if (leader >= 0 && process_has_ended(leader))
			fd_close(&leader);
		r = await_change(inotify_fd, leader, deadline);
	}
	/* It has ended. */
	if (r == -ENXIO) {
		*ret = (struct health_report){ 0 };
		return 0;
	}
	if (r == -ETIMEDOUT)
		return fail_plain(r, "cannot tell in time whether machine '%s' works", name);
	return fail(r, "cannot wait for the health of machine '%s'", name);
}

/* ---- the check ---- */

static int start(struct arena *arena, struct enter *enter, char *const *command, int *ret_pidfd)
{
	const struct text_list none = { 0 };
	struct enter_program program = { .arguments = command, .terminal = -EBADF };
	autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid;
	int r;

	if (null < 0)
		return fail(-errno, "cannot open '/dev/null'");
	for (size_t i = 0; i < ARRAY_SIZE(program.stdio); i++)
		program.stdio[i] = null;
	r = guest_users_find(arena, &program.user, enter->root_fd, NULL);
	if (r < 0)
		return r;
	program.environment = enter_environment(arena, enter, &program.user, &none);
	return enter_start(enter, &program, &pid, ret_pidfd);
}

static int await_end(int pidfd, uint64_t timeout_us)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	siginfo_t info;
	int n, r;

	do
		n = poll(&ended, 1, (int)MIN(timeout_us / 1000 + 1, 1u << 30));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		process_signal(pidfd, SIGKILL);
	r = process_wait(pidfd, &info, 0);
	if (r < 0)
		return fail(r, "cannot wait for the check");
	if (n <= 0)
		return HEALTH_EXIT_LATE;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

int health_run(struct arena *arena, char *const *words, char *const *arguments)
{
	struct enter enter = ENTER_EMPTY;
	autoclose int pidfd = -EBADF;
	struct machine machine;
	uint64_t timeout_us;
	int r;

	for (size_t i = 0; i < 4; i++)
		if (words[i] == NULL)
			return fail_input("cannot check a machine without its name, its record's "
					  "place, a time and a command");
	if (parse_u64(&timeout_us, words[2]) < 0)
		return fail_input("cannot wait for '%s'", words[2]);
	r = machine_open(arena, &machine, words[1], words[0]);
	if (r >= 0)
		r = enter_open(arena, &enter, &machine);
	if (r >= 0)
		r = enter_shield(&enter, arguments);
	if (r >= 0)
		r = start(arena, &enter, words + 3, &pidfd);
	if (r >= 0)
		r = await_end(pidfd, timeout_us);
	enter_done(&enter);
	return r;
}
