#include "kernel/link-port.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink.h"

#define REQUEST_ROOM 256

static void put_switch(struct netlink_request *request, unsigned int type, enum link_switch value)
{
	if (value != LINK_KEEP)
		netlink_put_u8(request, type, value == LINK_ON);
}

int link_port_set(struct netlink *netlink, int index, const struct link_port *port)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct ifinfomsg body = { .ifi_family = AF_BRIDGE, .ifi_index = index };
	size_t nest;

	if (index <= 0)
		return -ENODEV;
	netlink_begin(&request, RTM_SETLINK, NLM_F_ACK, &body, sizeof(body));
	nest = netlink_nest(&request, IFLA_PROTINFO);
	put_switch(&request, IFLA_BRPORT_ISOLATED, port->isolated);
	put_switch(&request, IFLA_BRPORT_LEARNING, port->learning);
	put_switch(&request, IFLA_BRPORT_LOCKED, port->locked);
	put_switch(&request, IFLA_BRPORT_UNICAST_FLOOD, port->flood);
	put_switch(&request, IFLA_BRPORT_NEIGH_SUPPRESS, port->neigh_suppress);
	put_switch(&request, IFLA_BRPORT_GUARD, port->bpdu_guard);
	put_switch(&request, IFLA_BRPORT_PROTECT, port->root_block);
	put_switch(&request, IFLA_BRPORT_MODE, port->hairpin);
	netlink_nest_end(&request, nest);
	return netlink_call(netlink, &request, NULL, NULL);
}

int link_port_pin_mac(struct netlink *netlink, int index, const unsigned char *mac)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct ndmsg body = {
		.ndm_family = AF_BRIDGE,
		.ndm_ifindex = index,
		.ndm_state = NUD_NOARP, /* which is how the bridge's table says "static" */
		.ndm_flags = NTF_MASTER,
	};

	if (index <= 0)
		return -ENODEV;
	netlink_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &body,
		      sizeof(body));
	netlink_put(&request, NDA_LLADDR, mac, LINK_MAC_SIZE);
	return netlink_call(netlink, &request, NULL, NULL);
}
