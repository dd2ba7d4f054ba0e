/* engine/network-resume - the network of a container that was taken over: answers go on, and its
 * end undoes what its start made.
 *
 * Runs in: supervisor, a newer program of the same process or a new one. A failure is a warning.
 */
#pragma once

struct container;

/* Does nothing for a container without links. */
void network_resume(struct container *container);
