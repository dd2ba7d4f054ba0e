#include "net/pool-zone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/parse.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/route.h"
#include "net/lease-file.h"
#include "format/link-names.h"
#include "net/pool-search.h"
#include "net/pool.h"
#include "net/subnet.h"

#define HELD_WAIT_MS 10000
#define LIST_TRIES 10
#define FIRST 2 /* .0 and .255 are no address of one, .1 is the gateway's */
#define COUNT 253

struct look {
	const struct pool_search *search;
	struct route_prefix net;
	unsigned int half;
	int found;
};

static int look_at_route(const struct route *route, void *context)
{
	struct look *look = context;

	if (!pool_search_is_foreign(look->search, route) ||
	    !subnet_overlaps(&route->to, &look->net) ||
	    (route->type >= RTN_BLACKHOLE && route->type <= RTN_THROW))
		return 0;
	look->found = route->to.length <= look->half ? POOL_RANGE_ROUTED : POOL_ROUTED;
	return look->found == POOL_RANGE_ROUTED;
}

/* A zone's net has so many addresses that routes may lie inside of it; it is given out so seldom
 * that there is time to look at all. */
static int look_at_routes(const struct pool_search *search, const struct subnet *subnet)
{
	struct look look = { .search = search, .half = subnet->half };
	struct pool_lease lease = pool_search_lease_of(search, subnet, FIRST);
	int r = -EAGAIN;

	look.net = lease.host;
	for (int i = 0; i < LIST_TRIES && r == -EAGAIN; i++) {
		look.found = POOL_FREE;
		r = route_list(search->netlink, AF_INET, 0, look_at_route, &look);
	}
	if (r < 0 && r != -EAGAIN) /* it changes all the time: what was seen must do */
		return fail(r, "cannot list the host's routes");
	return look.found != POOL_FREE ? look.found
				       : pool_search_look_at_address(search, subnet, &lease.host6);
}

static bool read_word(int dir_fd, const char *name, char ret[POOL_FILE_ROOM])
{
	ssize_t length = readlinkat(dir_fd, name, ret, POOL_FILE_ROOM - 1);

	if (length < 0)
		return false;
	ret[length] = '\0';
	return true;
}

static bool read_owner(int dir_fd, unsigned int number, char ret[POOL_FILE_ROOM])
{
	char name[POOL_FILE_ROOM];

	snprintf(name, sizeof(name), "owner.%u", number);
	return read_word(dir_fd, name, ret);
}

/* "NUMBER ADDRESS": if the ranges are others now, the net is still what it was. */
static bool read_slot(int dir_fd, const char *zone, uint32_t *ret_number, uint32_t *ret_address)
{
	char name[2 * POOL_FILE_ROOM], word[POOL_FILE_ROOM], *blank;

	snprintf(name, sizeof(name), "slot.%s", zone);
	if (!read_word(dir_fd, name, word))
		return false;
	blank = strchr(word, ' ');
	if (blank == NULL)
		return false;
	*blank = '\0';
	return parse_u32(ret_number, word) == 0 && parse_u32(ret_address, blank + 1) == 0;
}

static void forget_owner(int dir_fd, unsigned int number)
{
	char zone[POOL_FILE_ROOM], name[2 * POOL_FILE_ROOM];
	uint32_t slot, address;

	if (read_owner(dir_fd, number, zone) && read_slot(dir_fd, zone, &slot, &address) &&
	    slot == number) {
		snprintf(name, sizeof(name), "slot.%s", zone);
		(void)unlinkat(dir_fd, name, 0);
	}
	snprintf(name, sizeof(name), "owner.%u", number);
	(void)unlinkat(dir_fd, name, 0);
}

static int set_owner(struct pool_search *search, const struct subnet *subnet)
{
	char name[POOL_FILE_ROOM], word[POOL_FILE_ROOM];

	forget_owner(search->dir_fd, subnet->number);
	snprintf(name, sizeof(name), "owner.%u", subnet->number);
	if (symlinkat(search->wish->zone, search->dir_fd, name) < 0)
		return fail(-errno, "cannot make '%s/%s'", search->path, name);
	snprintf(name, sizeof(name), "slot.%s", search->wish->zone);
	snprintf(word, sizeof(word), "%u %u", subnet->number, subnet->address);
	(void)unlinkat(search->dir_fd, name, 0);
	if (symlinkat(word, search->dir_fd, name) < 0)
		return fail(-errno, "cannot make '%s/%s'", search->path, name);
	return 0;
}

static int is_member(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct lease_file lease;

	(void)type;
	return lease_file_look(&lease, dir_fd, name) == 0 && pool_search_is_taken(context, &lease);
}

/* Somebody lives in that net. */
static bool has_members(struct pool_search *search, unsigned int number)
{
	autoclose int fd = -EBADF;
	char name[POOL_FILE_ROOM];

	snprintf(name, sizeof(name), POOL_ZONE_DIRECTORY "%u", number);
	fd = openat(search->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && dir_walk(fd, is_member, search) > 0;
}

/* The net that the zone has already: 1; it stays as long as somebody is in it. */
static int find_net(struct pool_search *search, struct subnet *ret)
{
	const char *zone = search->wish->zone;
	char owner[POOL_FILE_ROOM];
	uint32_t number, address;
	struct subnet subnet;
	int r;

	if (!read_slot(search->dir_fd, zone, &number, &address) ||
	    !read_owner(search->dir_fd, number, owner) || strcmp(owner, zone) != 0)
		return 0;
	if (has_members(search, number)) {
		*ret = subnet_zone(address, number);
		return 1;
	}
	if (!subnet_at(&subnet, search->wish->config, SUBNET_ZONE, number) ||
	    subnet.address != address)
		return 0;
	r = look_at_routes(search, &subnet);
	if (r < 0)
		return r;
	if (r == POOL_FREE)
		*ret = subnet;
	return r == POOL_FREE;
}

static int choose_net(struct pool_search *search, struct subnet *ret)
{
	const uint64_t place = pool_search_place_of(search->wish->zone);
	struct subnet subnet;
	unsigned int n = 0;
	int r;

	while (subnet_nth(&subnet, search->wish->config, SUBNET_ZONE, place, n++)) {
		char owner[POOL_FILE_ROOM];

		if (read_owner(search->dir_fd, subnet.number, owner) &&
		    has_members(search, subnet.number))
			continue;
		r = look_at_routes(search, &subnet);
		if (r < 0)
			return r;
		if (r == POOL_RANGE_ROUTED)
			n = subnet.range_ends;
		if (r != POOL_FREE)
			continue;
		r = set_owner(search, &subnet);
		if (r >= 0)
			*ret = subnet;
		return r;
	}
	return pool_search_fail_exhausted(search, SUBNET_ZONE);
}

static int take_address(struct pool_search *search, struct pool_lease *ret,
			const struct subnet *subnet)
{
	const unsigned int place = (unsigned int)(pool_search_place_of(search->mine.name) % COUNT);
	char directory[POOL_FILE_ROOM], file[POOL_FILE_ROOM];
	autoclose int fd = -EBADF;
	struct lease_file seen;
	int r;

	snprintf(directory, sizeof(directory), POOL_ZONE_DIRECTORY "%u/", subnet->number);
	if (mkdirat(search->dir_fd, directory, 0700) < 0 && errno != EEXIST)
		return fail(-errno, "cannot make '%s/%s'", search->path, directory);
	fd = openat(search->dir_fd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, "cannot open '%s/%s'", search->path, directory);
	for (unsigned int i = 0; i < COUNT; i++) {
		const unsigned int guest = FIRST + (place + i) % COUNT;

		snprintf(file, sizeof(file), "%u", guest);
		r = lease_file_look(&seen, fd, file);
		if (r < 0)
			return fail(r, "cannot read '%s/%s%s'", search->path, directory, file);
		if (pool_search_is_taken(search, &seen))
			continue;
		r = pool_search_claim(search, fd, directory, file, &seen);
		if (r == -EBUSY)
			continue;
		if (r >= 0)
			*ret = pool_search_lease_of(search, subnet, guest);
		return r;
	}
	return fail_plain(-EADDRNOTAVAIL,
			  "cannot find an address for machine '%s': all %d of zone '%s' are taken",
			  search->mine.name, COUNT, search->wish->zone);
}

/* The directory is held until its descriptor is closed, by who called us. */
int pool_zone_take(struct pool_search *search, struct pool_lease *ret)
{
	struct subnet subnet;
	int r;

	r = lease_file_hold(search->dir_fd, HELD_WAIT_MS);
	if (r < 0)
		return fail(r, "cannot hold '%s'", search->path);
	r = find_net(search, &subnet);
	if (r == 0)
		r = choose_net(search, &subnet);
	return r < 0 ? r : take_address(search, ret, &subnet);
}

/* Who just joins holds the directory: then the net is in use. */
void pool_zone_give_back(int dir_fd, const char *directory, unsigned int number)
{
	if (lease_file_hold(dir_fd, 0) == 0 && unlinkat(dir_fd, directory, AT_REMOVEDIR) == 0)
		forget_owner(dir_fd, number);
}
