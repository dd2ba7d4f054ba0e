/* machine/find - running machines, from their records.
 *
 * A machine is what its record says it is, as long as the record's lock is held (its supervisor
 * lives) or its leader is the process that was noted (then it was abandoned). Every use of the
 * leader goes through what stays that of one process and was checked: a pidfd, against the kernel's
 * number of the leader or where there is none its start time; or its directory in /proc, against
 * the start time. What was opened by its process number alone (machine_guess_root()) is used only
 * once such a pidfd was opened after it. So a number that was used again is never taken for a
 * machine (class S26). What is dead is cleaned up after, if it is met. Any process, as the records'
 * owner. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine/record.h"

struct arena;
struct text_list;

enum machine_state {
	MACHINE_OPENING,   /* its supervisor lives, and has not noted yet that the program runs */
	MACHINE_RUNNING,   /* and has a supervisor */
	MACHINE_ABANDONED, /* it runs, its supervisor is gone */
	MACHINE_DEAD,	   /* nothing is left but what must be cleaned up */
};

#define MACHINE_HOST ".host"

struct machine {
	const char *name, *runtime; /* runtime: as given */
	bool is_host;		    /* machine_host() */
	enum machine_state state;
	pid_t supervisor; /* 0: none */
	pid_t leader;	  /* 0: none yet */
	bool begins;	  /* OPENING, and there is a leader already */
	uint64_t leader_start;
	uint64_t leader_id;		    /* process_id(); 0: unknown */
	uint64_t realtime_us, monotonic_us; /* of the start; 0: unknown */
	const char *root;		    /* path of the tree; "" when unknown */
	const char *service, *id, *unit;    /* NULL: none */
	const char *payload;		    /* cgroup below the v2 root; NULL: none */
	const char *confine;		    /* for confine_parse(); NULL: unknown */
	const char *init;		    /* RECORD_INIT; NULL: a lone command */
	struct record_content content;
};

/* "/run/redd", or below $XDG_RUNTIME_DIR, or "/tmp/redd-UID". Text only: nothing is created.
 * ENVIRONMENT is NULL-terminated. Quiet. */
char *machine_runtime_directory(struct arena *arena, unsigned int uid,
				const char *const *environment);

/* The machine NAME, opening, running or abandoned. -EINVAL: no machine name. -ENXIO: there is no
 * such machine (a dead one counts as none). */
int machine_open(struct arena *arena, struct machine *ret, const char *runtime, const char *name);

/* For whoever needs the program: it may have been heard before its supervisor came to note that it
 * runs. So if it BEGINS, that is waited for, some seconds at most. */
int machine_open_begun(struct arena *arena, struct machine *ret, const char *runtime,
		       const char *name);

/* An inotify descriptor that does not block, readable when the record was written, let go of or
 * removed. -ENXIO: there is none. Quiet. */
int machine_watch_record(struct arena *arena, const char *runtime, const char *name);

/* The host itself, whose name is MACHINE_HOST: its leader is PID 1, and it has no record. Quiet. */
void machine_host(struct machine *ret);

/* MACHINE is still there (the same one, not another of its name): *ret is what it is now; where
 * that cannot be told, what it was. Quiet. */
bool machine_is_there(struct arena *arena, struct machine *ret, const struct machine *machine);

/* A pidfd that certainly is the supervisor's. -ENXIO: it has none (any more). Quiet. */
int machine_open_supervisor(struct arena *arena, const struct machine *machine);

/* All but the dead, sorted by name. A record that cannot be read is a warning. */
int machine_list(struct arena *arena, struct machine **ret, size_t *ret_count, const char *runtime);

/* The same for who acts on what is not in the list: there such a record is a failure. */
int machine_list_whole(struct arena *arena, struct machine **ret, size_t *ret_count,
		       const char *runtime);

/* The paths of the trees and images that they run from. */
int machine_list_roots(struct arena *arena, struct text_list *ret, const char *runtime);

/* A pidfd that certainly is the leader's. -ENXIO: it is gone, or not there yet. */
int machine_open_leader(const struct machine *machine);

/* O_PATH descriptor of what the leader has as "/". Below it only kernel/resolve may walk. */
int machine_open_root(const struct machine *machine);

/* The same of whoever has the leader's number now: the leader's own only if machine_open_leader()
 * finds it afterwards. Negative: none. Quiet. */
int machine_guess_root(const struct machine *machine);

/* As machine_open_root(), of who has the leader's directory in /proc already. */
int machine_open_root_at(const struct machine *machine, int proc_fd);

/* O_PATH descriptor of the leader's directory in /proc; certainly its own. */
int machine_open_proc(const struct machine *machine);

/* The noted value of KIND, or NULL. */
const char *machine_note(const struct machine *machine, enum record_kind kind);

/* Path below the v2 root of the machine's own cgroup, above the one that the guest has; or, with
 * PAYLOAD, of that one. NULL: it has none. Quiet. */
const char *machine_cgroup(struct arena *arena, const struct machine *machine, bool payload);

/* Its directory; certainly its own: its leader is in it. -ENOENT: it has none. Quiet. */
int machine_open_cgroup(struct arena *arena, const struct machine *machine, bool payload);

/* Who enters it then waits as well. Quiet. */
bool machine_is_paused(struct arena *arena, const struct machine *machine);
