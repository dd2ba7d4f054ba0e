/* net/pool - addresses for machines, from the host's ranges.
 *
 * The lower half of a range is cut into nets of four addresses, one for each machine with a link of
 * its own: the host has the first, the guest the second. The upper half is cut into /24s, one for
 * each zone: the gateway has .1, the machines others. To every such net belongs one /64: there the
 * host is ::1, and the guest what its hardware address makes, as if it had chosen that itself.
 *
 * Which net, and in a zone which address, is decided by the name's hash, so a machine comes back
 * to the addresses it had; the next one is taken if that is another's, or if the host has a route
 * or an address there (a default route does not count, nor what is on the zone's own bridge).
 *
 * A lease is a file below RUNTIME/network (net/lease-file), noted before it is made. One that a
 * dead machine left is taken over. No work here grows with the number of machines; what does is
 * that more of them collide. Speaking. Supervisor, as root.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kernel/route.h"

struct arena;
struct config;
struct netlink;

struct pool_wish {
	const char *machine, *tag; /* who: name, and tag of its record */
	const char *zone;	   /* NULL: a link of its own */
	int zone_link;		   /* index of the zone's bridge; 0: it is not there yet */
	const uint8_t *mac;	   /* of the guest's end: 6 bytes */
	const uint8_t *host_id;	   /* 16 bytes */
	const struct config *config;
};

struct pool_lease {
	struct route_prefix guest, host;   /* IPv4; the length is that of the net */
	struct route_prefix guest6, host6; /* IPv6; AF_UNSPEC: none */
	unsigned int index;		   /* of the net; the low 16 bits of the /64 */
};

/* The machine NAME whose record has TAG is still there. Must not wait for a machine that starts. */
typedef bool pool_alive_fn(void *context, const char *name, const char *tag);

/* PATH, for pool_release(), may be made next: note it. Others that were noted before are not made
 * then, or do not belong to this machine. A failure (recorded) ends the search. */
typedef int pool_note_fn(void *context, const char *path);

struct pool_caller {
	pool_alive_fn *is_alive;
	pool_note_fn *note;
	void *context;
};

/* NETLINK: of NETLINK_ROUTE, in the host's network namespace. Once for a link: who asks again may
 * get others. */
int pool_take(struct arena *arena, struct pool_lease *ret, struct netlink *netlink,
	      const char *runtime, const struct pool_wish *wish, const struct pool_caller *caller);

/* The same for a machine whose network nobody else can reach: nothing is taken, so another one may
 * have the same addresses. Only that the host has no route there is looked at. */
int pool_look(struct arena *arena, struct pool_lease *ret, struct netlink *netlink,
	      const struct pool_wish *wish);

/* Give back what was noted as PATH, if it is TAG's; the last one of a zone gives back its net as
 * well. 0 also if there is nothing, or it is another's. -EBADMSG: no path of a lease. Quiet; any
 * process. */
int pool_release(const char *path, const char *tag);
