#include "net/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "io/fd.h"
#include "net/config.h"
#include "net/lease-file.h"
#include "format/link-names.h"
#include "net/pool-search.h"
#include "net/pool-zone.h"
#include "net/subnet.h"

/* Below RUNTIME/network:
 *   link.N      who has the N-th net for a machine of its own
 *   zone.N/H    who has the address .H of the N-th net for zones
 *   owner.N     a link that leads to the name of the zone that has it
 *   slot.ZONE   and one back, to N, with the address that the net begins with
 * The directory is held by who gives out an address of a zone. */
#define DIRECTORY "network"
#define LINK_FILE "link."

#define GUEST_ADDRESS 2

static int look_at_addresses(const struct pool_search *search, const struct subnet *subnet,
			     const struct pool_lease *lease)
{
	const struct route_prefix *const addresses[] = { &lease->host, &lease->guest, &lease->host6,
							 &lease->guest6 };
	int r = POOL_FREE;

	for (size_t i = 0; i < ARRAY_SIZE(addresses) && r == POOL_FREE; i++)
		r = pool_search_look_at_address(search, subnet, addresses[i]);
	return r;
}

static int take_link(struct pool_search *search, struct pool_lease *ret)
{
	const struct config *config = search->wish->config;
	const uint64_t place = pool_search_place_of(search->mine.name);
	struct pool_lease lease;
	struct subnet subnet;
	unsigned int n = 0;

	while (subnet_nth(&subnet, config, SUBNET_LINK, place, n++)) {
		char file[POOL_FILE_ROOM];
		struct lease_file seen;
		int r;

		snprintf(file, sizeof(file), LINK_FILE "%u", subnet.number);
		r = lease_file_look(&seen, search->dir_fd, file);
		if (r < 0)
			return fail(r, "cannot read '%s/%s'", search->path, file);
		if (pool_search_is_taken(search, &seen))
			continue;
		lease = pool_search_lease_of(search, &subnet, GUEST_ADDRESS);
		r = look_at_addresses(search, &subnet, &lease);
		if (r < 0)
			return r;
		if (r == POOL_RANGE_ROUTED)
			n = subnet.range_ends;
		if (r != POOL_FREE)
			continue;
		r = pool_search_claim(search, search->dir_fd, "", file, &seen);
		if (r == -EBUSY)
			continue;
		if (r >= 0)
			*ret = lease;
		return r;
	}
	return pool_search_fail_exhausted(search, SUBNET_LINK);
}

int pool_look(struct arena *arena, struct pool_lease *ret, struct netlink *netlink,
	      const struct pool_wish *wish)
{
	const uint64_t place = pool_search_place_of(wish->machine);
	struct pool_search search = { .arena = arena, .netlink = netlink, .wish = wish };
	struct pool_lease lease;
	struct subnet subnet;
	int r = POOL_ROUTED;

	for (unsigned int n = 0; r != POOL_FREE; n++) {
		if (!subnet_nth(&subnet, wish->config, SUBNET_LINK, place, n))
			return pool_search_fail_exhausted(&search, SUBNET_LINK);
		lease = pool_search_lease_of(&search, &subnet, GUEST_ADDRESS);
		r = look_at_addresses(&search, &subnet, &lease);
		if (r < 0)
			return r;
		if (r == POOL_RANGE_ROUTED)
			n = subnet.range_ends - 1;
	}
	*ret = lease;
	return 0;
}

/* ---- taking ---- */

/* RUNTIME itself was looked at when the machine's record was made in it. */
static int open_directory(const char *runtime, const char *path)
{
	const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	autoclose int top = open(runtime, O_PATH | flags), fd = -EBADF;
	struct stat st;

	if (top < 0)
		return fail(-errno, "cannot open '%s'", runtime);
	fd = openat(top, DIRECTORY, O_RDONLY | flags);
	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(top, DIRECTORY, 0700) < 0 && errno != EEXIST)
			return fail(-errno, "cannot make '%s'", path);
		fd = openat(top, DIRECTORY, O_RDONLY | flags);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(-errno, "cannot open '%s'", path);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return fail_plain(-EPERM, "cannot use '%s': others may write to it", path);
	return take_fd(&fd);
}

static int begin(struct lease_file *ret, const struct pool_wish *wish)
{
	if (strlen(wish->machine) >= sizeof(ret->name) || strlen(wish->tag) >= sizeof(ret->tag) ||
	    (wish->zone && strlen(wish->zone) >= LINK_NAMES_LINK_ROOM))
		return fail_input("cannot find addresses for '%s': no name is that long",
				  wish->machine);
	snprintf(ret->name, sizeof(ret->name), "%s", wish->machine);
	snprintf(ret->tag, sizeof(ret->tag), "%s", wish->tag);
	return 0;
}

int pool_take(struct arena *arena, struct pool_lease *ret, struct netlink *netlink,
	      const char *runtime, const struct pool_wish *wish, const struct pool_caller *caller)
{
	autoclose int dir = -EBADF;
	struct pool_search search = {
		.arena = arena,
		.netlink = netlink,
		.wish = wish,
		.caller = caller,
		.path = path_join(arena, runtime, DIRECTORY),
	};
	int r;

	r = begin(&search.mine, wish);
	if (r < 0)
		return r;
	dir = search.dir_fd = open_directory(runtime, search.path);
	if (dir < 0)
		return dir;
	return wish->zone ? pool_zone_take(&search, ret) : take_link(&search, ret);
}

/* ---- giving back ---- */

static bool is_numbered(const char *name, const char *before, uint32_t *ret)
{
	const char *number = text_after(name, before);

	return number != NULL && parse_u32(ret, number) == 0;
}

int pool_release(const char *path, const char *tag)
{
	autoclose int dir = -EBADF, above = -EBADF;
	autoarena struct arena scratch = { 0 };
	const char *parent = path_parent(&scratch, path), *name = path_name(path);
	uint32_t number, zone = 0;
	bool in_zone;
	int r;

	in_zone = is_numbered(path_name(parent), POOL_ZONE_DIRECTORY, &zone);
	if (!path_is_absolute(path) || !path_is_normal(path) ||
	    !is_numbered(name, in_zone ? "" : LINK_FILE, &number) ||
	    !text_equal(path_name(in_zone ? path_parent(&scratch, parent) : parent), DIRECTORY))
		return -EBADMSG;
	dir = open(parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	r = lease_file_drop(dir, name, tag);
	if (r < 0 || !in_zone)
		return r;
	above = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (above >= 0)
		pool_zone_give_back(above, path_name(parent), zone);
	return 0;
}
