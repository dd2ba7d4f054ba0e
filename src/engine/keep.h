/* engine/keep - --on-supervisor-death=keep: what holds the machine's descriptors when its
 * supervisor dies.
 *
 * A holder process, forked before the program runs, sleeps until the supervisor is gone. Then the
 * machine is abandoned: the holder keeps console, notify socket and locks, writes the console's
 * output to a file of bounded size, and gives all of it to the first new supervisor that asks on a
 * socket. When the leader ends first it cleans up. Socket and file are in RUNTIME/keep/TAG, which
 * only the owner enters; who connects must be the same user. Speaking; the holder is not.
 */
#pragma once
#include "engine/state.h"

struct arena;
struct container;

/* What the console still said is in at most two of these: CONSOLE ".old", then CONSOLE. */
#define KEEP_CONSOLE "console"
#define KEEP_CONSOLE_MAX (64 * 1024)

/* Supervisor: fork the holder; container->holder_fd is its pidfd. */
int keep_hold(struct container *container);

/* Another one, after it was killed: a bounded number of times. */
int keep_renew(struct container *container);

/* It is not needed any more. Accepts that there is none. */
void keep_end(struct container *container);

/* At the very end: the directory too. */
void keep_remove(struct container *container);

/* New supervisor: the state and descriptors of the machine whose holder listens in DIRECTORY.
 * Until keep_confirm(), its holder goes on when the connection closes. Returns the connection. */
int keep_take(struct arena *arena, struct state *ret, int fds[STATE_FDS], const char *directory,
	      const char *name);
int keep_confirm(int connection);
