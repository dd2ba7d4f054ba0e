/* machine/network-ports - which ports of the host lead to a running machine, changed while it runs.
 *
 * Until the machine ends, or starts again. Speaking. As machine/network-change.
 */
#pragma once
#include <stddef.h>

struct arena;
struct machine;
struct port;

/* All of them or none. -EADDRINUSE: one leads to another machine. -EEXIST: to this one. */
int network_ports_add(struct arena *arena, const struct machine *machine, const struct port *ports,
		      size_t count);

/* Each as it was given at the start, or added. -ENOENT: one leads nowhere; then none is removed. */
int network_ports_remove(struct arena *arena, const struct machine *machine,
			 const struct port *ports, size_t count);
