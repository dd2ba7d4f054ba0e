#include "engine/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/parse.h"
#include "engine/channel.h"
#include "engine/notify.h"
#include "io/clock.h"
#include "io/memory.h"
#include "kernel/process.h"
#include "machine/record.h"

enum state { STARTING, RUNNING, STOPPING, ENDED, STATES };
enum event {
	EV_STARTED,
	EV_FAILED,
	EV_READY,
	EV_EXIT,
	EV_STOP,
	EV_KILL,
	EV_REBOOT_KEY,
	EV_POWEROFF_KEY,
	EVENTS
};

typedef enum state action_fn(struct supervise *supervise);

/* Signals that arrived, one bit each: the "interrupted" flag. */
static volatile sig_atomic_t arrived;

enum { ARRIVED_STOP = 1, ARRIVED_RESIZE = 2, ARRIVED_REEXEC = 4, ARRIVED_NETWORK = 8 };

static void note_signal(int number)
{
	if (number == SUPERVISOR_REEXEC)
		arrived |= ARRIVED_REEXEC;
	else if (number == SUPERVISOR_NETWORK)
		arrived |= ARRIVED_NETWORK;
	else
		arrived |= number == SIGWINCH ? ARRIVED_RESIZE : ARRIVED_STOP;
}

#define SIGNALS 7

/* Real-time signals are no constants. */
static int signal_at(size_t i)
{
	const int signals[SIGNALS] = {
		SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGWINCH, SUPERVISOR_REEXEC, SUPERVISOR_NETWORK
	};

	return signals[i];
}

int supervise_take_signals(void)
{
	struct sigaction action = { .sa_handler = note_signal };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < SIGNALS; i++) {
		sigaddset(&set, signal_at(i));
		if (sigaction(signal_at(i), &action, NULL) < 0)
			return -errno;
	}
	/* Who reads our output may go; the container goes on. The payload's dispositions are reset.
	 */
	action.sa_handler = SIG_IGN;
	if (sigaction(SIGPIPE, &action, NULL) < 0)
		return -errno;
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

/* ---- actions ---- */

static enum state stay(struct supervise *supervise)
{
	return (enum state)supervise->state;
}

/* Whether READY=1 goes up with what else is said, or has to wait. */
static bool may_say_ready(struct supervise *supervise, bool ready)
{
	supervise->waits |= ready && supervise->is_open != NULL &&
			    supervise->is_open(supervise->context);
	ready = ready && !supervise->waits;
	supervise->said |= ready;
	return ready;
}

static void tell(struct supervise *supervise, const char *status, bool ready)
{
	char message[400];

	if (supervise->notify_socket == NULL)
		return;
	ready = may_say_ready(supervise, ready);
	snprintf(message, sizeof(message), "%sSTATUS=%s\nX_NSPAWN_LEADER_PID=%d",
		 ready ? "READY=1\n" : "", status, supervise->pid);
	notify_send(supervise->notify_socket, message);
}

/* Who waits for READY=1 has a time limit, of which nobody thought who wrote the checks. */
static void ask_for_time(const struct supervise *supervise)
{
	char message[64];

	if (supervise->notify_socket == NULL || supervise->verdict_us == 0)
		return;
	snprintf(message, sizeof(message), "EXTEND_TIMEOUT_USEC=%llu",
		 (unsigned long long)supervise->verdict_us);
	notify_send(supervise->notify_socket, message);
}

static enum state kill_all(struct supervise *supervise)
{
	/* The guest's PID 1 takes its namespace with it; the cgroup is for a shared one. */
	process_signal(supervise->pidfd, SIGKILL);
	supervise->kill_rest(supervise->context);
	return STOPPING;
}

static enum state started(struct supervise *supervise)
{
	if (supervise->started(supervise->context) < 0) {
		supervise->outcome = OUTCOME_FAILED;
		return kill_all(supervise);
	}
	tell(supervise, "Container started.", !supervise->notify_ready);
	ask_for_time(supervise);
	return RUNNING;
}

static enum state ready(struct supervise *supervise)
{
	tell(supervise, "Container running.", true);
	return (enum state)supervise->state;
}

static enum state failed(struct supervise *supervise)
{
	supervise->outcome = OUTCOME_FAILED;
	return kill_all(supervise);
}

/* One that has just begun does not catch it yet, and the kernel throws it away. */
static int signal_init(struct supervise *supervise, int signal)
{
	int hears;

	if (supervise->unheard == 0)
		supervise->unheard_since_us = clock_monotonic_us();
	hears = process_hears(supervise->pid, signal);
	/* Blocked for a moment, it is thrown away after that. */
	supervise->unheard = hears == 1 ? 0 : signal;
	supervise->seemed = hears == 2;
	return process_signal(supervise->pidfd, signal);
}

static enum state send_stop(struct supervise *supervise, int signal)
{
	if (signal == 0)
		return kill_all(supervise);
	if (supervise->ends != NULL)
		supervise->ends(supervise->context);
	notify_send(supervise->notify_socket, "STOPPING=1\nSTATUS=Container stopping.");
	if (supervise->request != NULL && supervise->request(supervise->context, false) > 0)
		return STOPPING;
	if (signal_init(supervise, signal) < 0)
		return kill_all(supervise);
	log_info("Trying to halt container. Send SIGTERM again to trigger immediate termination.");
	return STOPPING;
}

static enum state ask_to_stop(struct supervise *supervise)
{
	return send_stop(supervise, supervise->stop_signal);
}

static enum state ask_to_power_off(struct supervise *supervise)
{
	if (supervise->request == NULL || supervise->request(supervise->context, false) <= 0)
		signal_init(supervise, supervise->poweroff_signal);
	return (enum state)supervise->state;
}

static enum state ask_to_reboot(struct supervise *supervise)
{
	if (supervise->request == NULL || supervise->request(supervise->context, true) <= 0)
		signal_init(supervise, supervise->reboot_signal);
	return (enum state)supervise->state;
}

/* Of somebody else's child. That the guest wants to reboot is only known until the host's init has
 * reaped it: afterwards the kernel has forgotten that, and tells another status. So it is asked for
 * before anything else is done. */
static void learn_end(struct supervise *supervise)
{
	siginfo_t *info = &supervise->end;
	int status;

	info->si_code = CLD_EXITED;
	if (process_exit_status(supervise->pidfd, supervise->pid, &status) < 0) {
		log_notice("how container %s ended is not known: it was not started by us",
			   supervise->name);
		return;
	}
	if (!WIFEXITED(status))
		info->si_code = CLD_KILLED;
	info->si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

static enum state finish(struct supervise *supervise)
{
	siginfo_t info = { 0 };

	if (supervise->adopted)
		info = supervise->end;
	else if (process_wait(supervise->pidfd, &info, 0) < 0)
		info.si_code = CLD_KILLED, info.si_status = SIGKILL;
	supervise->status = info.si_status;
	if (supervise->outcome == OUTCOME_FAILED)
		return ENDED;
	if (info.si_code == CLD_EXITED)
		supervise->outcome = OUTCOME_EXIT;
	else if (info.si_status == SIGINT)
		supervise->outcome =
			OUTCOME_POWEROFF; /* reboot(2) in a pid namespace: pid_namespaces(7) */
	else if (info.si_status == SIGHUP)
		supervise->outcome = OUTCOME_REBOOT;
	else
		supervise->outcome = OUTCOME_SIGNAL;
	return ENDED;
}

static const struct {
	const char *name;
	action_fn *on[EVENTS];
} behaviour[STATES] = {
	[STARTING] = { "starting",
		       {
			       [EV_STARTED] = started,
			       [EV_FAILED] = failed,
			       [EV_READY] = ready,
			       [EV_EXIT] = finish,
			       [EV_STOP] = kill_all,
			       [EV_KILL] = kill_all,
			       [EV_REBOOT_KEY] = stay,
			       [EV_POWEROFF_KEY] = stay,
		       } },
	[RUNNING] = { "running",
		      {
			      [EV_STARTED] = stay,
			      [EV_FAILED] = failed,
			      [EV_READY] = ready,
			      [EV_EXIT] = finish,
			      [EV_STOP] = ask_to_stop,
			      [EV_KILL] = kill_all,
			      [EV_REBOOT_KEY] = ask_to_reboot,
			      [EV_POWEROFF_KEY] = ask_to_power_off,
		      } },
	[STOPPING] = { "stopping",
		       {
			       [EV_STARTED] = stay,
			       [EV_FAILED] = failed,
			       [EV_READY] = stay,
			       [EV_EXIT] = finish,
			       [EV_STOP] = kill_all, /* asked twice: no more patience */
			       [EV_KILL] = kill_all,
			       [EV_REBOOT_KEY] = stay,
			       [EV_POWEROFF_KEY] = ask_to_power_off,
		       } },
	[ENDED] = { "ended",
		    {
			    [EV_STARTED] = stay,
			    [EV_FAILED] = stay,
			    [EV_READY] = stay,
			    [EV_EXIT] = stay,
			    [EV_STOP] = stay,
			    [EV_KILL] = stay,
			    [EV_REBOOT_KEY] = stay,
			    [EV_POWEROFF_KEY] = stay,
		    } },
};

static void happen(struct supervise *supervise, enum event event)
{
	enum state next = behaviour[supervise->state].on[event](supervise);

	if ((int)next != supervise->state)
		log_debug("container '%s' is %s", supervise->name, behaviour[next].name);
	supervise->state = (int)next;
}

/* ---- events ---- */

static void hear_channel(struct supervise *supervise)
{
	int r = channel_outcome(supervise->channel);

	if (r > 0)
		happen(supervise, EV_STARTED);
	else if (r < 0)
		happen(supervise, EV_FAILED);
}

static void hear_signals(struct supervise *supervise)
{
	sig_atomic_t now = arrived;

	/* A program is not replaced halfway through a start. */
	arrived = supervise->state == STARTING ? now & ARRIVED_REEXEC : 0;
	if (now & ARRIVED_RESIZE)
		console_resize(supervise->console);
	if ((now & ARRIVED_NETWORK) && supervise->network_changed != NULL)
		supervise->network_changed(supervise->context);
	supervise->told |= (now & ARRIVED_STOP) != 0;
	if (now & ARRIVED_STOP)
		happen(supervise, EV_STOP);
	if ((now & ~arrived & ARRIVED_REEXEC) && supervise->replace != NULL)
		supervise->replace(supervise->context, supervise->state == STOPPING);
}

/* STATUS= of the guest goes up as it is, but for the control characters notify_receive's
 * line splitting leaves: a manager prints it. */
static void hear_notify(struct supervise *supervise)
{
	struct notify_message message;
	char up[400];

	if (notify_receive(supervise->notify_fd, supervise->pid, &message) <= 0)
		return;
	if (message.ready && !supervise->was_ready && supervise->ready != NULL)
		supervise->ready(supervise->context);
	supervise->was_ready |= message.ready;
	for (char *c = message.status; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	if (message.status[0] != '\0') {
		snprintf(up, sizeof(up), "STATUS=Container running: %s%s", message.status,
			 may_say_ready(supervise, message.ready) ? "\nREADY=1" : "");
		notify_send(supervise->notify_socket, up);
	} else if (message.ready) {
		happen(supervise, EV_READY);
	}
}

static void hear_bus(struct supervise *supervise)
{
	int r = supervise->hear_bus(supervise->context);

	supervise->told |= r > 0;
	if (r > 0)
		happen(supervise, EV_STOP);
	else if (r < 0)
		supervise->bus_fd = -EBADF;
}

static void press(struct supervise *supervise, enum console_key key)
{
	static const enum event events[] = {
		[CONSOLE_KEY_KILL] = EV_KILL,
		[CONSOLE_KEY_REBOOT] = EV_REBOOT_KEY,
		[CONSOLE_KEY_POWEROFF] = EV_POWEROFF_KEY,
	};

	if (key != CONSOLE_KEY_NONE)
		happen(supervise, events[key]);
}

#define OWN_POLLS 5
#define IDLE_SECONDS 1
#define UNHEARD_NS 50000000
#define UNHEARD_SECONDS 10 /* an init that does not know the signal by then never will */

/* Until the next sign of life for the service manager, or until it is clear that nothing goes on
 * and the memory of the last burst can be given back; then for ever. */
static const struct timespec *how_long(const struct supervise *supervise, struct timespec *room)
{
	*room = (struct timespec){ .tv_nsec = UNHEARD_NS };
	if (supervise->unheard != 0)
		return room;
	if (supervise->watchdog_us == 0 && supervise->rested)
		return NULL;
	*room = (struct timespec){ .tv_sec = IDLE_SECONDS };
	if (supervise->watchdog_us != 0) {
		room->tv_sec = (time_t)(supervise->watchdog_us / 2000000);
		room->tv_nsec = (long)(supervise->watchdog_us / 2 % 1000000) * 1000;
	}
	return room;
}

static void repeat_unheard(struct supervise *supervise)
{
	int hears;

	if (supervise->unheard == 0)
		return;
	hears = process_hears(supervise->pid, supervise->unheard);
	if (hears == 2 && supervise->seemed) {
		supervise->unheard = 0;
		return;
	}
	supervise->seemed = false;
	if (hears != 0) {
		signal_init(supervise, supervise->unheard);
	} else if (supervise->state == STOPPING &&
		   clock_monotonic_us() - supervise->unheard_since_us >
			   UNHEARD_SECONDS * UINT64_C(1000000)) {
		supervise->unheard = 0;
		kill_all(supervise);
	}
}

static size_t poll_served(const struct supervise *supervise, struct pollfd *polls)
{
	for (size_t i = 0; i < supervise->served; i++)
		polls[i] = (struct pollfd){ .fd = supervise->served_fd(supervise->context, i),
					    .events = POLLIN };
	return supervise->served;
}

static void serve(struct supervise *supervise, const struct pollfd *polls)
{
	for (size_t i = 0; i < supervise->served; i++)
		if (polls[i].revents != 0 && supervise->serve(supervise->context, i) > 0)
			happen(supervise, EV_STOP);
	if (supervise->waits && !supervise->is_open(supervise->context)) {
		supervise->waits = false;
		happen(supervise, EV_READY);
	}
}

static void wait_once(struct supervise *supervise)
{
	struct timespec patience;
	struct pollfd polls[OWN_POLLS + CONSOLE_POLLS + SUPERVISE_SERVED_MAX] = {
		{ .fd = supervise->pidfd, .events = POLLIN },
		{ .fd = supervise->channel->supervisor, .events = POLLIN },
		{ .fd = supervise->notify_fd, .events = POLLIN },
		{ .fd = supervise->holder_fd, .events = POLLIN },
		{ .fd = supervise->bus_fd, .events = POLLIN },
	};
	size_t count = console_poll(supervise->console, polls + OWN_POLLS);
	struct pollfd *served = polls + OWN_POLLS + count;
	sigset_t open;
	int r;

	sigprocmask(SIG_SETMASK, NULL, &open);
	for (size_t i = 0; i < SIGNALS; i++)
		sigdelset(&open, signal_at(i));
	count += poll_served(supervise, served);
	r = ppoll(polls, OWN_POLLS + count, how_long(supervise, &patience), &open);
	if (r > 0 && polls[0].revents != 0 && supervise->adopted)
		learn_end(supervise);
	if (r == 0 && !supervise->rested)
		memory_shrink();
	supervise->rested = r == 0;
	if (supervise->watchdog_us != 0)
		notify_send(supervise->notify_socket, "WATCHDOG=1");
	if (r > 0 && polls[1].revents != 0)
		hear_channel(supervise);
	hear_signals(supervise);
	repeat_unheard(supervise);
	if (r <= 0)
		return;
	if (polls[2].revents != 0)
		hear_notify(supervise);
	if (polls[3].revents != 0)
		supervise->holder_fd = supervise->hold(supervise->context);
	if (polls[4].revents != 0)
		hear_bus(supervise);
	serve(supervise, served);
	press(supervise,
	      console_forward(supervise->console, polls + OWN_POLLS, count - supervise->served));
	if (supervise->console->unread && supervise->ends_unread) {
		supervise->console->unread = false;
		happen(supervise, EV_KILL);
	}
	if (polls[0].revents != 0)
		happen(supervise, EV_EXIT);
}

void supervise_watchdog(struct supervise *supervise, const char *usec)
{
	uint64_t value;

	if (parse_u64(&value, usec) >= 0)
		supervise->watchdog_us = MIN(value, UINT64_C(3600) * 1000000);
}

enum outcome supervise(struct supervise *supervise, int *ret_status)
{
	supervise->state = STARTING;
	if (supervise->restored)
		supervise->state = supervise->stopping ? STOPPING : RUNNING;
	/* It may have waited when the program was replaced: said twice does no harm. */
	supervise->waits = supervise->restored && supervise->verdict_us != 0;
	supervise->said = supervise->restored;
	supervise->outcome = OUTCOME_EXIT;
	while (supervise->state != ENDED)
		wait_once(supervise);
	*ret_status = supervise->status;
	return supervise->outcome;
}
