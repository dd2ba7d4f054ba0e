#include "machine/network-attach.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "format/attachment.h"
#include "io/fd.h"
#include "kernel/link.h"
#include "kernel/route.h"
#include "machine/find.h"
#include "machine/network-change.h"
#include "machine/network-detach.h"
#include "machine/network-host.h"
#include "machine/network-lease.h"
#include "machine/network-repair.h"
#include "net/firewall-forwarding.h"
#include "net/firewall.h"
#include "net/links.h"
#include "format/link-names.h"
#include "net/pin.h"
#include "net/zone.h"

#define LINK_NAMES_TRIED 100

struct attaching {
	struct network_change change;
	const struct attachment *attachment;
	const char *name; /* in the machine */
	const char *alternative;
	const char *host_name, *host_alternative; /* of a veth */
	uint8_t host_id[16], mac[LINK_NAMES_MAC_SIZE], host_mac[LINK_NAMES_MAC_SIZE];
	struct facts *part;	 /* NULL: none */
	struct facts_made *made; /* NULL: nothing yet */
};

/* ---- names ---- */

static int fail_name(const struct attaching *a, const char *name)
{
	return fail_plain(-EEXIST,
			  "cannot attach '%s' to machine '%s': it has an interface of this name "
			  "(name it otherwise, as %s:%s:NAME)",
			  name, a->change.machine->name, attachment_words[a->attachment->kind],
			  *a->attachment->of ? a->attachment->of : "HOST");
}

static const char *next_free(struct attaching *a)
{
	struct arena *arena = a->change.arena;

	for (int i = 0; i < LINK_NAMES_TRIED; i++) {
		const char *name = arena_format(arena, "host%d", i);

		if (link_is_free(&a->change.guest, name) > 0)
			return name;
	}
	return LINK_NAMES_GUEST;
}

/* After OF, where no interface can have the whole of it an alternative name too. */
static int derive(struct attaching *a, const char **ret, const char **ret_alternative,
		  enum link_names_kind kind, const char *of)
{
	struct link_name link;

	if (link_names_make(&link, kind, of) < 0)
		return fail_input("cannot call an interface after '%s'", of);
	*ret = arena_text(a->change.arena, link.name);
	*ret_alternative = *link.alternative ? arena_text(a->change.arena, link.alternative) : NULL;
	return 0;
}

static int choose_name(struct attaching *a)
{
	const struct attachment *attachment = a->attachment;
	struct link_facts link;
	int r = 0;

	if (*attachment->name)
		a->name = attachment->name;
	else if (attachment->kind == ATTACH_MACVLAN)
		r = derive(a, &a->name, &a->alternative, LINK_NAMES_MACVLAN, attachment->of);
	else if (attachment->kind == ATTACH_IPVLAN)
		r = derive(a, &a->name, &a->alternative, LINK_NAMES_IPVLAN, attachment->of);
	else if (attachment->kind != ATTACH_INTERFACE)
		a->name = next_free(a);
	else if (link_find(&a->change.host, &link, attachment->of) >= 0)
		a->name = arena_text(a->change.arena, link.name);
	else
		a->name = attachment->of;
	if (r < 0)
		return r;
	r = link_is_free(&a->change.guest, a->name);
	if (r == 0)
		return fail_name(a, a->name);
	return r < 0 ? fail(r, "cannot look at the interfaces of machine '%s'",
			    a->change.machine->name)
		     : 0;
}

/* The same attachment has the same addresses every time, and no other one has them: small numbers
 * are those of what a machine is started with. */
static void derive_macs(struct attaching *a)
{
	static const uint8_t key[16] = { 0x71, 0x0e, 0x3f, 0xd2, 0x9a, 0x45, 0x4c, 0x18,
					 0xb2, 0x6d, 0xe0, 0x53, 0x8f, 0xc4, 0x27, 0x91 };
	const char *text = arena_format(a->change.arena, "%s:%s:%s",
					attachment_words[a->attachment->kind], a->attachment->of,
					a->name);
	uint64_t index = hash_siphash24(text, strlen(text), key) | (uint64_t)1 << 32;
	bool macvlan = a->attachment->kind == ATTACH_MACVLAN;

	link_names_mac(a->mac, macvlan ? LINK_NAMES_MAC_MACVLAN : LINK_NAMES_MAC_EXTRA_GUEST,
		       a->host_id, a->change.machine->name, index);
	link_names_mac(a->host_mac, LINK_NAMES_MAC_EXTRA_HOST, a->host_id, a->change.machine->name,
		       index);
}

/* ---- noting ---- */

static int note_made(struct attaching *a, enum facts_kind kind, const char *name, const char *zone)
{
	struct network_change *change = &a->change;

	a->made = facts_add_made(change->arena, &change->facts);
	if (a->made == NULL)
		return fail_plain(-E2BIG, "cannot attach more than %d interfaces to machine '%s'",
				  FACTS_LIST_MAX, change->machine->name);
	*a->made = (struct facts_made){
		.kind = kind,
		.name = arena_text(change->arena, name),
		.zone = zone,
		.attached = true,
	};
	return network_change_save(change);
}

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

static int fail_link(struct attaching *a, const struct netlink *netlink, int r)
{
	const char *machine = a->change.machine->name;

	if (r == -EEXIST)
		return fail_plain(r,
				  "cannot make the interface '%s' for machine '%s': its name, or "
				  "that of its other end, is there already",
				  a->name, machine);
	if (r == -EOPNOTSUPP)
		return fail_plain(r,
				  "cannot make the interface '%s': this kernel has none of its "
				  "kind",
				  a->name);
	fail(r, "cannot make the interface '%s' for machine '%s'", a->name, machine);
	if (*netlink->reason)
		fail_hint("%s", netlink->reason);
	return r;
}

static int find_host(struct attaching *a, struct link_facts *ret)
{
	int r = link_find(&a->change.host, ret, a->attachment->of);

	return r < 0 ? fail(r, "cannot find the interface '%s' of the host", a->attachment->of) : 0;
}

/* ---- addresses and rules of a veth ---- */

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

/* The machine's first link, if it has none. What it may reach holds for this one too, where we know
 * who sends; not on a bridge of the administrator's. */
static int make_part(struct attaching *a)
{
	struct facts *facts = &a->change.facts;
	bool automatic = a->attachment->kind != ATTACH_BRIDGE && !network_host_has_networkd();

	if (a->attachment->kind == ATTACH_VETH && *a->attachment->of)
		return 0;
	a->part = facts->link == 0 ? facts : facts_add_part(a->change.arena, facts);
	if (a->part == NULL)
		return fail_plain(-E2BIG, "cannot attach more than %d links to machine '%s'",
				  FACTS_PARTS_MAX, a->change.machine->name);
	a->part->log_group = facts->log_group;
	memcpy(a->part->mac, a->mac, sizeof(a->mac));
	memcpy(a->part->gateway_mac, a->host_mac, sizeof(a->host_mac));
	a->part->chosen = !automatic;
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
	/* The host is no router by nature. */
	if (r >= 0 && machine.address_count > 0 && firewall_forwarding_on(&firewall, &machine) < 0)
		log_warning("machine '%s' does not reach other networks by '%s': %s, going on "
			    "without",
			    a->change.machine->name, a->name, fail_recorded()->text);
	return r;
}

/* ---- each kind ---- */

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
				  .master = bridge->index,
				  .up = LINK_ON };
	struct link_want there = { .name = a->name, .mac = a->mac, .netns_fd = a->change.netns_fd };
	const struct link_want up = { .up = LINK_ON };
	int here_index, there_index, r;

	r = link_make_veth(&a->change.host, &here_index, &there_index, &here, &there);
	if (r < 0)
		return fail_link(a, &a->change.host, r);
	r = link_add_altname(&a->change.host, here_index, a->made->name);
	if (r >= 0)
		r = link_set(&a->change.guest, there_index, &up);
	if (r < 0) {
		/* By its index: without the alternative name nobody would find it. */
		(void)link_delete(&a->change.host, here_index);
		return fail_link(a, &a->change.guest, r);
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

static int connect_veth(struct attaching *a, const char *zone)
{
	struct link_facts bridge = { 0 };
	int r = 0;

	if (zone != NULL || a->attachment->kind == ATTACH_BRIDGE)
		r = find_bridge(a, &bridge, zone);
	if (r >= 0)
		r = note_made(a, FACTS_VETH, free_tag(a), zone);
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
	if (r >= 0 && a->part != NULL)
		r = set_addresses(a);
	return r < 0 ? r : filter(a);
}

static int attach_veth(struct attaching *a)
{
	const struct attachment *attachment = a->attachment;
	bool bridged = attachment->kind != ATTACH_VETH;
	autoclose int lock = -EBADF;
	const char *zone = NULL;
	int r = 0;

	a->host_name = attachment->of;
	if (bridged || !*attachment->of)
		r = derive(a, &a->host_name, &a->host_alternative,
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

static int attach_virtual(struct attaching *a)
{
	bool macvlan = a->attachment->kind == ATTACH_MACVLAN;
	struct link_want want = { .name = a->name,
				  .netns_fd = a->change.netns_fd,
				  .mac = macvlan ? a->mac : NULL,
				  .up = LINK_ON };
	struct link_facts parent, link;
	int r = find_host(a, &parent);

	if (r >= 0)
		r = note_made(a, macvlan ? FACTS_MACVLAN : FACTS_IPVLAN, parent.name, NULL);
	if (r < 0)
		return r;
	r = macvlan ? link_make_macvlan(&a->change.host, NULL, parent.index, &want)
		    : link_make_ipvlan(&a->change.host, NULL, parent.index, &want);
	if (r < 0)
		return fail_link(a, &a->change.host, r);
	r = link_find(&a->change.guest, &link, a->name);
	if (r < 0)
		return fail_link(a, &a->change.guest, r);
	if (a->alternative != NULL)
		(void)link_add_altname(&a->change.guest, link.index, a->alternative);
	a->made->inside = (uint32_t)link.index;
	a->made->outside = (uint32_t)parent.index;
	r = facts_add_interface(a->change.arena, &a->change.facts, a->made->outside);
	return r < 0 ? fail_plain(r, "cannot keep so many interfaces") : 0;
}

/* The other end of a machine's link, and the loopback interface, are where they belong. */
static int check_movable(const struct link_facts *link)
{
	bool ours = false;

	for (size_t i = 0; i < link->altname_count; i++)
		ours = ours || text_after(link->altnames[i], "redd-") != NULL;
	if (ours)
		return fail_input("cannot move the interface '%s': it leads to a machine",
				  link->name);
	return 0;
}

static int attach_interface(struct attaching *a)
{
	struct network_change *change = &a->change;
	struct link_want want = { .name = a->name, .netns_fd = change->netns_fd, .up = LINK_ON };
	struct link_facts link;
	int r = find_host(a, &link);

	if (r >= 0)
		r = check_movable(&link);
	if (r >= 0)
		r = note_made(a, FACTS_INTERFACE, link.name, NULL);
	if (r < 0)
		return r;
	r = pin_make(change->machine->runtime, change->facts.tag, change->netns_fd);
	if (r < 0)
		return fail(r, "cannot hold the network namespace of machine '%s'",
			    change->machine->name);
	r = link_set(&change->host, link.index, &want);
	if (r == -EINVAL)
		return fail_plain(r, "cannot move the interface '%s': it can only be where it is",
				  link.name);
	if (r < 0)
		return fail_link(a, &change->host, r);
	r = link_find(&change->guest, &link, a->name);
	if (r < 0)
		return fail_link(a, &change->guest, r);
	a->made->inside = (uint32_t)link.index;
	return 0;
}

/* ---- all together ---- */

/* A machine that may not reach everything has another way now. */
static void warn_unrestricted(const struct attaching *a)
{
	if (a->change.facts.egress != NULL && (a->part == NULL || a->part->egress == NULL))
		log_warning("machine '%s' was started with --network-egress=, which does not hold "
			    "for '%s'",
			    a->change.machine->name, a->name);
}

static int attach(struct attaching *a)
{
	int r = choose_name(a);

	if (r < 0)
		return r;
	derive_macs(a);
	switch (a->attachment->kind) {
	case ATTACH_INTERFACE: r = attach_interface(a); break;
	case ATTACH_MACVLAN:
	case ATTACH_IPVLAN: r = attach_virtual(a); break;
	default: r = attach_veth(a); break;
	}
	if (r >= 0)
		r = network_change_save(&a->change);
	if (r >= 0)
		warn_unrestricted(a);
	return r;
}

/* Halfway is not left behind; the reason is what is told. */
static void take_back(struct attaching *a)
{
	struct failure failure = *fail_recorded();
	struct facts_made none = { .kind = FACTS_IPVLAN };

	if (a->made == NULL && a->part != NULL) {
		/* A part without a link: its addresses. */
		a->made = facts_add_made(a->change.arena, &a->change.facts);
		if (a->made != NULL)
			*a->made = none;
	}
	if (a->made != NULL)
		(void)network_detach_made(&a->change, a->made, a->part);
	fail_adopt(&failure);
}

int network_attach(struct arena *arena, char **ret_name, const struct machine *machine,
		   const struct attachment *attachment)
{
	struct attaching a = { .attachment = attachment };
	int r = network_change_open(arena, &a.change, machine);

	if (r < 0)
		return r;
	network_host_id(a.host_id);
	r = attach(&a);
	if (r < 0)
		take_back(&a);
	else
		*ret_name = arena_text(arena, a.name);
	network_change_done(&a.change);
	return r;
}
