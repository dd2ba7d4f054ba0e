/* net/firewall-routing - routing rules that fail closed. Speaking.
 *
 *	70: fwmark DOUBT/DOUBT prohibit	from a guarded machine, and the tables did not see it
 *	71: fwmark MARK/MARK goto 79	the tables saw it
 *	72: iif lo goto 79		the host's own, and questions about ways back
 *	73: to POOL prohibit		nobody reaches a machine past the tables
 *	79: nop
 *
 *	1001: fwmark MARK/MARK goto 1009
 *	1002: iif lo goto 1009
 *	1003: prohibit			where net/firewall-forwarding opened what was closed
 *	1009: nop			(all behind the rule about VRFs, which is 1000)
 *
 * So who flushes the host's rulesets isolates machines, instead of opening them. What is for the
 * host itself is decided before (rule 0) and stays possible.
 *
 * A filter of reverse paths (rp_filter) asks as if the answer came in by the interface that the
 * packet goes out by, and without its mark. Of machines' links it is told to ask with the mark
 * (src_valid_mark); so that it needs not be told so everywhere, no rule is about where packets come
 * from.
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
	FIREWALL_ROUTING_DOUBT = 70,
	FIREWALL_ROUTING_POOL = 73,
	FIREWALL_ROUTING_OTHERS = 1003,
};

/* What the machine needs of them; those that are there stay. ROUTE is of NETLINK_ROUTE. */
int firewall_routing_add(struct netlink *route, const struct firewall_machine *machine);

/* Which pools there are rules for; returns how many, at most FIREWALL_ADDRESSES_MAX. */
size_t firewall_routing_pools(struct netlink *route, struct firewall_address *ret);

/* The rule about others than machines, of one family: is it there, make it, remove it. */
int firewall_routing_has_closed(struct netlink *route, int family);
int firewall_routing_close_others(struct netlink *route, int family);
int firewall_routing_open_others(struct netlink *route, int family);

/* Remove them all. */
int firewall_routing_drop(struct netlink *route);
