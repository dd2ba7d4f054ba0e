/* engine/outer - without root: a user namespace of the supervisor's own.
 *
 * There it is root over its ids, so that it can mount and assemble; the
 * payload gets a further one inside, which locks the tree against it. The maps
 * are written by newuidmap and newgidmap, run by a short-lived child that stays
 * outside, or are one line for the user's own id. Runs in: supervisor. Speaking.
 */
#pragma once

struct arena;
struct ids;

/* The same, in the one that USER_FD is, which is the user's too. */
int outer_join(int user_fd);

/* The process (its directory in /proc) is in one with other ids than these: -EPERM. Before they are
 * entered. */
int outer_check(struct arena *arena, const struct ids *ids, int process_fd);

/* 0: the caller is root (0:0) of a user namespace of its own, for good, and may be looked at by its
 * user. A negative errno, with a sentence recorded: it may be in one that has no ids; give up. */
int outer_enter(struct arena *arena, const struct ids *ids);
