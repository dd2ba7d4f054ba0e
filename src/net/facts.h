/* net/facts - what is known of a running machine's network, as text: "KEY=VALUE" lines.
 *
 * The supervisor writes it beside the machine's record (machine/network-file); who repairs the
 * host's rules, changes ports, or cleans up after a killed supervisor reads it. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "format/ip.h"
#include "format/port.h"

struct arena;
struct firewall_machine;

#define FACTS_SIZE_MAX (64 * 1024)
#define FACTS_LIST_MAX 64 /* of links, of addresses of a kind */
#define FACTS_PORTS_MAX 256
#define FACTS_PARTS_MAX 16

enum facts_kind { FACTS_VETH, FACTS_MACVLAN, FACTS_IPVLAN, FACTS_INTERFACE, FACTS_KINDS };

/* An interface of the machine that we made, or moved there. Noted before that: indexes are 0. */
struct facts_made {
	enum facts_kind kind;
	uint32_t inside;  /* its index in the machine */
	uint32_t outside; /* veth: of the host's end. macvlan, ipvlan: what it stands on */
	/* veth: alternative name of the host's end, with the record's tag. Others: the host's name
	 * of what it is made of, or comes home as. */
	const char *name;
	const char *zone;     /* veth: the bridge of a zone that it is a port of; NULL: of none */
	const char *identity; /* interface: links_identity(), seen in the machine; NULL: not yet */
	bool attached;	      /* not at the start, but later */
};

/* An address of the host's pool. */
struct facts_pooled {
	uint32_t link; /* 0: the first one, as it was started; further ones in their order */
	struct ip_prefix guest, host;
};

/* Whether its supervisor answers DNS on the gateways. */
enum facts_names { FACTS_NAMES_STARTED, FACTS_NAMES_YES, FACTS_NAMES_NO };

/* What rules are made for is a part: the first veth, and each that was attached later. */
struct facts {
	const char *tag;	/* of the machine's record */
	uint32_t leader;	/* its PID 1; 0: unknown */
	const char *zone;	/* its bridge, "vz-…"; NULL: none */
	const char *egress;	/* for format/egress; NULL: everything may be reached */
	uint32_t namespace;	/* inode of the network namespace that the indexes are of */
	uint32_t inside;	/* the same of the machine; 0: unknown */
	uint32_t link;		/* index of the host's end of its first veth; 0: none */
	uint32_t bridge;	/* that it is a port of; 0: none */
	uint8_t mac[6];		/* of the machine's end */
	uint8_t gateway_mac[6]; /* of the host's end, or of its bridge */
	bool fixed, nat;	/* as net/firewall has them */
	bool chosen;		/* addresses are what the machine gave itself, as it does */
	bool no_router;		/* it has no default routes */
	enum facts_names names; /* other than as it was started: what was said since */
	bool turning;		/* nat, egress and names are said, and maybe not done yet */
	struct ip router[2];	/* where those of IPv4 and IPv6 lead; family 0: to the host's end */
	uint16_t dns_port, log_group;
	struct ip_prefix *addresses, *gateways, *pools;
	struct port *ports;
	size_t address_count, gateway_count, pool_count, port_count;
	struct text_list leases; /* for pool_release(): of what was attached later */

	/* only of the whole machine */
	uint32_t *interfaces; /* indexes of the host's, that lead to it */
	size_t interface_count;
	struct facts_made *made;
	size_t made_count;
	struct facts_pooled *pooled; /* of links that it was started with */
	size_t pooled_count;
	uint64_t middle;	  /* id of the namespace in the middle that is its host
				   * (machine/middle); 0: the host is */
	uint32_t slot;		  /* of its way out of that (format/uplink) */
	uint32_t helper;	  /* process that its network comes through (net/userspace), or that
				   * leads out of the middle; 0: none */
	uint64_t helper_start;	  /* its start time */
	struct text_list further; /* names; noted before they are claimed */
	struct facts *parts;	  /* with what the first part has too, but no ports, and no parts */
	size_t part_count;
};

extern const char *const facts_kind_names[FACTS_KINDS];

char *facts_print(struct arena *arena, const struct facts *facts);

/* Unknown keys are skipped. -EBADMSG: it cannot be understood. */
int facts_parse(struct arena *arena, struct facts *ret, const char *text, size_t size);

/* One more at the end of a list; -E2BIG: that is too many. */
int facts_add_prefix(struct arena *arena, struct ip_prefix **list, size_t *count,
		     const struct ip_prefix *prefix);
int facts_add_port(struct arena *arena, struct facts *facts, const struct port *port);
int facts_add_interface(struct arena *arena, struct facts *facts, uint32_t index);
int facts_add_pooled(struct arena *arena, struct facts *facts, const struct facts_pooled *pooled);

struct facts_made *facts_add_made(struct arena *arena, struct facts *facts); /* NULL: too many */
struct facts *facts_add_part(struct arena *arena, struct facts *facts);	     /* NULL: likewise */

/* What was added is there no more. */
void facts_remove_made(struct facts *facts, struct facts_made *made);
void facts_remove_part(struct facts *facts, struct facts *part);

/* The one at that index in the machine; NULL: we made none of it. */
struct facts_made *facts_find_made(const struct facts *facts, uint32_t inside);

/* The part whose link has this index on the host; NULL: none. */
struct facts *facts_find_part(struct facts *facts, uint32_t link);

/* The host's interfaces, each once; their number. */
size_t facts_interfaces(const struct facts *facts, uint32_t ret[FACTS_LIST_MAX]);

/* No more; the index is the host's. */
void facts_remove_interface(struct facts *facts, uint32_t index);

/* Of links to somebody else's network nothing is known that could be kept from others. */
bool facts_has_rules(const struct facts *part);

/* What net/firewall makes of one part. -EINVAL, -ERANGE, -E2BIG: the list of what may be
 * reached is wrong. */
int facts_machine(struct arena *arena, struct firewall_machine *ret, const struct facts *part);

/* Of all parts that have rules. */
int facts_machines(struct arena *arena, struct firewall_machine **ret, size_t *ret_count,
		   const struct facts *facts);

/* For who takes them away: while it is turning, of each also what there may be of another kind. */
int facts_traces(struct arena *arena, struct firewall_machine **ret, size_t *ret_count,
		 const struct facts *facts);
