/* net/uplink - how packets find their way from the namespace in the middle (machine/middle) to the
 * interface of the machine that they come from, of which there is one for each.
 *
 * Their addresses (format/uplink) mean nothing to anybody but the program behind them, and machines
 * do not reach them. Quiet. In the middle.
 */
#pragma once
#include "format/ip.h"

struct facts;
struct netlink;

struct uplink {
	const char *name;	   /* of the interface, which is there */
	struct ip_prefix guest[2]; /* its addresses: IPv4 and IPv6; family 0: none */
	struct ip gateway[2];
};

/* The interface is up, with addresses and routes; its index. Done twice is done once. */
int uplink_set_up(struct netlink *netlink, const struct uplink *uplink);

/* What is sent from the machine's addresses goes out by the uplink INDEX; or did. */
int uplink_route(struct netlink *netlink, int index, const struct facts *facts);
int uplink_forget(struct netlink *netlink, const struct facts *facts);
