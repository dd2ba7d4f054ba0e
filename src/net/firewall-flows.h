/* net/firewall-flows - what the kernel remembers of connections (conntrack) outlives rules: where a
 * flow leads is decided with its first packet, and some of UDP go on for ever. So who goes on
 * sending to a port that a machine got or lost must be looked at anew. Done as well as can be;
 * failures are not told. Looks at all flows of the host, which takes many milliseconds. Quiet.
 */
#pragma once
#include <stddef.h>

struct firewall_machine;
struct firewall_port;
struct netlink;

/* The ports are the machine's now: what leads elsewhere, or nowhere, begins anew. */
void firewall_flows_turn(struct netlink *filter, const struct firewall_machine *machine,
			 const struct firewall_port *ports, size_t count);

/* They are no more: what leads to the machine ends. */
void firewall_flows_end(struct netlink *filter, const struct firewall_machine *machine,
			const struct firewall_port *ports, size_t count);
