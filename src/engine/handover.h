/* engine/handover - a running container becomes engine/state, and a state a container again.
 *
 * What is taken and held is carried; what can be looked up again (the host, the tree's facts, the
 * spec) is, and only when the guest reboots: handover_regather(). So nothing that has changed on
 * disk meanwhile can cost the running machine. Runs in: supervisor. Speaking.
 */
#pragma once
#include "engine/state.h"

struct arena;
struct container;

/* Borrows from CONTAINER; descriptors that are missing are -EBADF. */
void handover_collect(struct arena *arena, struct state *ret, int fds[STATE_FDS],
		      const struct container *container);

/* CONTAINER is fresh; takes the descriptors. With the record's descriptor it is held already;
 * without, the machine is adopted: the record is taken before. */
int handover_restore(struct container *container, const struct state *state, int fds[STATE_FDS]);

/* Before a further start of a container that was restored: what main() and the first start had
 * gathered. */
int handover_regather(struct container *container);
