/* machine/network-detach - an interface of a running machine is taken away: what came from the host
 * goes back there under its own name, what we made is gone. Speaking. As machine/network-change.
 */
#pragma once

struct arena;
struct facts;
struct facts_made;
struct machine;
struct network_change;

/* NAME: in the machine. -ENOENT: we have put none of this name there. */
int network_detach(struct arena *arena, const struct machine *machine, const char *name);

/* For who attaches and fails halfway: end MADE, and its PART (NULL: none), which may have no link
 * yet; both are forgotten, and that is noted. */
int network_detach_made(struct network_change *change, struct facts_made *made, struct facts *part);
