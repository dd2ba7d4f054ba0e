/* net/firewall-sets - the names that the rules and the machines' elements have in common. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct nftables;

#define FIREWALL_TABLE "redd"

/* What stands in the tables as their comment: which rules they have. */
#define FIREWALL_VERSION "made by redd, ruleset 2"

/* An empty chain of the table inet: nobody needed the table of bridges so far. Without it there is
 * one, or it was lost; so it is in tables of older programs, which always made both. */
#define FIREWALL_UNBRIDGED "unbridged"

/* Bits of packets' marks, which the routing rules ask for: it passed the tables; it is from a
 * guarded machine and did not. Who else marks packets uses other bits. */
#define FIREWALL_MARK 0x10000000
#define FIREWALL_DOUBT 0x20000000

/* Sets and maps. "link" is the interface that packets of a machine come in by: its own, or the
 * bridge; "port" is always its own. */
enum firewall_set {
	/* inet, not of one family */
	FIREWALL_MACHINES, /* port: everyone that was added */
	FIREWALL_LINKS,	   /* link: behind it only addresses in `own` are used */
	/* inet, one for IPv4 and one for IPv6; an IPv6 address may stand for its /64 */
	FIREWALL_OWN,	     /* link . address */
	FIREWALL_INSIDE,     /* address: of any machine */
	FIREWALL_NAT,	     /* address: it has NAT */
	FIREWALL_DNS,	     /* source . gateway . protocol : gateway . port */
	FIREWALL_RESPONDERS, /* gateway . protocol . port */
	FIREWALL_PORT,	     /* protocol . port : address . port */
	FIREWALL_PORT_AT,    /* the same at one address of the host only */
	FIREWALL_PORT_RANGE, /* address . protocol . port : address; all of them ranges */
	FIREWALL_LEARNT,     /* source . address . protocol . port; for some time */
	FIREWALL_MET,	     /* source . address; for some time */
	FIREWALL_EGRESS,     /* source : goto its own chain */
	/* link : goto what refuses, for sources that are in no set of addresses */
	FIREWALL_UNNAMED,
	/* bridge */
	FIREWALL_PORTS, /* port : jump fixed, or loose */
	FIREWALL_MAC,	/* port . MAC */
	FIREWALL_SELF,	/* port . port, the same */
	/* bridge, one for IPv4 and one for IPv6 */
	FIREWALL_PORT_OWN, /* port . address */
	FIREWALL_TAKEN,	   /* address: of a machine or gateway on any bridge */
	FIREWALL_SETS
};

#define FIREWALL_INET_LAST                                                     \
	FIREWALL_UNNAMED /* the table inet has all up to it, bridge the others \
			  */

const char *firewall_set_name(enum firewall_set set, bool six);

/* Where refusals of several machines on one bridge are not told apart. */
#define FIREWALL_REFUSED "refused"

/* Make those from FIRST to LAST. */
void firewall_sets_put(struct nftables *nftables, enum firewall_set first, enum firewall_set last);

/* The chain that new connections of a machine with limits or exceptions go to. */
#define FIREWALL_CHAIN_SIZE 24
void firewall_sets_chain(char ret[FIREWALL_CHAIN_SIZE], uint32_t port);
uint32_t firewall_sets_chain_port(const char *chain); /* whose it is; 0: none of these */
