#include "plan/network.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/link-names.h"
#include "plan/network-user.h"
#include "plan/step.h"

/* What the first link is given. */
struct given {
	const struct link_plan *link;
	const char *host_name; /* of the interface that has the host's addresses */
	const struct ip_prefix *guest, *host;
	size_t guests, hosts;
};

enum address_mode network_address_mode(const struct spec *spec, bool networkd)
{
	bool ours = (spec->network_veth == TRISTATE_YES && !spec->network_bridge) ||
		    spec->network_zone;

	if (spec->addressing.mode != ADDRESSES_UNSET)
		return spec->addressing.mode;
	return ours && !networkd ? ADDRESSES_AUTO : ADDRESSES_OFF;
}

static bool has_veth(const struct spec *spec)
{
	return spec->network_veth == TRISTATE_YES || spec->network_bridge || spec->network_zone;
}

/* ---- links ---- */

static struct link_plan *add_link(struct planner *p, enum link_kind kind, const char *host,
				  const char *name)
{
	struct link_plan *link = arena_new(p->arena, struct link_plan);
	struct step *step;

	link->kind = kind;
	link->host = host;
	link->name = name;
	step = step_add(p, STEP_LINK, name);
	step->source = host;
	step->link = link;
	return link;
}

/* NULL: no interface can be called after it. */
static const char *derive_name(struct planner *p, enum link_names_kind kind, const char *of,
			       const char **ret_alternative)
{
	struct link_name *link = arena_new(p->arena, struct link_name);

	if (link_names_make(link, kind, of) < 0)
		return NULL;
	*ret_alternative = *link->alternative ? link->alternative : NULL;
	return link->name;
}

static void derive_macs(struct planner *p, struct link_plan *link, enum link_names_mac_kind host,
			enum link_names_mac_kind guest, uint64_t index)
{
	link_names_mac(link->host_mac, host, p->host->machine_id, p->spec->machine, index);
	link_names_mac(link->mac, guest, p->host->machine_id, p->spec->machine, index);
	link->has_mac = true;
}

static const char *guest_name(const struct spec *spec)
{
	const char *name = spec->addressing.interface_name;

	return name ? name : LINK_NAMES_GUEST;
}

static void note_master(struct planner *p, const struct link_plan *link)
{
	p->plan->steps[p->plan->count - 1].data =
		link->master ? arena_format(p->arena, "veth in %s", link->master) : "veth";
}

static void add_veth(struct planner *p)
{
	const struct spec *spec = p->spec;
	struct link_plan *link;
	const char *alternative, *host;

	if (!has_veth(spec))
		return;
	if (network_user_is_direct(spec, p->host)) {
		p->reason = step_said(p, GROUP_NETWORK, "--network-veth");
		network_user_link(p, guest_name(spec));
		return;
	}
	if (network_user_is(p->host)) {
		p->reason = spec->network_zone ? step_said(p, GROUP_NETWORK, "--network-zone=")
					       : step_said(p, GROUP_POLICY, "--network-egress=");
		network_user_uplink(p);
	}
	host = derive_name(p,
			   spec->network_bridge || spec->network_zone ? LINK_NAMES_BRIDGED
								      : LINK_NAMES_VETH,
			   spec->machine, &alternative);
	if (spec->network_zone) {
		p->reason = step_said(p, GROUP_NETWORK, "--network-zone=");
		step_add(p, STEP_ZONE, arena_format(p->arena, "vz-%s", spec->network_zone));
	} else {
		p->reason = step_said(p, GROUP_NETWORK,
				      spec->network_bridge ? "--network-bridge="
							   : "--network-veth");
	}
	link = add_link(p, LINK_VETH, host, guest_name(spec));
	link->host_alternative = alternative;
	link->master = spec->network_zone ? arena_format(p->arena, "vz-%s", spec->network_zone)
					  : spec->network_bridge;
	link->up = link->master != NULL ||
		   network_address_mode(spec, p->host->networkd) != ADDRESSES_OFF;
	derive_macs(p, link, LINK_NAMES_MAC_HOST, LINK_NAMES_MAC_GUEST, 0);
	note_master(p, link);
}

static const char *bridge_of(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->extra_links.count; i++)
		if (text_equal(spec->extra_links.items[i].name, name))
			return spec->extra_links.items[i].bridge;
	return NULL;
}

static void add_extras(struct planner *p)
{
	const struct interface_list *list = &p->spec->veth_extras;

	p->reason = step_said(p, GROUP_NETWORK, "--network-veth-extra=");
	for (size_t i = 0; i < list->count; i++) {
		const struct interface_pair *pair = &list->items[i];
		struct link_plan *link = add_link(p, LINK_VETH, pair->host,
						  pair->container ? pair->container : pair->host);

		derive_macs(p, link, LINK_NAMES_MAC_EXTRA_HOST, LINK_NAMES_MAC_EXTRA_GUEST, i);
		link->master = bridge_of(p->spec, link->name);
		note_master(p, link);
	}
}

static void add_virtual(struct planner *p, enum link_kind kind, const struct interface_list *list,
			const char *option)
{
	enum link_names_kind derived = kind == LINK_MACVLAN ? LINK_NAMES_MACVLAN
							    : LINK_NAMES_IPVLAN;

	p->reason = step_said(p, GROUP_NETWORK, option);
	for (size_t i = 0; i < list->count; i++) {
		const struct interface_pair *pair = &list->items[i];
		const char *alternative = NULL, *name = pair->container;
		struct link_plan *link;

		if (!name)
			name = kind == LINK_INTERFACE
				       ? pair->host
				       : derive_name(p, derived, pair->host, &alternative);
		link = add_link(p, kind, pair->host, name);
		link->alternative = alternative;
		if (kind == LINK_MACVLAN) {
			link_names_mac(link->mac, LINK_NAMES_MAC_MACVLAN, p->host->machine_id,
				       p->spec->machine, i);
			link->has_mac = true;
		}
		p->plan->steps[p->plan->count - 1].data = kind == LINK_MACVLAN	? "macvlan"
							  : kind == LINK_IPVLAN ? "ipvlan"
										: "moved";
	}
}

static int refuse_unnamed(const struct planner *p, size_t first)
{
	for (size_t i = first; i < p->plan->count; i++) {
		const struct link_plan *link = p->plan->steps[i].link;

		if (link && !link->name)
			return fail_input("cannot call an interface of the container after '%s' "
					  "(name it, as HOST:CONTAINER)",
					  link->host);
	}
	return 0;
}

/* The kernel would say so too, but only after the first of them was made. */
static int refuse_twins(const struct planner *p, size_t first)
{
	for (size_t i = first; i < p->plan->count; i++)
		for (size_t j = first; j < i; j++) {
			const struct link_plan *a = p->plan->steps[i].link;
			const struct link_plan *b = p->plan->steps[j].link;

			if (!a || !b || a->kind == LINK_UPLINK || b->kind == LINK_UPLINK ||
			    !text_equal(a->name, b->name))
				continue;
			return fail_input("cannot call two interfaces of the container '%s' (name "
					  "one of them otherwise, as HOST:CONTAINER)",
					  a->name);
		}
	return 0;
}

/* ---- further links ---- */

void network_further_mac(uint8_t ret[LINK_NAMES_MAC_SIZE], const struct spec *spec,
			 const uint8_t *host_id, const struct extra_link *link)
{
	const struct interface_list *list = &spec->veth_extras;
	size_t i = 0;

	while (i < list->count && !text_equal(list->items[i].container ? list->items[i].container
								       : list->items[i].host,
					      link->name))
		i++;
	link_names_mac(ret, LINK_NAMES_MAC_EXTRA_GUEST, host_id, spec->machine, i);
	if (link->addressing.mac_set)
		memcpy(ret, link->addressing.mac, LINK_NAMES_MAC_SIZE);
}

static struct link_plan *further_link(const struct planner *p, size_t first, const char *name)
{
	for (size_t i = first; i < p->plan->count; i++) {
		const struct link_plan *link = p->plan->steps[i].link;

		if (link && link->kind == LINK_VETH && text_equal(link->name, name))
			return (struct link_plan *)link;
	}
	return NULL;
}

/* The one that [X-Network] is about. */
static struct link_plan *first_link(const struct planner *p, size_t first)
{
	const struct spec *spec = p->spec;
	bool extras = !has_veth(spec) && spec->veth_extras.count > 0;

	for (size_t i = first; i < p->plan->count; i++) {
		const struct link_plan *link = p->plan->steps[i].link;

		if (link && link->kind != LINK_UPLINK && !(extras && link->kind == LINK_VETH))
			return (struct link_plan *)link;
	}
	return NULL;
}

/* ---- addresses ---- */

static void add_address(struct planner *p, enum link_end end, const char *interface,
			const struct ip_prefix *address)
{
	struct step *step = step_add(p, STEP_ADDRESS, interface);
	char *text = arena_take(p->arena, IP_TEXT_ROOM);

	step->data = ip_text_prefix(text, address);
	step->address = *address;
	step->number = end;
}

static void add_route(struct planner *p, enum link_end end, const char *interface,
		      const struct network_route *route)
{
	struct step *step = step_add(p, STEP_ROUTE, interface);
	char to[IP_TEXT_ROOM], via[IP_TEXT_ROOM];
	bool has_gateway = route->via.family != 0;

	step->data = arena_format(p->arena, "%s%s%s",
				  route->to.length == 0 ? "default"
							: ip_text_prefix(to, &route->to),
				  has_gateway ? " via " : "",
				  has_gateway ? ip_text(via, &route->via) : "");
	step->route = *route;
	step->number = end;
}

static bool reaches(const struct ip_prefix *addresses, size_t count, const struct ip *ip)
{
	for (size_t i = 0; i < count; i++)
		if (ip_is_in(ip, &addresses[i]))
			return true;
	return false;
}

/* Where the default route of a kind leads: as asked for, or to the host's end. */
static struct ip gateway_of(const struct planner *p, const struct given *given, int family)
{
	const struct addressing *addressing = &p->spec->addressing;
	struct ip none = { 0 };

	if (addressing->no_gateway)
		return none;
	if (addressing->gateway[family == AF_INET6].family != 0)
		return addressing->gateway[family == AF_INET6];
	for (size_t i = 0; i < given->hosts; i++)
		if (given->host[i].ip.family == family)
			return given->host[i].ip;
	return none;
}

/* A gateway that no address of the container reaches is on the link all the same. */
static void add_default(struct planner *p, const struct given *given, int family)
{
	struct ip gateway = gateway_of(p, given, family);
	struct network_route route = { 0 };
	bool any = false;

	for (size_t i = 0; i < given->guests; i++)
		any |= given->guest[i].ip.family == family;
	if (gateway.family == 0 || !any)
		return;
	if (!reaches(given->guest, given->guests, &gateway)) {
		route.to.ip = gateway;
		route.to.length = (uint8_t)ip_length(family);
		add_route(p, LINK_OF_CONTAINER, given->link->name, &route);
	}
	route = (struct network_route){ .to.ip.family = family, .via = gateway };
	add_route(p, LINK_OF_CONTAINER, given->link->name, &route);
}

static void add_given(struct planner *p, const struct given *given)
{
	/* Only looked at, so nothing was taken. */
	if (given->guests == 0)
		step_add(p, STEP_ADDRESS, given->link->name)->data = "from the pool";
	for (size_t i = 0; i < given->hosts && given->host_name; i++)
		add_address(p, LINK_OF_HOST, given->host_name, &given->host[i]);
	for (size_t i = 0; i < given->guests; i++)
		add_address(p, LINK_OF_CONTAINER, given->link->name, &given->guest[i]);
	for (size_t i = 0; i < given->guests && given->host_name; i++) {
		struct network_route route = { .to = given->guest[i] };

		route.to.length = (uint8_t)ip_length(route.to.ip.family);
		if (!reaches(given->host, given->hosts, &route.to.ip))
			add_route(p, LINK_OF_HOST, given->host_name, &route);
	}
	add_default(p, given, AF_INET);
	add_default(p, given, AF_INET6);
	for (size_t i = 0; i < p->spec->addressing.routes.count; i++)
		add_route(p, LINK_OF_CONTAINER, given->link->name,
			  &p->spec->addressing.routes.items[i]);
}

/* Both ends as [X-Network:LINK] says; the other one is the host's, so it has no default route. That
 * of a bridge has no addresses: they are where the container's route to them leads. */
static void add_further(struct planner *p, const struct extra_link *extra, struct link_plan *link,
			const struct pooled_link *pooled)
{
	const struct addressing *addressing = &extra->addressing;
	const struct prefix_list taken[] = {
		{ (struct ip_prefix *)pooled->guest, pooled->count },
		{ (struct ip_prefix *)pooled->host, pooled->count },
	};
	bool automatic = addressing->mode == ADDRESSES_AUTO;
	const struct prefix_list *guest = automatic ? &taken[0] : &addressing->addresses;
	const struct prefix_list *host = automatic && addressing->host_addresses.count == 0
						 ? &taken[1]
						 : &addressing->host_addresses;
	bool ours = link->master == NULL;

	p->reason = extra->reason;
	link->up = link->up_inside = true;
	if (addressing->mac_set)
		memcpy(link->mac, addressing->mac, sizeof(link->mac));
	/* Only looked at, so nothing was taken. */
	if (automatic && guest->count == 0)
		step_add(p, STEP_ADDRESS, link->name)->data = "from the pool";
	for (size_t i = 0; i < host->count && ours; i++)
		add_address(p, LINK_OF_HOST, link->host, &host->items[i]);
	for (size_t i = 0; i < guest->count; i++)
		add_address(p, LINK_OF_CONTAINER, link->name, &guest->items[i]);
	for (size_t i = 0; i < guest->count && ours; i++) {
		struct network_route route = { .to = guest->items[i] };

		route.to.length = (uint8_t)ip_length(route.to.ip.family);
		if (!reaches(host->items, host->count, &route.to.ip))
			add_route(p, LINK_OF_HOST, link->host, &route);
	}
	for (size_t i = 0; i < host->count; i++) {
		struct network_route route = { .to = host->items[i] };

		route.to.length = (uint8_t)ip_length(route.to.ip.family);
		if (!reaches(guest->items, guest->count, &route.to.ip))
			add_route(p, LINK_OF_CONTAINER, link->name, &route);
	}
	for (size_t i = 0; i < addressing->routes.count; i++)
		add_route(p, LINK_OF_CONTAINER, link->name, &addressing->routes.items[i]);
}

static void add_all_further(struct planner *p, size_t first)
{
	const struct extra_link_list *list = &p->spec->extra_links;
	const struct pooled *pooled = &p->taken->pooled;
	size_t taken = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct link_plan *link = further_link(p, first, list->items[i].name);
		struct pooled_link none = { .count = 0 };
		const struct pooled_link *from = &none;

		if (list->items[i].addressing.mode == ADDRESSES_AUTO &&
		    taken < pooled->further_count)
			from = &pooled->further[taken++];
		if (link)
			add_further(p, &list->items[i], link, from);
	}
}

static bool collect(struct planner *p, struct given *ret, const struct link_plan *link)
{
	const struct addressing *addressing = &p->spec->addressing;
	const struct pooled *pooled = &p->taken->pooled;
	enum address_mode mode = network_address_mode(p->spec, p->host->networkd);
	struct given given = { .link = link };

	if (!link || mode == ADDRESSES_OFF)
		return false;
	if (link->kind == LINK_VETH && !p->spec->network_bridge)
		given.host_name = link->master ? link->master : link->host;
	given.guest = addressing->addresses.items;
	given.guests = addressing->addresses.count;
	given.host = addressing->host_addresses.items;
	given.hosts = addressing->host_addresses.count;
	if (mode == ADDRESSES_AUTO) {
		given.guest = pooled->guest;
		given.guests = pooled->count;
		if (given.hosts == 0) {
			given.host = pooled->host;
			given.hosts = pooled->count;
		}
	}
	*ret = given;
	return true;
}

/* ---- what the host does for it ---- */

struct ip network_name_server(const struct planner *p, bool ipv6)
{
	const struct addressing *addressing = &p->spec->addressing;
	const struct pooled *pooled = &p->taken->pooled;
	int family = ipv6 ? AF_INET6 : AF_INET;
	const struct ip none = { 0 };

	if (addressing->dns == DNS_GIVEN)
		return addressing->dns_server.family == family ? addressing->dns_server : none;
	if (addressing->dns != DNS_AUTO || !has_veth(p->spec) || p->spec->network_bridge)
		return none;
	switch (network_address_mode(p->spec, p->host->networkd)) {
	case ADDRESSES_AUTO:
		if (addressing->host_addresses.count > 0)
			break;
		for (size_t i = 0; i < pooled->count; i++)
			if (pooled->host[i].ip.family == family)
				return pooled->host[i].ip;
		return none;
	case ADDRESSES_GIVEN: break;
	default: return none;
	}
	for (size_t i = 0; i < addressing->host_addresses.count; i++)
		if (addressing->host_addresses.items[i].ip.family == family)
			return addressing->host_addresses.items[i].ip;
	/* The program answers there as well as anywhere. */
	return network_user_is_direct(p->spec, p->host) ? addressing->gateway[ipv6] : none;
}

/* What may be reached is told by who sends, so all of the container's addresses must be known; and
 * names are allowed by our own name server, which has an address of the host's end. */
static int check_egress(const struct planner *p, const struct given *given)
{
	bool automatic = network_address_mode(p->spec, p->host->networkd) == ADDRESSES_AUTO;

	if (!p->spec->addressing.egress_set ||
	    (given->host_name && (automatic || given->hosts > 0)))
		return 0;
	return fail_input("cannot use '--network-egress=' unless the addresses of both ends of the "
			  "link are ours (try --network-address=auto, or --network-host-address=)");
}

static void add_dns(struct planner *p)
{
	struct ip server = network_name_server(p, false);
	char *text = arena_take(p->arena, IP_TEXT_ROOM);

	if (server.family == 0)
		server = network_name_server(p, true);
	if (server.family == 0 || p->spec->addressing.dns != DNS_AUTO)
		return;
	p->reason = step_said(p, GROUP_POLICY, "--network-dns=");
	step_add(p, STEP_ANSWER, ip_text(text, &server))->data = "DNS";
}

static void add_services(struct planner *p, const struct given *given)
{
	const struct addressing *addressing = &p->spec->addressing;
	bool automatic = network_address_mode(p->spec, p->host->networkd) == ADDRESSES_AUTO;

	if (given->link->kind == LINK_USER)
		add_dns(p);
	if (!given->host_name)
		return;
	if (automatic || given->hosts > 0) {
		p->reason = "clients inside";
		step_add(p, STEP_ANSWER, given->link->host)->data = "DHCP, router advertisements";
	}
	add_dns(p);
	/* What the program in the middle gets must have its interface's address. */
	if (addressing->nat == TRISTATE_YES ||
	    (addressing->nat == TRISTATE_UNSET && (automatic || network_user_is(p->host)))) {
		p->reason = step_said(p, GROUP_POLICY, "--network-nat=");
		step_add(p, STEP_MASQUERADE, NULL)->data = given->link->host;
	}
	if (addressing->egress_set) {
		const char *all = "";

		for (size_t i = 0; i < addressing->egress.count; i++)
			all = arena_format(p->arena, "%s%s%s", all, i ? " " : "",
					   addressing->egress.items[i]);
		p->reason = step_said(p, GROUP_POLICY, "--network-egress=");
		step_add(p, STEP_EGRESS, NULL)->data = *all ? all : "nothing";
	}
}

static void add_ports(struct planner *p)
{
	p->reason = step_said(p, GROUP_EXPOSE_PORTS, "--port=");
	for (size_t i = 0; i < p->spec->ports.count; i++) {
		struct step *step = step_add(p, STEP_PORT, NULL);

		step->data = port_text(arena_take(p->arena, PORT_TEXT_ROOM),
				       &p->spec->ports.items[i]);
		step->number = i;
	}
}

static void tell_user(struct planner *p, struct link_plan *link, const struct given *given)
{
	const struct pooled *pooled = &p->taken->pooled;
	const struct given offered = {
		.link = link,
		.guest = pooled->guest,
		.guests = pooled->count,
		.host = pooled->host,
		.hosts = pooled->count,
	};
	struct ip gateway[2];

	if (!given->link)
		given = &offered;
	gateway[0] = gateway_of(p, given, AF_INET);
	gateway[1] = gateway_of(p, given, AF_INET6);
	network_user_tell(p, link, given->guest, given->guests, gateway);
}

int network_links(struct planner *p)
{
	const struct spec *spec = p->spec;
	const size_t first = p->plan->count;
	struct link_plan *primary;
	struct given given = { 0 };
	int r;

	if (!p->own_network)
		return 0;
	if (network_user_is(p->host)) {
		r = network_user_check(p);
		if (r < 0)
			return r;
	}
	add_veth(p);
	add_virtual(p, LINK_INTERFACE, &spec->interfaces, "--network-interface=");
	add_extras(p);
	add_virtual(p, LINK_MACVLAN, &spec->macvlans, "--network-macvlan=");
	add_virtual(p, LINK_IPVLAN, &spec->ipvlans, "--network-ipvlan=");
	r = refuse_unnamed(p, first);
	if (r == 0)
		r = refuse_twins(p, first);
	if (r < 0)
		return r;
	primary = first_link(p, first);
	if (primary && spec->addressing.mac_set) {
		memcpy(primary->mac, spec->addressing.mac, sizeof(primary->mac));
		primary->has_mac = true;
	}
	/* Who says so much about it wants a client inside to find it up, as in NixOS containers. */
	if (primary)
		primary->up_inside = spec->addressing.mac_set || spec->addressing.interface_name;
	p->reason = step_said(p, GROUP_ADDRESSES, "--network-address=");
	if (collect(p, &given, primary)) {
		primary->up_inside = true;
		add_given(p, &given);
		add_services(p, &given);
	}
	if (primary && primary->kind == LINK_USER)
		tell_user(p, primary, &given);
	add_all_further(p, first);
	add_ports(p);
	return check_egress(p, &given);
}
