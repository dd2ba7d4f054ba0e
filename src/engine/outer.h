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

int outer_enter(struct arena *arena, const struct ids *ids);
