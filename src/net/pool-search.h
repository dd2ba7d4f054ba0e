/* net/pool-search - what the searches of net/pool and net/pool-zone have in common. Speaking. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "net/lease-file.h"
#include "net/pool.h"
#include "net/subnet.h"

#define POOL_FILE_ROOM 64

struct pool_search {
	struct arena *arena;
	struct netlink *netlink;
	const struct pool_wish *wish;
	const struct pool_caller *caller;
	const char *path; /* of our directory */
	int dir_fd;
	struct lease_file mine;
};

/* Where the search for NAME begins. */
uint64_t pool_search_place_of(const char *name);

/* Somebody who lives has it. */
bool pool_search_is_taken(const struct pool_search *search, const struct lease_file *lease);

/* The addresses of SUBNET for the guest that has its GUEST-th. */
struct pool_lease pool_search_lease_of(const struct pool_search *search,
				       const struct subnet *subnet, unsigned int guest);

enum { POOL_FREE, POOL_ROUTED, POOL_RANGE_ROUTED };

/* A route that keeps others away from where it leads. */
bool pool_search_is_foreign(const struct pool_search *search, const struct route *route);

/* What the host does now with a packet for ADDRESS: POOL_*. */
int pool_search_look_at_address(const struct pool_search *search, const struct subnet *subnet,
				const struct route_prefix *address);

/* Note and claim FILE in DIR_FD, which is DIRECTORY ("" or "x/") below ours. -EBUSY (nothing is
 * recorded): somebody was faster. */
int pool_search_claim(struct pool_search *search, int dir_fd, const char *directory,
		      const char *file, const struct lease_file *seen);

int pool_search_fail_exhausted(struct pool_search *search, enum subnet_kind kind);
