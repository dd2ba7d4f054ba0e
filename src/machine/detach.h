/* machine/detach - machines that Redd supervises itself, where no service manager does.
 *
 * detach_start() leaves a supervisor behind (machine/detach-loop): a process in a session of its
 * own, whose child is the runner. While it lives it holds the lock on RUNTIME/detached/NAME, which
 * tells its process number, and whether the machine is ready; nothing else is kept. Speaking. Any
 * process, as the machines' owner.
 */
#pragma once
#include <stdint.h>

struct arena;
struct service;
struct text_list;

#define DETACH_STOP_US (120 * 1000000ull)  /* as TimeoutSec= of the unit */
#define DETACH_START_US (120 * 1000000ull) /* the same */

struct detach {
	const char *name;
	const char *runtime;		/* of the records */
	char *const *arguments;		/* of the runner; the first is its absolute path */
	const char *const *environment; /* of the caller */
	const struct service *service;	/* what its definition says */
};

/* "/var/log/redd/NAME.log", or below $XDG_STATE_HOME or ~/.local/state. The older half is beside
 * it, with ".1" at its end. NULL: a user without a home. Text only. */
char *detach_log_path(struct arena *arena, unsigned int uid, const char *const *environment,
		      const char *name);

/* Returns when the machine is ready. -EBUSY: it has a supervisor already. */
int detach_start(struct arena *arena, const struct detach *detach);

/* Ask the supervisor to stop the machine, and wait until both are gone. -ENXIO (nothing recorded):
 * it has none, or only had one that left the machine behind just then. */
int detach_stop(const char *runtime, const char *name);

/* 1: the machine has said that it is ready, 0: not yet, or not again. -ENXIO: it has no supervisor.
 * Quiet. */
int detach_is_ready(const char *runtime, const char *name);

/* The machine is not started again when it ends. Quiet; no supervisor: nothing to do. */
void detach_let_go(const char *runtime, const char *name);

/* The names of all that have a supervisor, sorted. */
int detach_list(struct arena *arena, struct text_list *ret, const char *runtime);
