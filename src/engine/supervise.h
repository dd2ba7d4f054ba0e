/* engine/supervise - while the container runs.
 *
 * One poll(2) over the payload's pidfd, signals, console and notify socket,
 * and a table of states and events that holds all policy. Allocates nothing.
 * Runs in: supervisor, back in the host's mount namespace.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine/console.h"

struct channel;

#define SUPERVISE_SERVED_MAX 12

enum outcome {
	OUTCOME_EXIT,	  /* status is the payload's exit code */
	OUTCOME_POWEROFF, /* reboot(2) with power-off or halt */
	OUTCOME_REBOOT,
	OUTCOME_SIGNAL, /* status is the signal */
	OUTCOME_FAILED, /* before exec; the sentence is recorded */
};

struct supervise {
	const char *name;
	struct channel *channel;
	struct console *console;
	pid_t pid;
	int pidfd, notify_fd;
	int stop_signal; /* 0: a request to stop kills */
	int reboot_signal, poweroff_signal;
	bool notify_ready; /* READY=1 waits for the payload's */
	bool ends_unread;  /* when nobody reads its output any more, as a command in a pipe does */
	const char *notify_socket;
	uint64_t watchdog_us; /* 0: none */
	/* Called once when the program runs: what may wait until then. */
	int (*started)(void *context);
	/* It is not known yet whether it works, and will be in VERDICT_US from the start of its
	 * program: READY=1 waits for that. NULL: nobody checks. */
	bool (*is_open)(void *context);
	uint64_t verdict_us;
	/* The guest said that it is ready, for the first time in this start. */
	void (*ready)(void *context);
	/* We were asked to end it. */
	void (*ends)(void *context);
	/* What the init wants besides a signal: 1: no signal is needed. NULL: nothing. */
	int (*request)(void *context, bool reboot);
	void *context;
	bool restored; /* it was running already; it was being asked to stop */
	bool stopping;
	bool adopted;  /* not our child */
	int holder_fd; /* of engine/keep; -EBADF: none */
	/* SUPERVISOR_NETWORK. NULL: it is none of ours. */
	void (*network_changed)(void *context);
	/* SUPERVISOR_REEXEC: returns if that failed. NULL: refused. */
	void (*replace)(void *context, bool stopping);
	int bus_fd; /* to the service manager; -EBADF: none */
	/* It is readable. 1: the machine is to stop. Negative: it is lost. */
	int (*hear_bus)(void *context);
	/* What else is served: SERVED descriptors, asked for by their number; -EBADF: none. */
	size_t served;
	int (*served_fd)(void *context, size_t which);
	int (*serve)(void *context, size_t which); /* 1: the machine is to stop */
	int (*hold)(void *context);		   /* the holder is gone: another one's pidfd */
	void (*kill_rest)(void *context);	   /* besides the payload: what shares its cgroup */

	/* state */
	bool was_ready;
	bool waits, said; /* READY=1, for a verdict; was sent */
	bool told;	  /* somebody else wants it to end */
	bool rested;	  /* idle, and what was not needed any more is given back */
	siginfo_t end;	  /* how the adopted one ended */
	int state, status;
	int unheard; /* the signal that PID 1 is sent once it hears it; 0: none */
	bool seemed; /* to hear it when it was sent: whether it does is looked at again */
	uint64_t unheard_since_us;
	enum outcome outcome;
	int64_t deadline_ms;
};

/* Blocks the signals that the loop takes; they come through only while it waits. Called once,
 * before the payload exists, so that none is lost. Quiet. */
int supervise_take_signals(void);

/* $WATCHDOG_USEC of the service manager. */
void supervise_watchdog(struct supervise *supervise, const char *usec);

enum outcome supervise(struct supervise *supervise, int *ret_status);
