/* net/facts - what is known of a running machine's network, as text: "KEY=VALUE" lines.
 *
 * The supervisor writes it beside the machine's record (machine/network-file); who repairs the
 * host's rules, changes ports, or cleans up after a killed supervisor reads it. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/ip.h"
#include "format/port.h"

struct arena;
struct firewall_machine;

#define FACTS_SIZE_MAX (64 * 1024)
#define FACTS_LIST_MAX 64 /* of links, of addresses of a kind */
#define FACTS_PORTS_MAX 256

/* An interface of the host that is in the machine. */
struct facts_moved {
	uint32_t index;	  /* in the machine */
	const char *name; /* on the host */
};

struct facts {
	const char *tag;	/* of the machine's record */
	uint32_t leader;	/* its PID 1; 0: unknown */
	const char *zone;	/* its bridge, "vz-…"; NULL: none */
	const char *egress;	/* for format/egress; NULL: everything may be reached */
	uint32_t link;		/* index of the host's end of its first veth; 0: none */
	uint32_t bridge;	/* that it is a port of; 0: none */
	uint8_t mac[6];		/* of the machine's end */
	uint8_t gateway_mac[6]; /* of the host's end, or of its bridge */
	bool fixed, nat;	/* as net/firewall has them */
	uint16_t dns_port, log_group;
	struct ip_prefix *addresses, *gateways, *pools;
	struct port *ports;
	size_t address_count, gateway_count, pool_count, port_count;
	uint32_t links; /* how many alternative names "redd-TAG-N" there are on the host */
	struct facts_moved *moved;
	size_t moved_count;
	uint32_t *interfaces; /* indexes of the host's, that lead to it */
	size_t interface_count;
};

char *facts_print(struct arena *arena, const struct facts *facts);

/* Unknown keys are skipped. -EBADMSG: it cannot be understood. */
int facts_parse(struct arena *arena, struct facts *ret, const char *text, size_t size);

/* One more at the end of a list; -E2BIG: that is too many. */
int facts_add_prefix(struct arena *arena, struct ip_prefix **list, size_t *count,
		     const struct ip_prefix *prefix);
int facts_add_port(struct arena *arena, struct facts *facts, const struct port *port);
int facts_add_interface(struct arena *arena, struct facts *facts, uint32_t index);
int facts_add_moved(struct arena *arena, struct facts *facts, uint32_t index, const char *name);

/* What net/firewall makes of it. -EINVAL, -ERANGE, -E2BIG: the list of what may be reached
 * is wrong. */
int facts_machine(struct arena *arena, struct firewall_machine *ret, const struct facts *facts);
