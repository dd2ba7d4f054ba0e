/* engine/reexec - the supervisor's program is replaced while the container runs.
 *
 * The program at the path that was noted at the start, newer by now, is asked whether it
 * understands engine/state; then this process becomes it, with state and descriptors. The pid
 * stays, so the payload stays our child. If anything fails the old program goes on; either way the
 * record says how it ended. Runs in: supervisor, while it waits. Speaking.
 */
#pragma once

struct arena;
struct container;

/* Returns only if it failed; the sentence is logged. */
void reexec(struct container *container);

/* The new program's first act. FDS: what reexec() passed. */
int reexec_arrive(struct container *container, const char *fds);
