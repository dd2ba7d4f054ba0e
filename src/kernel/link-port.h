/* kernel/link-port - what interfaces are as ports of a bridge (kernel/link). Quiet; any process. */
#pragma once
#include "kernel/link.h"

/* What is zero stays as it is. */
struct link_port {
	enum link_switch isolated; /* reaches only the bridge itself and ports that are not */
	enum link_switch learning; /* off: behind it is what link_port_pin_mac() says, no more */
	enum link_switch locked;   /* what comes from another MAC than those is dropped; Linux
				    * 5.18, earlier ones say nothing and do nothing */
	enum link_switch flood;	   /* frames for a MAC that nobody knows go there too */
	enum link_switch neigh_suppress; /* the bridge answers ARP and ND for the port */
	enum link_switch bpdu_guard;	 /* disabled when it acts as a bridge */
	enum link_switch root_block;	 /* never becomes the way to a root bridge */
	enum link_switch hairpin;	 /* what came from there may go back there */
};

/* -ENODEV. -EINVAL, -EOPNOTSUPP: it is no port. */
int link_port_set(struct netlink *netlink, int index, const struct link_port *port);

/* Frames for MAC (LINK_MAC_SIZE bytes) go to that port, for as long as it is one. */
int link_port_pin_mac(struct netlink *netlink, int index, const unsigned char *mac);
