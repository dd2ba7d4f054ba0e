#include "net/pool-search.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/hash.h"
#include "net/config.h"
#include "format/link-names.h"
#include "net/pool.h"

#define HOST_ADDRESS 1

static const uint8_t place_key[16] = { 0x42, 0xb8, 0x6f, 0x0e, 0xd1, 0x95, 0x4c, 0x38,
				       0xa7, 0x5b, 0xc9, 0x20, 0x7e, 0x13, 0xf4, 0x6a };
static const uint8_t host_id6[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };

uint64_t pool_search_place_of(const char *name)
{
	return hash_siphash24(name, strlen(name), place_key);
}

bool pool_search_is_taken(const struct pool_search *search, const struct lease_file *lease)
{
	if (lease->tag[0] == '\0')
		return false;
	return strcmp(lease->tag, search->mine.tag) == 0 ||
	       search->caller->is_alive(search->caller->context, lease->name, lease->tag);
}

struct pool_lease pool_search_lease_of(const struct pool_search *search,
				       const struct subnet *subnet, unsigned int guest)
{
	const struct pool_wish *wish = search->wish;
	uint8_t guest_id6[8];

	link_names_eui64(guest_id6, wish->mac);
	return (struct pool_lease){
		.guest = subnet_address(subnet, guest),
		.host = subnet_address(subnet, HOST_ADDRESS),
		.guest6 = subnet_address6(subnet, wish->config, wish->host_id, guest_id6),
		.host6 = subnet_address6(subnet, wish->config, wish->host_id, host_id6),
		.index = subnet_index(subnet),
	};
}

/* Without IPv6, with no route at all, or with one that says so. */
static bool is_unreachable(int r)
{
	return r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EINVAL || r == -EACCES ||
	       r == -EAGAIN || r == -EAFNOSUPPORT || r == -EOPNOTSUPP;
}

bool pool_search_is_foreign(const struct pool_search *search, const struct route *route)
{
	const int own = search->wish->zone ? search->wish->zone_link : 0;

	return route->to.length > 0 && (own <= 0 || route->link != own);
}

int pool_search_look_at_address(const struct pool_search *search, const struct subnet *subnet,
				const struct route_prefix *address)
{
	struct route route;
	int r;

	if (address->family == AF_UNSPEC)
		return POOL_FREE;
	r = route_get(search->netlink, &route, address);
	if (r < 0)
		return is_unreachable(r) ? POOL_FREE : fail(r, "cannot look at the host's routes");
	if (!pool_search_is_foreign(search, &route))
		return POOL_FREE;
	return route.to.family == AF_INET && route.to.length <= subnet->half ? POOL_RANGE_ROUTED
									     : POOL_ROUTED;
}

int pool_search_claim(struct pool_search *search, int dir_fd, const char *directory,
		      const char *file, const struct lease_file *seen)
{
	const char *path = arena_format(search->arena, "%s/%s%s", search->path, directory, file);
	int r;

	r = search->caller->note(search->caller->context, path);
	if (r < 0)
		return r;
	r = lease_file_claim(dir_fd, file, seen, &search->mine);
	return r < 0 && r != -EBUSY ? fail(r, "cannot make '%s'", path) : r;
}

int pool_search_fail_exhausted(struct pool_search *search, enum subnet_kind kind)
{
	const struct pool_wish *wish = search->wish;

	return fail_plain(-EADDRNOTAVAIL,
			  "cannot find addresses for %s '%s': each of the %u nets in %s is taken, "
			  "or the host has a route there (try others, with Pool= in %s)",
			  kind == SUBNET_ZONE ? "zone" : "machine",
			  kind == SUBNET_ZONE ? wish->zone : wish->machine,
			  subnet_count(wish->config, kind),
			  config_ranges_text(search->arena, wish->config), CONFIG_PATH);
}
