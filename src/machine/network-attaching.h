/* machine/network-attaching - one attachment while it is made: for machine/network-attach and its
 * other half, network-attach-veth. Speaking.
 */
#pragma once
#include <stdint.h>

#include "machine/network-change.h"
#include "format/link-names.h"

struct attachment;

struct attaching {
	struct network_change change;
	const struct attachment *attachment;
	const char *name; /* in the machine */
	const char *alternative;
	const char *host_name, *host_alternative; /* of a veth */
	uint8_t host_id[16], mac[LINK_NAMES_MAC_SIZE], host_mac[LINK_NAMES_MAC_SIZE];
	struct facts *part;	 /* NULL: none */
	struct facts_made *made; /* NULL: nothing yet */
};

/* After OF; where that makes it too long, the whole is its alternative name (else NULL). */
int attaching_derive(struct attaching *a, const char **ret, const char **ret_alternative,
		     enum link_names_kind kind, const char *of);

/* What is made next is noted. ZONE: its bridge, or NULL. */
int attaching_note(struct attaching *a, enum facts_kind kind, const char *name, const char *zone);

/* The sentence for that the interface could not be made; NETLINK may say more. */
int attaching_fail(struct attaching *a, const struct netlink *netlink, int r);

/* A link to the host, a bridge or a zone, with its addresses and rules. */
int attaching_veth(struct attaching *a);
