/* machine/network-lease - addresses of the host's pool for one link of a machine (net/pool).
 *
 * Whether others who have some are still there is asked of their records. Speaking. Supervisor;
 * who attaches a link; as root, in the host's network namespace.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "format/ip.h"

struct arena;
struct netlink;

struct network_lease {
	struct ip_prefix guest[2], host[2]; /* IPv4, and IPv6 if count is 2 */
	size_t count;
	struct ip_prefix *pools; /* that such addresses are taken from */
	size_t pool_count;
};

struct network_lease_wish {
	const char *runtime, *machine, *tag; /* tag: of its record */
	const char *zone;		     /* without "vz-"; NULL: a link of its own */
	const uint8_t *mac, *host_id;	     /* of the guest's end: 6 bytes; 16 bytes */
};

/* As pool_note_fn. */
typedef int network_lease_note_fn(void *context, const char *path);

int network_lease_take(struct arena *arena, struct network_lease *ret, struct netlink *netlink,
		       const struct network_lease_wish *wish, network_lease_note_fn *note,
		       void *context);
