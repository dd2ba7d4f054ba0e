/* net/firewall - what the host's packet filter does for machines. Speaking.
 *
 * Two tables of our own, `inet redd` and `bridge redd`. Their rules never change while machines
 * come and go; what belongs to a machine are elements of sets and maps, and for a machine whose
 * egress is restricted one small chain. The tables are made with the first machine, that of bridges
 * with the first one on a bridge, and removed with the last. Beside them stand a few routing rules
 * (net/firewall-routing) that refuse what did not pass the tables: who flushes the host's rulesets
 * isolates machines instead of opening them, and cuts off those that are guarded
 * (net/firewall-guard). The next command repairs it.
 *
 *	who		to whom			answer
 *	machine		other networks		yes, by NAT if it has NAT
 *	machine		host, any address	yes, as to every neighbour of the host
 *	machine		gateway, port 53	its own supervisor's DNS responder
 *	machine		responders' own ports	no: only by way of port 53
 *	machine		sibling in its zone	yes
 *	machine		machine elsewhere	no, but by ports that the host publishes
 *	machine		cloud metadata		no, unless it is in its targets
 *	machine		from a foreign address	no; from a bridge's port neither with foreign MAC,
 *						ARP and ND, nor router advertisements, redirects
 *						and DHCP offers
 *	restricted	targets, and addresses	yes; port 53 and 853 only where they are named
 *			  learnt from DNS
 *	restricted	gateway			ping, DHCP, DNS
 *	restricted	sibling in its zone	yes
 *	restricted	all else, the host too	no: refused, and logged to its group
 *						(and from fe80::/10 neither may siblings)
 *	other hosts	published port		yes; the machine sees who calls
 *	other hosts	machine's own address	no if it has NAT, else yes: it is routed
 *	host		machine's own address	yes
 *	host		published port		yes; through 127.0.0.1 and ::1 by net/forward
 *	sibling, itself	published port		yes; the machine sees the gateway
 *
 * Ports of a bridge are to be hairpins (kernel/link-port), or a machine cannot call its own
 * published port where frames of bridges are shown to inet as well (br_netfilter).
 *
 * A supervisor calls firewall_log_open() if it is restricted, firewall_open(), firewall_add(),
 * firewall_forwarding_on(), firewall_guard() and firewall_begin_anew() if it is restricted; when
 * the program runs, firewall_settle(). And in the end firewall_remove(), firewall_drop_if_empty(),
 * and, late, firewall_close(). Another table that drops still drops: firewall_conflicts().
 *
 * Runs in: supervisor, commands.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "kernel/netlink.h"

#define FIREWALL_ADDRESSES_MAX 16 /* of one machine, each list */
#define FIREWALL_PORTS_MAX 256	  /* of one machine, ranges counted once */
#define FIREWALL_SHIFTED_MAX 256  /* length of a range that leads to other numbers */
#define FIREWALL_TARGETS_MAX 256
#define FIREWALL_LOG_BYTES 128 /* of a refused packet: its headers */

struct firewall_address {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t bits;	/* that count: 32 or 128 for one address */
	uint8_t bytes[16];
};

bool firewall_is_loopback(const struct firewall_address *address);

struct firewall_port {
	uint8_t protocol;	      /* IPPROTO_TCP or IPPROTO_UDP */
	struct firewall_address host; /* family 0: all addresses of the host */
	uint16_t first, last;	      /* at the host */
	uint16_t container;	      /* where FIRST leads; the others follow */
};

/* What a restricted machine may reach (and any machine, of what is else closed to it). */
struct firewall_target {
	struct firewall_address network;
	uint8_t protocol;     /* 0: all */
	uint16_t first, last; /* 0: all */
};

/* The facts about one machine; all that is needed to build its part again. */
struct firewall_machine {
	uint32_t link;		/* interface index of the host's end */
	uint32_t bridge;	/* that it is a port of; 0: none */
	uint8_t mac[6];		/* of the guest's end */
	uint8_t gateway_mac[6]; /* of the bridge; nothing: not told */
	/* ADDRESSES are all it may use. False on a bridge of the administrator's, or where another
	 * program gives out addresses: then it may not use those of others. */
	bool fixed;
	bool nat;
	bool restricted; /* needs FIXED, and is not possible on a bridge without gateways */
	bool closed;	 /* for a moment its chain drops all that it begins, unlogged and untold */
	uint16_t dns_port;  /* on the gateways; 0: none */
	uint16_t log_group; /* of its firewall_log; 0: refusals are not logged */
	/* Its own. Of IPv6 64 bits may count: then it may use all of that net, and ports lead to
	 * this one. Link-local ones need not be told, but those of gateways may be. */
	const struct firewall_address *addresses;
	const struct firewall_address *gateways; /* the host's, on the link or bridge */
	const struct firewall_address *pools;	 /* networks that only machines live in */
	const struct firewall_port *ports;
	const struct firewall_target *targets;
	size_t address_count, gateway_count, pool_count, port_count, target_count;
};

/* Open in the namespace that the caller is in. After something was removed, closing may wait some
 * milliseconds for the kernel: who is in a hurry closes late. */
struct firewall {
	struct netlink filter, route;
	uint32_t generation; /* of the kernel's rulesets, when firewall_look() looked */
	bool made;	     /* firewall_add() made the tables: nobody else is in them */
};

#define FIREWALL_EMPTY                                          \
	{                                                       \
		.filter = NETLINK_EMPTY, .route = NETLINK_EMPTY \
	}

int firewall_open(struct firewall *ret);
void firewall_close(struct firewall *firewall); /* accepts the empty one */
#define autofirewall CLEANUP(firewall_close)

/* What R, a failure of these, is where the kernel has not what is needed: no nf_tables at all, or
 * not for a family. */
bool firewall_is_missing(int r);

/* Make the tables that it needs if there are none, then the machine's part, all or nothing. Done
 * twice is done once. -EADDRINUSE: a port belongs to another machine. -ESTALE: the tables are there
 * but not as this program makes them: firewall_repair(), which makes this machine's part too. */
int firewall_add(struct firewall *firewall, const struct firewall_machine *machine);

/* Take it out; what is not there is no failure. WITH_ZONE: it was the last on its bridge. */
int firewall_remove(struct firewall *firewall, const struct firewall_machine *machine,
		    bool with_zone);

/* A machine has got other addresses (not a restricted one), or none, other ports, or NAT or none:
 * what stays is there all the time. -EADDRINUSE: ports belong to other machines; all else is done.
 * -ESTALE. */
int firewall_change(struct firewall *firewall, const struct firewall_machine *before,
		    const struct firewall_machine *after);

/* It is restricted or not, or otherwise than before, by targets or by names, and the rest as above,
 * but for the addresses. At each moment one of the two lists holds, or it begins nothing, and never
 * some of both: what was learnt from DNS is gone before, and what it has begun and may no more ends
 * before the new list holds. On failure it is as before, or begins nothing; BEFORE and AFTER may
 * both have left some. For who calls firewall_allow() for it, and does not meanwhile. */
int firewall_restrict(struct firewall *firewall, const struct firewall_machine *before,
		      const struct firewall_machine *after);

/* A restricted machine may have the addresses of one that might reach more, and would go on with
 * what that one began. Before its program runs, or its link is up. Takes some milliseconds. */
int firewall_begin_anew(struct firewall *firewall, const struct firewall_machine *machine);

/* One more or less of a machine that is there. -EADDRINUSE, -ESTALE as above. */
int firewall_add_port(struct firewall *firewall, const struct firewall_machine *machine,
		      const struct firewall_port *port);
int firewall_remove_port(struct firewall *firewall, const struct firewall_machine *machine,
			 const struct firewall_port *port);

/* Who sent to one of its UDP ports before they were its own still sends elsewhere, maybe for ever.
 * Takes many milliseconds if there are such ports: when the machine's program runs. */
void firewall_settle(struct firewall *firewall, const struct firewall_machine *machine);

/* A restricted machine may reach ADDRESS, learnt from DNS, for SECONDS from now (again: from now).
 * PORT 0: all but 53 and 853, of all protocols; PROTOCOL 0: TCP and UDP. -EPERM: an address that
 * no name may open unless it is in a target (loopback, private, link-local, metadata, multicast,
 * a machine's). -ESTALE. Allocates nothing. */
int firewall_allow(struct firewall *firewall, const struct firewall_machine *machine,
		   const struct firewall_address *address, uint16_t port, uint8_t protocol,
		   uint32_t seconds);

/* Is all there that should be? First firewall_look(), then read the machines' records, then
 * firewall_repair(): it rebuilds everything at once unless it is whole, and removes everything if
 * there are no machines. It is whole with rules of further machines as well, but rebuilding is
 * without them. 1: it did. 0: it was whole. -EAGAIN: something changed since the look:
 * look again. What was learnt from DNS is gone after. */
int firewall_look(struct firewall *firewall);

/* A cheap look before that, for who has read no records: three requests where all is well. 1: the
 * tables are there with all rules but those of single machines, or it cannot be told because they
 * change all the time. 0: not so. */
int firewall_seems_whole(struct firewall *firewall);
int firewall_repair(struct firewall *firewall, const struct firewall_machine *machines,
		    size_t count);

/* After the look as well: has it rules? For one that starts, and may have none yet. */
int firewall_has(struct firewall *firewall, const struct firewall_machine *machine);

/* Remove tables and routing rules if no machine is left in them. 1: it did, or there were none. */
int firewall_drop_if_empty(struct firewall *firewall);
