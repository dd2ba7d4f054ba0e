#include "machine/network-attaching.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "format/attachment.h"
#include "io/fd.h"
#include "kernel/link.h"
#include "kernel/route.h"
#include "machine/find.h"
#include "machine/network-host.h"
#include "machine/network-lease.h"
#include "machine/network-repair.h"
#include "net/firewall-forwarding.h"
#include "net/firewall.h"
#include "net/links.h"
#include "net/zone.h"

/* ---- addresses and rules ---- */

static int note_lease(void *context, const char *path)
{
	struct attaching *a = context;

	/* Those that were noted before are not made. */
	text_list_clear(&a->part->leases);
	text_list_add(a->change.arena, &a->part->leases, arena_text(a->change.arena, path));
	return network_change_save(&a->change);
}

static int copy_prefixes(struct attaching *a, struct ip_prefix **list, size_t *count,
			 const struct ip_prefix *from, size_t size)
{
	int r = 0;

	for (size_t i = 0; i < size && r >= 0; i++)
		r = facts_add_prefix(a->change.arena, list, count, &from[i]);
	return r < 0 ? fail_plain(r, "cannot keep so many addresses") : 0;
}

static int take_addresses(struct attaching *a)
{
	const struct network_lease_wish wish = {
		.runtime = a->change.machine->runtime,
		.machine = a->change.machine->name,
		.tag = a->change.facts.tag,
		.zone = a->attachment->kind == ATTACH_ZONE ? a->attachment->of : NULL,
		.mac = a->mac,
		.host_id = a->host_id,
	};
	struct facts *part = a->part;
	struct network_lease lease;
	int r = network_lease_take(a->change.arena, &lease, &a->change.host, &wish, note_lease, a);

	if (r < 0)
		return r;
	part->fixed = part->nat = true;
	r = copy_prefixes(a, &part->addresses, &part->address_count, lease.guest, lease.count);
	if (r >= 0)
		r = copy_prefixes(a, &part->gateways, &part->gateway_count, lease.host,
				  lease.count);
	if (r >= 0)
		r = copy_prefixes(a, &part->pools, &part->pool_count, lease.pools,
				  lease.pool_count);
	return r;
}

static bool has_networkd(const struct attaching *a)
{
	struct arena *arena = a->change.arena;

	if (a->attachment->kind == ATTACH_VETH)
		return network_host_has_networkd(arena, a->host_name, "veth");
	return network_host_has_networkd(arena, arena_format(arena, "vz-%s", a->attachment->of),
					 "bridge");
}

/* The machine's first link, if it has none and no program in its place. What it may reach holds for
 * this one too, where we know who sends; not on a bridge of the administrator's. */
static int make_part(struct attaching *a)
{
	struct facts *facts = &a->change.facts;
	bool automatic = a->attachment->kind != ATTACH_BRIDGE && !has_networkd(a);

	if (a->attachment->kind == ATTACH_VETH && *a->attachment->of)
		return 0;
	a->part = facts->link == 0 && facts->helper == 0 ? facts
							 : facts_add_part(a->change.arena, facts);
	if (a->part == NULL)
		return fail_plain(-E2BIG, "cannot attach more than %d links to machine '%s'",
				  FACTS_PARTS_MAX, a->change.machine->name);
	a->part->log_group = facts->log_group;
	memcpy(a->part->mac, a->mac, sizeof(a->mac));
	memcpy(a->part->gateway_mac, a->host_mac, sizeof(a->host_mac));
	a->part->chosen = !automatic;
	a->part->no_router = false;
	memset(a->part->router, 0, sizeof(a->part->router));
	if (automatic)
		a->part->egress = facts->egress;
	return automatic ? take_addresses(a) : 0;
}

static struct route_prefix prefix_of(const struct ip *ip, unsigned int length)
{
	struct route_prefix prefix = { .family = ip->family, .length = length };

	memcpy(prefix.bytes, ip->bytes, sizeof(prefix.bytes));
	return prefix;
}

/* Without IPv6 on the host or in the kernel there is IPv4 alone; and another machine of the zone
 * may have set the host's. */
static bool may_fail(const struct ip_prefix *address, int r)
{
	return r == -EEXIST || (address->ip.family == AF_INET6 &&
				(r == -EACCES || r == -EPERM || r == -EOPNOTSUPP));
}

static int add_addresses(struct attaching *a, struct netlink *netlink, uint32_t link,
			 const struct ip_prefix *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct route_address address = {
			.link = (int)link,
			.local = prefix_of(&list[i].ip, list[i].length),
			/* Nobody else has it: it can be used at once. */
			.flags = list[i].ip.family == AF_INET6 ? IFA_F_NODAD : 0,
		};
		char text[IP_TEXT_ROOM];
		int r = route_add_address(netlink, &address);

		if (r < 0 && !may_fail(&list[i], r))
			return fail(r, "cannot set the address '%s' for machine '%s'",
				    ip_text_prefix(text, &list[i]), a->change.machine->name);
	}
	return 0;
}

/* Where it has no way to others yet, this is one. */
static int add_routes(struct attaching *a)
{
	const struct facts *part = a->part;

	for (size_t i = 0; i < part->gateway_count; i++) {
		const struct ip *gateway = &part->gateways[i].ip;
		struct route route = {
			.to = { .family = gateway->family },
			.gateway = prefix_of(gateway, (unsigned)ip_length(gateway->family)),
			.link = (int)a->made->inside,
		};
		int r = route_add(&a->change.guest, &route);

		if (r < 0 && r != -EEXIST && gateway->family == AF_INET)
			return fail(r, "cannot set a default route for machine '%s'",
				    a->change.machine->name);
	}
	return 0;
}

static int set_addresses(struct attaching *a)
{
	const struct facts *part = a->part;
	int r = add_addresses(a, &a->change.host, part->bridge ? part->bridge : part->link,
			      part->gateways, part->gateway_count);

	if (r >= 0)
		r = add_addresses(a, &a->change.guest, a->made->inside, part->addresses,
				  part->address_count);
	return r < 0 ? r : add_routes(a);
}

static int filter(struct attaching *a)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	struct firewall_machine machine;
	int r;

	if (a->part == NULL || !facts_has_rules(a->part))
		return 0;
	r = facts_machine(a->change.arena, &machine, a->part);
	if (r < 0)
		return fail_input("cannot use '%s' as what the machine may reach", a->part->egress);
	r = firewall_open(&firewall);
	if (r < 0)
		return r;
	(void)network_repair_mark(a->change.machine->runtime);
	r = firewall_add(&firewall, &machine);
	if (r >= 0)
		r = firewall_begin_anew(&firewall, &machine);
	/* The host is no router by nature. */
	if (r >= 0 && machine.address_count > 0 && firewall_forwarding_on(&firewall, &machine) < 0)
		log_warning("machine '%s' does not reach other networks by '%s': %s, going on "
			    "without",
			    a->change.machine->name, a->name, fail_recorded()->text);
	return r;
}

/* ---- the link ---- */

/* One that no link of the machine has. */
static char *free_tag(struct attaching *a)
{
	const struct facts *facts = &a->change.facts;
	size_t number = 0;
	char *tag;

	for (bool taken = true; taken; number++) {
		tag = arena_format(a->change.arena, LINKS_TAG_FORM, facts->tag, number);
		taken = false;
		for (size_t i = 0; i < facts->made_count; i++)
			taken = taken || text_equal(facts->made[i].name, tag);
	}
	return tag;
}

static int find_bridge(struct attaching *a, struct link_facts *ret, const char *zone)
{
	const char *name = zone != NULL ? zone : a->attachment->of;
	int r = link_find(&a->change.host, ret, name);

	if (r < 0)
		return fail(r, "cannot use the bridge '%s' (is there one of this name?)", name);
	if (!text_equal(ret->kind, "bridge"))
		return fail_input("cannot use '%s' as a bridge: it is none", name);
	return 0;
}

static int make_link(struct attaching *a, const struct link_facts *bridge)
{
	struct link_want here = { .name = a->host_name,
				  .altname = a->host_alternative,
				  .mac = a->host_mac,
				  .master = bridge->index };
	struct link_want there = { .name = a->name, .mac = a->mac, .netns_fd = a->change.netns_fd };
	int here_index, there_index, r;

	r = link_make_veth(&a->change.host, &here_index, &there_index, &here, &there);
	if (r < 0)
		return attaching_fail(a, &a->change.host, r);
	/* From the first packet on. A port of a bridge hears nothing itself. */
	if (bridge->index == 0)
		links_ignore_routers(a->host_name);
	r = link_add_altname(&a->change.host, here_index, a->made->name);
	if (r < 0) {
		r = attaching_fail(a, &a->change.host, r);
		/* By its index: without the alternative name nobody would find it. */
		(void)link_delete(&a->change.host, here_index);
		return r;
	}
	a->made->outside = (uint32_t)here_index;
	a->made->inside = (uint32_t)there_index;
	if (a->part != NULL) {
		a->part->link = a->made->outside;
		a->part->bridge = (uint32_t)bridge->index;
		if (bridge->index != 0)
			memcpy(a->part->gateway_mac, bridge->mac, sizeof(a->part->gateway_mac));
	}
	return 0;
}

/* Last the host's, as at a start: of an end that is up alone the kernel sees that it has no
 * carrier. And the machine runs, so it may have brought up its own before: until then nothing comes
 * through.
 */
static int bring_up(struct attaching *a)
{
	const struct link_want up = { .up = LINK_ON };
	const struct netlink *side = &a->change.guest;
	int r = link_set(&a->change.guest, (int)a->made->inside, &up);

	if (r >= 0) {
		side = &a->change.host;
		r = link_set(&a->change.host, (int)a->made->outside, &up);
	}
	return r < 0 ? attaching_fail(a, side, r) : 0;
}

static int connect_veth(struct attaching *a, const char *zone)
{
	struct link_facts bridge = { 0 };
	int r = 0;

	if (zone != NULL || a->attachment->kind == ATTACH_BRIDGE)
		r = find_bridge(a, &bridge, zone);
	if (r >= 0)
		r = attaching_note(a, FACTS_VETH, free_tag(a), zone);
	if (r >= 0)
		r = make_link(a, &bridge);
	if (r < 0)
		return r;
	if (a->part != NULL && zone != NULL)
		a->part->zone = zone;
	r = facts_add_interface(a->change.arena, &a->change.facts,
				bridge.index != 0 ? (uint32_t)bridge.index : a->made->outside);
	if (r < 0)
		return fail_plain(r, "cannot keep so many interfaces");
	/* With what its rules are, so that they are found again. */
	r = network_change_save(&a->change);
	if (r >= 0)
		r = filter(a);
	if (r >= 0)
		r = bring_up(a);
	return r >= 0 && a->part != NULL ? set_addresses(a) : r;
}

int attaching_veth(struct attaching *a)
{
	const struct attachment *attachment = a->attachment;
	bool bridged = attachment->kind != ATTACH_VETH;
	autoclose int lock = -EBADF;
	const char *zone = NULL;
	int r = 0;

	a->host_name = attachment->of;
	if (bridged || !*attachment->of)
		r = attaching_derive(a, &a->host_name, &a->host_alternative,
				     bridged ? LINK_NAMES_BRIDGED : LINK_NAMES_VETH,
				     arena_format(a->change.arena, "%s-%s", a->change.machine->name,
						  a->name));
	if (r >= 0)
		r = make_part(a);
	if (r < 0)
		return r;
	if (attachment->kind == ATTACH_ZONE) {
		zone = arena_format(a->change.arena, "vz-%s", attachment->of);
		lock = zone_make(&a->change.host, zone, a->host_id);
		if (lock < 0)
			return lock;
	}
	r = connect_veth(a, zone);
	/* Nobody was in it yet, and we did not come so far. */
	if (r < 0 && a->made == NULL && zone != NULL) {
		fd_close(&lock);
		zone_leave(&a->change.host, zone);
	}
	return r;
}
