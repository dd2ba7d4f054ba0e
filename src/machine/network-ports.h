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

/* As above, for who may have been interrupted and begins again: those that lead there already stay,
 * those that are gone are no failure, and what was only noted is done. */
int network_ports_ensure(struct arena *arena, const struct machine *machine,
			 const struct port *ports, size_t count);
int network_ports_forget(struct arena *arena, const struct machine *machine,
			 const struct port *ports, size_t count);
