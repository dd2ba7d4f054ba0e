/* net/pool-zone - the part of net/pool for zones: a net for each, an address in it for each
 * machine. Speaking. */
#pragma once

struct pool_lease;
struct pool_search;

#define POOL_ZONE_DIRECTORY "zone."

int pool_zone_take(struct pool_search *search, struct pool_lease *ret);

/* If nobody has an address in DIRECTORY, the NUMBER-th net's, any more: the net is nobody's either.
 * DIR_FD is held until it is closed. Quiet. */
void pool_zone_give_back(int dir_fd, const char *directory, unsigned int number);
