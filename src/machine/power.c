#include "machine/power.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "kernel/process.h"
#include "machine/detach.h"
#include "machine/find.h"
#include "machine/guest-init.h"
#include "machine/processes.h"
#include "machine/reap.h"
#include "machine/service.h"

#define CLEANUP_TIMEOUT_MS 90000 /* as long as service managers usually wait for one to stop */
#define INSIST_AFTER_MS 2000
#define FOREVER (-1)
#define RECHECK_MS 10
#define YOUNG_US 5000000
#define INSIST_TRIES 40
#define INSIST_PAUSE_MS 25

/* ---- asking ---- */

/* "KIND STOP POWEROFF REBOOT"; KIND may have blanks in it, and 0 is no signal. */
static int parse_init(struct arena *arena, struct guest_init *ret, const char *text)
{
	struct guest_init init = { .kind = GUEST_INIT_UNKNOWN };
	int *const signals[] = { &init.reboot_signal, &init.poweroff_signal, &init.stop_signal };
	char *copy = arena_text(arena, text);

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		char *blank = strrchr(copy, ' ');
		int32_t number;

		if (blank == NULL || parse_i32(&number, blank + 1) < 0 || number < 0 ||
		    number > SIGRTMAX)
			return -EBADMSG;
		*signals[i] = number;
		*blank = '\0';
	}
	for (int kind = GUEST_INIT_UNKNOWN; kind <= GUEST_INIT_DINIT; kind++)
		if (text_equal(copy, guest_init_name((enum guest_init_kind)kind)))
			init.kind = (enum guest_init_kind)kind;
	*ret = init;
	return 0;
}

static int refuse(const struct machine *machine, bool reboot)
{
	const char *verb = reboot ? "reboot" : "power off";

	if (machine->is_host)
		return fail_plain(-EOPNOTSUPP,
				  "cannot %s '%s': that is the host itself, not a machine", verb,
				  machine->name);
	if (reboot && machine->state == MACHINE_ABANDONED)
		return fail_plain(-EOPNOTSUPP,
				  "cannot reboot machine '%s': it has no supervisor that would "
				  "start it again (try 'machinectl adopt %s')",
				  machine->name, machine->name);
	/* Which init it has is noted with its leader. */
	if (machine->leader == 0)
		return machine_open_leader(machine);
	return fail_plain(-EOPNOTSUPP,
			  "cannot %s machine '%s': it runs a lone command, no init that could be "
			  "asked (try 'machinectl terminate %s')",
			  verb, machine->name, machine->name);
}

/* An init that has just begun may have ignored it: once more when it listens. One that waits in
 * sigwait(3) never seems to, so this is soon given up. */
static void insist(const struct machine *machine, int pidfd, int signal)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	if (clock_monotonic_us() - machine->monotonic_us > YOUNG_US)
		return;
	for (int i = 0; i < INSIST_TRIES; i++) {
		if (process_hears(machine->leader, signal)) {
			(void)process_signal(pidfd, signal);
			return;
		}
		if (poll(&ended, 1, INSIST_PAUSE_MS) > 0)
			return;
	}
}

int power_ask(struct arena *arena, const struct machine *machine, bool reboot)
{
	autoclose int pidfd = -EBADF, root = -EBADF;
	struct guest_init init;
	int signal = 0, r;
	bool heard;

	if (machine->init != NULL && parse_init(arena, &init, machine->init) >= 0)
		signal = reboot ? init.reboot_signal : init.poweroff_signal;
	if (signal == 0 || (reboot && machine->state == MACHINE_ABANDONED))
		return refuse(machine, reboot);
	pidfd = machine_open_leader(machine);
	if (pidfd < 0)
		return pidfd;
	if (!reboot)
		detach_let_go(machine->runtime, machine->name);
	root = machine_open_root(machine);
	if (root >= 0 && guest_init_request(&init, root, reboot) > 0)
		return 0;
	heard = process_hears(machine->leader, signal);
	r = process_signal(pidfd, signal);
	if (r >= 0 && !heard)
		insist(machine, pidfd, signal);
	/* It went meanwhile: what was asked for, or nearly. */
	if (r < 0 && r != -ESRCH)
		return fail(r, "cannot send a signal to machine '%s'", machine->name);
	return 0;
}

/* ---- signals ---- */

static int signal_all(struct arena *arena, const struct machine *machine, int signal)
{
	autoclose int group = machine_open_cgroup(arena, machine, true);
	int r;

	if (group >= 0 && signal == SIGKILL)
		return cgroup_kill(group);
	r = processes_signal(arena, machine, group, signal);
	if (r == -EOPNOTSUPP)
		return fail_plain(r,
				  "cannot signal all processes of machine '%s': it has neither a "
				  "cgroup nor a pid namespace of its own (try --kill-whom=leader)",
				  machine->name);
	return r == 0 ? -ESRCH : r;
}

static int signal_supervisor(struct arena *arena, const struct machine *machine, int signal)
{
	autoclose int pidfd = machine_open_supervisor(arena, machine);

	if (pidfd == -ENXIO)
		return fail_plain(-ENXIO,
				  "cannot signal the supervisor of machine '%s': it has none (try "
				  "'machinectl adopt %s')",
				  machine->name, machine->name);
	return pidfd < 0 ? pidfd : process_signal(pidfd, signal);
}

static int signal_leader(const struct machine *machine, int signal)
{
	autoclose int pidfd = machine_open_leader(machine);

	return pidfd < 0 ? pidfd : process_signal(pidfd, signal);
}

int power_signal(struct arena *arena, const struct machine *machine, enum power_whom whom,
		 int signal)
{
	int r = 0;

	if (machine->is_host)
		return fail_plain(-EOPNOTSUPP,
				  "cannot kill '%s': that is the host itself, not a "
				  "machine",
				  machine->name);
	switch (whom) {
	case POWER_ALL: r = signal_all(arena, machine, signal); break;
	case POWER_LEADER: r = signal_leader(machine, signal); break;
	case POWER_SUPERVISOR: r = signal_supervisor(arena, machine, signal); break;
	}
	if (r < 0 && fail_recorded()->code == 0)
		fail(r, "cannot send a signal to machine '%s'", machine->name);
	return r < 0 ? r : 0;
}

/* ---- waiting ---- */

/* 0: it has ended; -ETIMEDOUT. */
static int wait_for(int pidfd, int timeout_ms)
{
	struct pollfd gone = { .fd = pidfd, .events = POLLIN };
	int r;

	do
		r = poll(&gone, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

/* Who has to end next: the supervisor, or the leader of an abandoned machine. */
static int open_last(struct arena *arena, const struct machine *machine)
{
	int pidfd = machine_open_supervisor(arena, machine);

	if (pidfd != -ENXIO)
		return pidfd;
	pidfd = machine_open_leader(machine);
	fail_forget();
	return pidfd;
}

/* Whoever supervises it may change (it is abandoned, and adopted), so the record is read again
 * after each end. */
static int wait_until_gone(struct arena *arena, const struct machine *machine, int timeout_ms)
{
	struct machine now = *machine;

	do {
		autoclose int pidfd = open_last(arena, &now);
		int r = pidfd;

		if (pidfd >= 0)
			r = wait_for(pidfd, timeout_ms);
		else if (pidfd == -ENXIO && machine_is_there(arena, &now, machine))
			r = poll(NULL, 0, RECHECK_MS); /* somebody cleans up, or takes it over */
		if (r < 0 && r != -ENXIO)
			return r;
	} while (machine_is_there(arena, &now, machine));
	return 0;
}

static int clean_up(const struct machine *machine)
{
	int r = reap_one(machine->runtime, machine->name);

	/* Somebody else does, or has it started again already. */
	return r < 0 && r != -EBUSY && r != -ENOENT ? r : 0;
}

int power_wait(struct arena *arena, const struct machine *machine)
{
	int r;

	if (machine->is_host)
		return fail_plain(-EOPNOTSUPP,
				  "cannot wait for the end of '%s': that is the host "
				  "itself",
				  machine->name);
	r = wait_until_gone(arena, machine, FOREVER);
	if (r >= 0)
		r = clean_up(machine);
	return r < 0 ? fail(r, "cannot wait for machine '%s'", machine->name) : 0;
}

/* ---- ending ---- */

static void kill_all(struct arena *arena, const struct machine *machine)
{
	autoclose int supervisor = machine_open_supervisor(arena, machine), group = -EBADF;

	/* First, so that it starts no further leader if this one is about to reboot. */
	if (supervisor >= 0)
		(void)process_signal(supervisor, SIGTERM);
	group = machine_open_cgroup(arena, machine, true);
	if (group >= 0)
		(void)cgroup_kill(group);
	if (machine->leader > 0)
		(void)signal_leader(machine, SIGKILL); /* its namespace goes with it */
	fail_forget();
}

/* Some cannot even be killed, as they wait for what shows the tree: that is ended by a supervisor
 * that is told twice, and else when nobody holds the machine any more (image/raw-serve). */
static void insist_all(struct arena *arena, const struct machine *machine)
{
	const char *holder = machine_note(machine, RECORD_HOLDER);

	if (machine->state == MACHINE_ABANDONED && holder != NULL)
		(void)reap_process(holder);
	kill_all(arena, machine);
}

int power_terminate(struct arena *arena, const struct machine *machine)
{
	int r;

	if (machine->is_host)
		return fail_plain(-EOPNOTSUPP,
				  "cannot terminate '%s': that is the host itself, not "
				  "a machine",
				  machine->name);
	detach_let_go(machine->runtime, machine->name);
	kill_all(arena, machine);
	r = wait_until_gone(arena, machine, INSIST_AFTER_MS);
	if (r == -ETIMEDOUT) {
		insist_all(arena, machine);
		r = wait_until_gone(arena, machine, CLEANUP_TIMEOUT_MS);
	}
	if (r == -ETIMEDOUT)
		return fail_plain(r,
				  "cannot end machine '%s': it was killed, but its supervisor %d "
				  "does not end (kill that, then try again)",
				  machine->name, (int)machine->supervisor);
	if (r >= 0)
		r = clean_up(machine);
	return r < 0 ? fail(r, "cannot end machine '%s'", machine->name) : 0;
}

int power_stop(struct arena *arena, const struct machine *machine, const char *const *environment)
{
	struct service service;
	uint64_t limit;
	int r;

	/* A file that cannot be used keeps nothing from its end. */
	if (service_read(arena, &service, environment, machine->name) < 0)
		fail_forget();
	limit = (service.stop_us != 0 ? service.stop_us : DETACH_STOP_US) / 1000;
	r = power_ask(arena, machine, false);
	if (r >= 0)
		r = wait_until_gone(arena, machine, (int)MIN(limit, (uint64_t)INT_MAX));
	if (r >= 0)
		return power_wait(arena, machine);
	/* Who has nothing left to ask it with has not been refused: it is not killed for that. */
	if (fail_is_want(r))
		return fail_recorded()->code != 0
			       ? r
			       : fail(r, "cannot wait for machine '%s'", machine->name);
	if (r == -ETIMEDOUT)
		log_warning("the machine '%s' does not stop in time, killing it", machine->name);
	fail_forget();
	return power_terminate(arena, machine);
}
