/* net/firewall-flows - what the kernel remembers of connections (conntrack) outlives rules: where a
 * flow leads is decided with its first packet, and some of UDP go on for ever. So who goes on
 * sending to a port that a machine got or lost must be looked at anew. Done as well as can be;
 * failures are not told. Looks at all flows of the host, which takes many milliseconds. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct firewall_machine;
struct firewall_port;
struct netlink;

/* Of those that a machine begins, as many as it likes, these are ended at one go, of some. */
#define FIREWALL_FLOWS_OWN 16384

/* The ports are the machine's now: what leads elsewhere, or nowhere, begins anew. */
void firewall_flows_turn(struct netlink *filter, const struct firewall_machine *machine,
			 const struct firewall_port *ports, size_t count);

/* What it has begun itself is decided anew, as if it began with the next packet: all, or only what
 * is not of TCP, whose connections break where they are not hidden as before. All of it, however
 * many there are, if no more begin meanwhile; that it cannot be done is told. With TCP also what is
 * from link-local addresses, whoever's they are; but TCP that its targets have goes on. */
int firewall_flows_again(struct netlink *filter, const struct firewall_machine *machine,
			 bool with_tcp);

/* All that leads from or to its addresses, as who had them before left it; of the first of these
 * with the same exception. Otherwise as above. */
int firewall_flows_forget(struct netlink *filter, const struct firewall_machine *machine);

/* They are no more: what leads to the machine ends. */
void firewall_flows_end(struct netlink *filter, const struct firewall_machine *machine,
			const struct firewall_port *ports, size_t count);
