#include "machine/network-list.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "format/ip.h"
#include "kernel/link.h"
#include "kernel/route.h"
#include "machine/find.h"
#include "machine/network-change.h"

#define TRIES 10 /* of a list that changes meanwhile */

struct listing {
	struct network_change change;
	struct link_facts *links;
	struct network_list_item *items;
	size_t count;
};

static const char *name_of(struct listing *listing, uint32_t index)
{
	struct link_facts link;

	if (index == 0 || listing->change.host.fd < 0 ||
	    link_read(&listing->change.host, &link, (int)index) < 0)
		return NULL;
	return arena_text(listing->change.arena, link.name);
}

/* The bridge of the administrator's that the link is a port of. */
static const char *bridge_of(struct listing *listing, uint32_t index)
{
	struct link_facts link;

	if (listing->change.host.fd < 0 ||
	    link_read(&listing->change.host, &link, (int)index) < 0 || link.master == 0)
		return NULL;
	return name_of(listing, (uint32_t)link.master);
}

static void describe_veth(struct listing *listing, struct network_list_item *item,
			  const struct facts_made *made)
{
	struct arena *arena = listing->change.arena;
	const char *bridge;

	item->host = name_of(listing, made->outside);
	if (made->zone != NULL) {
		item->kind = arena_format(arena, "zone:%s", text_after(made->zone, "vz-"));
		return;
	}
	bridge = bridge_of(listing, made->outside);
	item->kind = bridge == NULL ? "veth" : arena_format(arena, "bridge:%s", bridge);
}

static void describe(struct listing *listing, struct network_list_item *item,
		     const struct link_facts *link)
{
	struct arena *arena = listing->change.arena;
	const struct facts_made *made = facts_find_made(&listing->change.facts,
							(uint32_t)link->index);

	item->name = arena_text(arena, link->name);
	item->kind = arena_text(arena, link->kind);
	if (made == NULL)
		return;
	if (made->kind == FACTS_VETH) {
		describe_veth(listing, item, made);
		return;
	}
	item->kind = facts_kind_names[made->kind];
	item->host = made->name;
}

static int add_link(const struct link_facts *link, void *context)
{
	struct listing *listing = context;

	if ((link->flags & IFF_LOOPBACK) || listing->count == NETWORK_LIST_MAX)
		return 0;
	listing->links[listing->count] = *link;
	listing->items[listing->count++] = (struct network_list_item){ 0 };
	return 0;
}

static int add_address(const struct route_address *address, void *context)
{
	struct listing *listing = context;
	struct ip_prefix prefix = { .ip.family = address->local.family,
				    .length = (uint8_t)address->local.length };
	char text[IP_TEXT_ROOM];

	memcpy(prefix.ip.bytes, address->local.bytes, sizeof(prefix.ip.bytes));
	for (size_t i = 0; i < listing->count; i++) {
		struct network_list_item *item = &listing->items[i];

		if (listing->links[i].index != address->link)
			continue;
		item->addresses = arena_format(listing->change.arena, "%s%s%s",
					       item->addresses == NULL ? "" : item->addresses,
					       item->addresses == NULL ? "" : "\n",
					       ip_text_prefix(text, &prefix));
	}
	return 0;
}

/* The guest may change them all the time: then it is what was seen last. */
static int look(struct listing *listing)
{
	struct netlink *guest = &listing->change.guest;
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		listing->count = 0;
		r = link_list(guest, 0, add_link, listing);
	}
	if (r < 0 && r != -EAGAIN)
		return r;
	for (size_t i = 0; i < listing->count; i++)
		describe(listing, &listing->items[i], &listing->links[i]);
	r = route_list_addresses(guest, 0, add_address, listing);
	return r == -EAGAIN ? 0 : r;
}

int network_list(struct arena *arena, struct network_list_item **ret, size_t *ret_count,
		 const struct machine *machine)
{
	struct listing listing = { .change = NETWORK_CHANGE_EMPTY };
	int r = network_change_look(arena, &listing.change, machine);

	if (r < 0)
		return r;
	listing.links = arena_take_array(arena, NETWORK_LIST_MAX, sizeof(*listing.links));
	listing.items = arena_take_array(arena, NETWORK_LIST_MAX, sizeof(*listing.items));
	r = look(&listing);
	network_change_done(&listing.change);
	if (r < 0)
		return fail(r, "cannot list the interfaces of machine '%s'", machine->name);
	*ret = listing.items;
	*ret_count = listing.count;
	return 0;
}
