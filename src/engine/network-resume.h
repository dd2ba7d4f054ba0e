/* engine/network-resume - the network of a container that was taken over, or changed by others:
 * answers go on by what is noted, and its end undoes what its start made.
 *
 * Runs in: supervisor, a newer program of the same process or a new one. A failure is a warning.
 */
#pragma once

struct container;

/* Does nothing for a container without links. */
void network_resume(struct container *container);

/* Others have changed what is noted while it runs (SUPERVISOR_NETWORK): ports are passed on, and a
 * first link is served as if it had been there from the start. */
void network_renew(struct container *container);
