/* net/firewall-routing - routing rules that fail closed. Speaking.
 *
 *	70: fwmark MARK/MARK goto 79	the tables saw it
 *	71: iif lo goto 79		the host's own, and what is asked about ways back
 *	72: to POOL prohibit
 *	73: from POOL prohibit
 *	74: iif LINK prohibit		of a restricted machine
 *	75: iif OTHER prohibit		where net/firewall-forwarding opened what was closed
 *	79: nop
 *
 * A packet of or for a machine that has no mark did not pass the tables: somebody flushed them.
 *What is for the host itself is decided before (rule 0) and stays possible. Reverse path filters
 *ask with "iif lo", so that they are not disturbed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct firewall_address;
struct firewall_machine;
struct netlink;

#define FIREWALL_ROUTING_PROTOCOL 82 /* who made the rules (RTPROT_*): nobody else has this one */

enum firewall_routing {
	FIREWALL_ROUTING_MARK = 70,
	FIREWALL_ROUTING_LOCAL,
	FIREWALL_ROUTING_TO,
	FIREWALL_ROUTING_FROM,
	FIREWALL_ROUTING_LINK,
	FIREWALL_ROUTING_OTHER,
	FIREWALL_ROUTING_END = 79
};

/* What the machine needs of them; those that are there stay. ROUTE is of NETLINK_ROUTE. */
int firewall_routing_add(struct netlink *route, const struct firewall_machine *machine);

/* What belongs to it alone (WITH_ZONE: or to its bridge). */
int firewall_routing_remove(struct netlink *route, const struct firewall_machine *machine,
			    bool with_zone);

/* Which pools there are rules for; returns how many, at most FIREWALL_ADDRESSES_MAX. */
size_t firewall_routing_pools(struct netlink *route, struct firewall_address *ret);

/* All. */
int firewall_routing_drop(struct netlink *route);
