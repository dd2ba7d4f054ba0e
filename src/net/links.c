#include "net/links.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/later.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/network.h"
#include "kernel/route.h"
#include "net/facts.h"
#include "net/zone.h"

#define ADDRESSES_MAX 32 /* of one end of a link of ours */

struct addresses {
	struct route_address items[ADDRESSES_MAX];
	size_t count;
};

static int add_address(const struct route_address *address, void *context)
{
	struct addresses *addresses = context;

	if (addresses->count < ADDRESSES_MAX)
		addresses->items[addresses->count++] = *address;
	return 0;
}

/* IPv4 ones outlive their interface's going down, and the pool gives out nothing that is in use:
 * the machine's next start would get others. */
static void free_addresses(struct netlink *host, int index)
{
	struct addresses addresses = { .count = 0 };

	(void)route_list_addresses(host, index, add_address, &addresses);
	for (size_t i = 0; i < addresses.count; i++)
		if (addresses.items[i].local.family == AF_INET)
			(void)route_delete_address(host, &addresses.items[i]);
}

void links_let_go(struct netlink *host, const char *name, struct later *later)
{
	struct link_want want = { .up = LINK_OFF, .master = -1 };
	char free_name[LINK_NAME_SIZE];
	struct link_facts facts;

	if (link_find(host, &facts, name) < 0)
		return;
	free_addresses(host, facts.index);
	snprintf(free_name, sizeof(free_name), "redd-%x", (unsigned int)facts.index);
	(void)link_set(host, facts.index, &want);
	want = (struct link_want){ .name = free_name };
	(void)link_set(host, facts.index, &want);
	for (size_t i = 0; i < facts.altname_count; i++)
		(void)link_remove_altname(host, facts.index, facts.altnames[i]);
	/* The namespace stays for as long as a connection of the dead waits for an answer: minutes.
	 */
	later_delete_link(later, facts.index);
}

static bool zone_was_left(const struct facts *facts, size_t before, const char *zone)
{
	for (size_t i = 0; i < before; i++)
		if (text_equal(facts->made[i].zone, zone))
			return true;
	return text_equal(facts->zone, zone);
}

void links_let_all_go(struct netlink *host, const struct facts *facts, struct later *later)
{
	for (size_t i = 0; i < facts->made_count; i++)
		if (facts->made[i].kind == FACTS_VETH)
			links_let_go(host, facts->made[i].name, later);
	if (facts->zone != NULL)
		zone_leave(host, facts->zone);
	for (size_t i = 0; i < facts->made_count; i++)
		if (facts->made[i].zone != NULL && !zone_was_left(facts, i, facts->made[i].zone))
			zone_leave(host, facts->made[i].zone);
}

static int bring_home(struct netlink *guest, const struct facts_made *made, int home)
{
	struct link_want want = { .netns_fd = home, .name = made->name };
	int r = link_set(guest, (int)made->inside, &want);

	if (r == -EEXIST) {
		/* If the name that it has is taken as well, the kernel finds a number for it. */
		want.name = "dev%d";
		r = link_set(guest, (int)made->inside, &want);
		if (r >= 0 || r == -ENODEV)
			log_warning("the interface '%s' comes back under another name: somebody "
				    "else has that one",
				    made->name);
	}
	return r == -ENODEV ? 0 : MIN(r, 0);
}

bool links_identity(char ret[LINKS_IDENTITY_ROOM], const struct link_facts *link)
{
	snprintf(ret, LINKS_IDENTITY_ROOM, "%s/%d/%d", *link->kind ? link->kind : "-", link->parent,
		 link->parent_nsid);
	return *link->kind == '\0' || link->parent_nsid >= 0;
}

static int open_both(struct netlink *ret_guest, int *ret_home, int netns_fd)
{
	*ret_home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return *ret_home < 0 ? -errno : netlink_open_in(ret_guest, NETLINK_ROUTE, netns_fd);
}

int links_bring_home(const struct facts_made *made, int netns_fd)
{
	autonetlink struct netlink guest = NETLINK_EMPTY;
	autoclose int home = -EBADF;
	int r = open_both(&guest, &home, netns_fd);

	return r < 0 ? r : bring_home(&guest, made, home);
}

void links_bring_all_home(const struct facts *facts, int netns_fd)
{
	autonetlink struct netlink guest = NETLINK_EMPTY;
	autoclose int home = -EBADF;
	int first = 0;

	for (size_t i = 0; i < facts->made_count; i++) {
		const struct facts_made *made = &facts->made[i];
		int r;

		/* Noted, and not moved yet. */
		if (made->kind != FACTS_INTERFACE || made->inside == 0)
			continue;
		if (home < 0 && first == 0)
			first = open_both(&guest, &home, netns_fd);
		r = first < 0 ? first : bring_home(&guest, made, home);
		if (r < 0)
			log_warning("cannot bring the interface '%s' back: %s, going on without",
				    made->name, strerror(-r));
	}
}

void links_ignore_routers(const char *name)
{
	int r = network_ignore_routers(name);

	if (r < 0 && r != -ENOENT)
		log_warning("cannot make the host ignore routers behind '%s': %s, going on without",
			    name, strerror(-r));
}
