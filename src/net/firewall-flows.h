/* net/firewall-flows - what the kernel remembers of connections (conntrack) outlives rules: where a
 * flow leads is decided with its first packet. So who goes on sending to a port that a machine got
 * or lost must be looked at anew. All of it is done as well as can be; failures are not told.
 * Quiet.
 */
#pragma once
#include <stdint.h>

struct firewall_machine;
struct firewall_port;
struct netlink;

/* From and to the machine's addresses. */
void firewall_flows_forget(struct netlink *filter, const struct firewall_machine *machine);

/* Of UDP, of which some go on for ever: to a port of the host, those that nobody has answered yet;
 * or those that lead to the machine. */
void firewall_flows_forget_unanswered(struct netlink *filter, const struct firewall_port *port);
void firewall_flows_forget_port(struct netlink *filter, const struct firewall_machine *machine,
				const struct firewall_port *port);
