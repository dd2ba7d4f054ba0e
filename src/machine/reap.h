/* machine/reap - clean up after machines whose supervisor is gone.
 *
 * A record whose lock is free is dead, unless its machine may outlive its supervisor and does. Its
 * processes are killed by recorded identity (pid and start time, cgroup inode) and only what
 * carries the record's tag is removed; never anything by its name alone. Speaking only through the
 * log: a thing that cannot be removed is a warning and its record stays. Any process of the host,
 * as the records' owner.
 */
#pragma once
#include <stddef.h>

struct arena;

/* The machine was started to outlive its supervisor (RECORD_KEEP), and its leader lives. */
#define REAP_LIVES 2

/* Look at up to LIMIT records below RUNTIME; the number of machines that were reaped. */
int reap_some(const char *runtime, size_t limit);

/* What the killed machine NAME has left in the namespace in the middle (machine/middle), if it was
 * in one: for who enters a user namespace of its own next, and reaps the rest from there, where the
 * middle is out of reach. Of other machines somebody else takes care, whose records stay. */
void reap_middle(const char *runtime, const char *name);

/* All of them (--cleanup without a name); one that cannot be cleaned up does not keep the others
 * from it, but the first such failure is returned. */
int reap_all(const char *runtime);

/* One: 1 reaped, 0 nothing there, REAP_LIVES: it is abandoned, -EBUSY: it is running. Quiet. */
int reap_one(const char *runtime, const char *name);

/* Kill the process of a note, "PID START", if it is still that one, and wait for its end. Quiet. */
int reap_process(const char *value);

/* For who holds the lock on FD already: clean up what NAME's record says, that is below RUNTIME, in
 * the directory DIR_FD. 0: all is gone; else the first failure, and the record must stay.
 * REAP_LIVES: nothing was touched. */
int reap_content(struct arena *arena, const char *runtime, int dir_fd, const char *name, int fd);
