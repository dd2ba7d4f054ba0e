#include "engine/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/network-rules.h"
#include "engine/network-uplink.h"
#include "engine/network-user.h"
#include "format/link-names.h"
#include "io/fd.h"
#include "kernel/later.h"
#include "kernel/link.h"
#include "kernel/link-port.h"
#include "kernel/namespace.h"
#include "kernel/netlink.h"
#include "kernel/network.h"
#include "kernel/process.h"
#include "kernel/route.h"
#include "machine/network-file.h"
#include "machine/network-undo.h"
#include "net/links.h"
#include "net/pin.h"
#include "net/zone.h"
#include "plan/plan.h"

#define REQUEST_ROOM 4096

/* What one round of making needs. */
struct making {
	struct container *container;
	struct network *network;
	struct netlink host, guest;
	int netns_fd, zone_lock;
	/* by the order of STEP_LINK: indexes of both ends */
	struct made {
		const struct link_plan *link;
		int here, there;
	} made[FACTS_LIST_MAX];
	size_t count;
};

/* ---- links ---- */

static int fail_link(struct making *m, const struct link_plan *link, int r, int socket_reason)
{
	const char *reason = socket_reason == 0 ? m->host.reason : m->guest.reason;

	if (r == -EEXIST)
		return fail_plain(r,
				  "cannot make the interface '%s' for '%s': one of these names is "
				  "there already",
				  link->kind == LINK_VETH ? link->host : link->name, link->name);
	if (r == -EOPNOTSUPP)
		return fail_plain(r,
				  "cannot make the interface '%s': this kernel has none of its "
				  "kind",
				  link->name);
	fail(r, "cannot make the interface '%s'", link->name);
	if (*reason)
		fail_hint("%s", reason);
	return r;
}

static int add_interface(struct making *m, int index)
{
	return facts_add_interface(&m->network->own, &m->network->facts, (uint32_t)index);
}

static int find_master(struct making *m, const struct link_plan *link, struct link_facts *ret)
{
	struct link_facts facts;
	int r;

	ret->index = 0;
	if (link->master == NULL)
		return 0;
	r = link_find(&m->host, &facts, link->master);
	if (r < 0)
		return fail(r, "cannot use the bridge '%s' (is there one of this name?)",
			    link->master);
	if (!text_equal(facts.kind, "bridge"))
		return fail_input("cannot use '%s' as a bridge: it is none", link->master);
	*ret = facts;
	return 0;
}

/* A guest may start again as often as it likes, and a record has a limit: what a further start
 * makes in its turn has the same name. */
static int note_once(struct making *m, enum record_kind kind, const char *value)
{
	struct container *container = m->container;
	int r;

	if (text_list_has(&container->network_notes, value))
		return 0;
	r = record_note(&container->resources.record, kind, value);
	if (r >= 0)
		text_list_add(container->arena, &container->network_notes,
			      arena_text(container->arena, value));
	return r;
}

static int fail_too_many(void)
{
	return fail_plain(-E2BIG, "cannot make more than %d interfaces", FACTS_LIST_MAX);
}

static int add_made(struct making *m, struct facts_made **ret, enum facts_kind kind,
		    const char *name)
{
	struct arena *arena = &m->network->own;

	*ret = facts_add_made(arena, &m->network->facts);
	if (*ret == NULL)
		return fail_too_many();
	(*ret)->kind = kind;
	(*ret)->name = arena_text(arena, name);
	return 0;
}

/* Noted first. The tag is an alternative name: what carries it is ours, whatever it is called. */
static int note_link(struct making *m, struct facts_made **ret)
{
	struct facts *facts = &m->network->facts;
	char tag[RECORD_TAG_ROOM + 16];
	int r;

	snprintf(tag, sizeof(tag), LINKS_TAG_FORM, m->container->resources.record.tag,
		 facts->made_count);
	r = note_once(m, RECORD_LINK, tag);
	return r < 0 ? r : add_made(m, ret, FACTS_VETH, tag);
}

/* The one that addresses and rules are about; --network-veth-extra= are the user's own matter. */
static bool link_is_first(const struct making *m, const struct link_plan *link)
{
	const struct spec *spec = m->container->spec;

	return m->count == 0 && link->kind == LINK_VETH &&
	       (spec->network_veth == TRISTATE_YES || spec->network_bridge != NULL ||
		spec->network_zone != NULL);
}

/* The machine is no router for the host (class S54). A port of a bridge hears nothing itself. */
static void set_up_host_end(const struct link_plan *link)
{
	if (link->master != NULL)
		return;
	links_ignore_routers(link->host);
	if (link->up)
		(void)network_trust_addresses(link->host);
}

static int make_veth(struct making *m, const struct link_plan *link, struct made *made)
{
	struct link_want here = { .name = link->host,
				  .mac = link->host_mac,
				  .altname = link->host_alternative };
	struct link_want there = { .name = link->name, .mac = link->mac, .netns_fd = m->netns_fd };
	const struct link_want up = { .up = LINK_ON };
	struct facts_made *noted;
	struct link_facts master;
	int r;

	r = find_master(m, link, &master);
	here.master = master.index;
	if (r >= 0)
		r = note_link(m, &noted);
	if (r < 0)
		return r;
	if (link->master != NULL && text_equal(link->master, m->network->facts.zone))
		noted->zone = m->network->facts.zone;
	r = link_make_veth(&m->host, &made->here, &made->there, &here, &there);
	if (r < 0)
		return fail_link(m, link, r, 0);
	set_up_host_end(link);
	/* The kernel cannot bring this end up before it knows the other. */
	r = link->up_inside ? link_set(&m->guest, made->there, &up) : 0;
	if (r < 0)
		return fail_link(m, link, r, 1);
	/* Of an end that is up alone the kernel sees that it has no carrier, and whoever asks about
	 * it next waits until no processor sends through it. */
	r = link->up ? link_set(&m->host, made->here, &up) : 0;
	if (r < 0)
		return fail_link(m, link, r, 0);
	/* Where the filter sees what a bridge passes on (br_netfilter), a machine's call of its own
	 * published port is turned round there. */
	if (noted->zone != NULL)
		(void)link_port_set(&m->host, made->here,
				    &(struct link_port){ .hairpin = LINK_ON });
	/* Without it (Linux before 5.5) a killed supervisor's link goes with the namespace. */
	(void)link_add_altname(&m->host, made->here, noted->name);
	noted->outside = (uint32_t)made->here;
	noted->inside = (uint32_t)made->there;
	if (m->network->facts.link == 0 && link_is_first(m, link)) {
		m->network->facts.link = (uint32_t)made->here;
		m->network->facts.bridge = (uint32_t)here.master;
		memcpy(m->network->facts.mac, link->mac, sizeof(m->network->facts.mac));
		memcpy(m->network->facts.gateway_mac,
		       here.master != 0 ? master.mac : link->host_mac,
		       sizeof(m->network->facts.gateway_mac));
	}
	return add_interface(m, here.master != 0 ? here.master : made->here);
}

static int find_host(struct making *m, const char *name, struct link_facts *ret)
{
	int r = link_find(&m->host, ret, name);

	return r < 0 ? fail(r, "cannot find the interface '%s' of the host", name) : 0;
}

static int make_virtual(struct making *m, const struct link_plan *link, struct made *made)
{
	struct link_want want = { .name = link->name,
				  .netns_fd = m->netns_fd,
				  .mac = link->has_mac ? link->mac : NULL,
				  .up = link->up_inside ? LINK_ON : LINK_KEEP };
	struct link_facts facts, parent;
	struct facts_made *noted;
	int r;

	r = find_host(m, link->host, &parent);
	if (r >= 0)
		r = add_made(m, &noted, link->kind == LINK_MACVLAN ? FACTS_MACVLAN : FACTS_IPVLAN,
			     parent.name);
	if (r < 0)
		return r;
	r = link->kind == LINK_MACVLAN ? link_make_macvlan(&m->host, NULL, parent.index, &want)
				       : link_make_ipvlan(&m->host, NULL, parent.index, &want);
	if (r < 0)
		return fail_link(m, link, r, 0);
	r = link_find(&m->guest, &facts, link->name);
	if (r < 0)
		return fail_link(m, link, r, 1);
	made->there = facts.index;
	noted->outside = (uint32_t)parent.index;
	noted->inside = (uint32_t)facts.index;
	if (link->alternative != NULL)
		(void)link_add_altname(&m->guest, facts.index, link->alternative);
	return add_interface(m, parent.index);
}

/* It comes home under the name that the kernel knows it by, whatever it was asked for as; and has
 * it inside too, unless it is given another one. */
static int move_interface(struct making *m, const struct link_plan *link, struct made *made)
{
	struct link_want want = { .name = text_equal(link->name, link->host) ? NULL : link->name,
				  .netns_fd = m->netns_fd,
				  .mac = link->has_mac ? link->mac : NULL,
				  .up = link->up_inside ? LINK_ON : LINK_KEEP };
	char identity[LINKS_IDENTITY_ROOM];
	struct facts_made *noted;
	struct link_facts facts;
	int r;

	r = find_host(m, link->host, &facts);
	if (r >= 0)
		r = note_once(m, RECORD_INTERFACE, facts.name);
	if (r >= 0)
		r = add_made(m, &noted, FACTS_INTERFACE, facts.name);
	if (r < 0)
		return r;
	r = link_set(&m->host, facts.index, &want);
	if (r == -EINVAL)
		return fail_plain(r, "cannot move the interface '%s': it can only be where it is",
				  link->host);
	if (r < 0)
		return fail_link(m, link, r, 0);
	r = link_find(&m->guest, &facts, link->name);
	if (r < 0)
		return fail_link(m, link, r, 1);
	made->there = facts.index;
	noted->inside = (uint32_t)facts.index;
	(void)links_identity(identity, &facts);
	noted->identity = arena_text(m->container->arena, identity);
	return 0;
}

/* What routers advertise there is for clients inside: the kernel would take lifetimes from them for
 * the addresses that we set, and the pasta of 2023 says it only once.
 *
 * Nobody else lives there who could have it, so the link-local address is valid at once. Until it
 * is, the kernel sends some packets from "::", which the same takes for the container's address. */
static void prepare_ipv6(struct making *m, const struct link_plan *link, int index)
{
	struct route_address address = {
		.link = index,
		.local = { .family = AF_INET6, .length = 64, .bytes = { 0xfe, 0x80 } },
		.scope = RT_SCOPE_LINK,
		.flags = IFA_F_NODAD,
	};

	if (link->guest[1].ip.family == 0)
		return;
	(void)network_prepare_in(m->netns_fd, link->name);
	link_names_eui64(address.local.bytes + 8, link->mac);
	(void)route_add_address(&m->guest, &address);
}

static int make_user(struct making *m, const struct link_plan *link, struct made *made)
{
	const struct link_want want = { .mtu = USERSPACE_MTU };
	struct link_facts facts;
	int r;

	r = network_user_make(m->network, link);
	if (r < 0)
		return r;
	r = link_find(&m->guest, &facts, link->name);
	if (r < 0)
		return fail_link(m, link, r, 1);
	if (link->up_inside)
		prepare_ipv6(m, link, facts.index);
	r = link_set(&m->guest, facts.index, &want);
	if (r < 0)
		return fail_link(m, link, r, 1);
	made->there = facts.index;
	return 0;
}

static int make_link(struct making *m, const struct step *step)
{
	struct made *made = &m->made[m->count];
	int r;

	if (m->count == FACTS_LIST_MAX)
		return fail_too_many();
	*made = (struct made){ .link = step->link };
	if (step->link->kind == LINK_VETH)
		r = make_veth(m, step->link, made);
	else if (step->link->kind == LINK_INTERFACE)
		r = move_interface(m, step->link, made);
	else if (step->link->kind == LINK_USER)
		r = make_user(m, step->link, made);
	else
		r = make_virtual(m, step->link, made);
	m->count += r >= 0;
	return r;
}

static int make_zone(struct making *m, const struct step *step)
{
	int r = note_once(m, RECORD_ZONE, step->target);

	if (r < 0)
		return r;
	m->zone_lock = zone_make(&m->host, step->target, m->container->host.machine_id);
	if (m->zone_lock < 0)
		return m->zone_lock;
	m->network->facts.zone = arena_text(&m->network->own, step->target);
	return 0;
}

static int make_links(struct making *m)
{
	const struct plan *plan = &m->container->plan;
	int r = 0;

	for (size_t i = 0; i < plan->count && r >= 0; i++) {
		if (plan->steps[i].kind == STEP_ZONE)
			r = make_zone(m, &plan->steps[i]);
		else if (plan->steps[i].kind == STEP_LINK &&
			 plan->steps[i].link->kind != LINK_UPLINK)
			r = make_link(m, &plan->steps[i]);
	}
	/* Not empty any more. */
	fd_close(&m->zone_lock);
	return r;
}

/* ---- addresses ---- */

static struct route_prefix prefix_of(const struct ip *ip, unsigned int length)
{
	struct route_prefix prefix = { .family = ip->family, .length = length };

	memcpy(prefix.bytes, ip->bytes, sizeof(prefix.bytes));
	return prefix;
}

/* The interface of a step: a bridge, or an end of a link that was just made. */
static int interface_of(struct making *m, const struct step *step, int *ret)
{
	struct link_facts facts;
	int r;

	for (size_t i = 0; i < m->count; i++) {
		const struct link_plan *link = m->made[i].link;
		bool inside = step->number == LINK_OF_CONTAINER;

		if (text_equal(inside ? link->name : link->host, step->target)) {
			*ret = inside ? m->made[i].there : m->made[i].here;
			return 0;
		}
	}
	r = link_find(&m->host, &facts, step->target);
	if (r < 0)
		return fail(r, "cannot find the interface '%s'", step->target);
	*ret = facts.index;
	return 0;
}

static int put_address(struct making *m, struct netlink_request *request, const struct step *step)
{
	struct route_address address = {
		.local = prefix_of(&step->address.ip, step->address.length),
		/* Nobody else has it: it can be used at once. */
		.flags = step->address.ip.family == AF_INET6 ? IFA_F_NODAD : 0,
	};
	int r = interface_of(m, step, &address.link);

	if (r >= 0)
		route_put_address(request, &address, NLM_F_ACK);
	return r;
}

static int put_route(struct making *m, struct netlink_request *request, const struct step *step)
{
	struct route route = {
		.to = prefix_of(&step->route.to.ip, step->route.to.length),
		.gateway = prefix_of(&step->route.via, (unsigned)ip_length(step->route.via.family)),
	};
	int r = interface_of(m, step, &route.link);

	if (r >= 0)
		route_put(request, &route, NLM_F_ACK);
	return r;
}

static int family_of(const struct step *step)
{
	return step->kind == STEP_ADDRESS ? step->address.ip.family : step->route.to.ip.family;
}

/* Without IPv6 on the host or in the kernel, what comes from the pool is of IPv4 alone. */
static bool may_lack(struct making *m, int family, int r)
{
	return family == AF_INET6 && m->container->spec->addressing.mode != ADDRESSES_GIVEN &&
	       (r == -EACCES || r == -EPERM || r == -EOPNOTSUPP || r == -EAFNOSUPPORT);
}

static int send_one(struct making *m, enum link_end end, const struct step *step)
{
	struct netlink *netlink = end == LINK_OF_HOST ? &m->host : &m->guest;
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	int r;

	r = step->kind == STEP_ADDRESS ? put_address(m, &request, step)
				       : put_route(m, &request, step);
	if (r < 0)
		return r;
	r = netlink_call(netlink, &request, NULL, NULL);
	/* Another machine of the zone has set it. */
	if (r == -EEXIST && end == LINK_OF_HOST)
		return 0;
	if (r < 0 && may_lack(m, family_of(step), r)) {
		log_debug("cannot set '%s' of '%s': %s, going on without", step->data, step->target,
			  strerror(-r));
		return 0;
	}
	if (r < 0) {
		fail(r, "cannot set '%s' of the interface '%s'", step->data, step->target);
		if (*netlink->reason)
			fail_hint("%s", netlink->reason);
	}
	return r < 0 ? r : 0;
}

/* Not before it has its addresses: the other end answers so fast that the kernel would have made
 * them itself, for a time. */
static int bring_up(struct making *m)
{
	const struct link_want want = { .up = LINK_ON };

	for (size_t i = 0; i < m->count; i++) {
		const struct link_plan *link = m->made[i].link;
		int r;

		if (link->kind != LINK_USER || !link->up_inside)
			continue;
		r = link_set(&m->guest, m->made[i].there, &want);
		if (r < 0)
			return fail_link(m, link, r, 1);
	}
	return 0;
}

static int set_all(struct making *m, enum step_kind kind)
{
	const struct plan *plan = &m->container->plan;

	for (size_t i = 0; i < plan->count; i++) {
		const struct step *step = &plan->steps[i];
		int r;

		if (step->kind != kind)
			continue;
		r = send_one(m, step->number, step);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- all together ---- */

static int open_sockets(struct making *m)
{
	autoclose int process = namespace_open_process(m->container->spawn.pid);
	int r;

	m->netns_fd = process < 0 ? process : namespace_open(process, "net");
	r = m->netns_fd;
	if (r >= 0)
		r = namespace_number_of(&m->network->facts.inside, m->netns_fd);
	if (r < 0)
		return fail(r, "cannot open the container's network namespace");
	r = netlink_open(&m->host, NETLINK_ROUTE);
	if (r >= 0)
		r = netlink_open_in(&m->guest, NETLINK_ROUTE, m->netns_fd);
	return r < 0 ? fail(r, "cannot ask the kernel for interfaces") : 0;
}

int network_make(struct container *container)
{
	struct making m = {
		.container = container,
		.host = NETLINK_EMPTY,
		.guest = NETLINK_EMPTY,
		.netns_fd = -EBADF,
		.zone_lock = -EBADF,
	};
	siginfo_t info;
	int r, outcome;

	if (container->leaving_fd >= 0)
		(void)process_wait(container->leaving_fd, &info, 0);
	fd_close(&container->leaving_fd);
	if (!plan_has(&container->plan, STEP_LINK, STEP_LINK))
		return 0;
	r = channel_await(&container->channel);
	if (r < 0)
		return r;
	container->network = m.network = network_new(container);
	r = network_uplink_make(m.network);
	if (r >= 0)
		r = open_sockets(&m);
	/* The payload may have ended since, and knows better why. */
	outcome = r < 0 ? channel_outcome(&container->channel) : 0;
	if (outcome < 0)
		r = outcome;
	if (r >= 0)
		r = make_links(&m);
	if (r >= 0)
		r = set_all(&m, STEP_ADDRESS);
	if (r >= 0)
		r = bring_up(&m);
	if (r >= 0)
		r = set_all(&m, STEP_ROUTE);
	if (r >= 0)
		r = network_rules(m.network);
	if (r >= 0)
		r = network_uplink_route(m.network);
	/* A namespace that somebody holds outlives its last process: until all is home again. And
	 * while the kernel takes one apart, who asks for interfaces waits. */
	m.network->netns_fd = take_fd(&m.netns_fd);
	netlink_close(&m.host);
	netlink_close(&m.guest);
	if (r >= 0)
		network_watch_follow(m.network);
	return r;
}

/* ---- while it runs, and its end ---- */

bool network_lends(const struct network *network)
{
	for (size_t i = 0; network != NULL && i < network->facts.made_count; i++)
		if (network->facts.made[i].kind == FACTS_INTERFACE)
			return true;
	return false;
}

void network_settle(struct container *container)
{
	struct network *network = container->network;
	const struct record *record = &container->resources.record;
	int r = 0;

	if (network == NULL)
		return;
	if (network_lends(network))
		r = pin_make(record->runtime, record->tag, network->netns_fd);
	if (r < 0)
		log_warning("cannot hold the network namespace of machine '%s': %s, going on "
			    "without (should its supervisor be killed, interfaces may be lost)",
			    container->spec->machine, strerror(-r));
	network_rules_look(network);
}

/* The records' directory. In the private mount namespace the container's tree covers it. */
static int open_directory(const struct container *container)
{
	const struct resources *resources = &container->resources;

	if (resources->record.fd < 0 || resources->host_mounts_fd >= 0)
		return -ENOENT;
	return record_open_runtime(resources->record.runtime, "machines");
}

/* What is noted counts, not what we made: others may have changed it since. */
static int read_facts(struct container *container, struct facts *ret, int dir_fd)
{
	const struct record *record = &container->resources.record;
	int r = dir_fd;

	if (r >= 0)
		r = network_file_read_of(&container->scratch, ret, dir_fd, container->spec->machine,
					 record->tag);
	if (r >= 0 || container->network == NULL)
		return r;
	*ret = container->network->facts;
	return 0;
}

static void undo_links(struct container *container, const struct facts *facts, struct later *later)
{
	const struct network *network = container->network;
	const struct network_undo undo = {
		.runtime = container->resources.record.runtime,
		.machine = container->spec->machine,
		.tag = container->resources.record.tag,
		.netns_fd = network == NULL ? -EBADF : network->netns_fd,
		.later = later,
	};

	network_undo_links(&undo, facts);
}

void network_end(struct container *container)
{
	const struct record *record = &container->resources.record;
	autoclose int directory = -EBADF;
	struct later later = { 0 };
	struct arena own = { 0 };
	struct facts facts;
	int locked = -EBADF;

	/* Nobody can have added anything. Of a restored spec that is not known. */
	if (container->network == NULL && !container->restored &&
	    !spec_has_private_network(container->spec))
		return;
	if (network_uplink_is(container->network))
		network_uplink_keep(container->network);
	else if (container->network != NULL)
		userspace_end(&container->network->userspace, &container->leaving_fd);
	directory = open_directory(container);
	if (record->fd >= 0)
		locked = network_file_lock(record->fd);
	if (locked == -EBUSY)
		log_warning("somebody changes the network of machine '%s' for too long, going on "
			    "without waiting",
			    container->spec->machine);
	/* Links first: while somebody may send, there are rules. */
	if (read_facts(container, &facts, directory) >= 0) {
		/* That was done, and the kernel's part of it is not waited for. */
		if (container->network != NULL)
			facts.helper = 0;
		undo_links(container, &facts, &later);
		network_uplink_forget(&facts);
		network_rules_end(container, &facts, &later);
		later_go(&later);
		if (directory >= 0)
			network_file_remove(directory, container->spec->machine);
	}
	if (locked >= 0)
		network_file_unlock(record->fd);
	if (container->network != NULL) {
		fd_close(&container->network->netns_fd);
		fd_close(&container->network->forwarding_fd);
		arena_done(&container->network->renewed);
		arena_done(&container->network->serving);
		network_watch_done(&container->network->watch);
		own = container->network->own;
		arena_done(&own);
	}
	container->network = NULL;
}

size_t network_interfaces(const struct network *network, uint32_t *ret)
{
	return network == NULL ? 0 : facts_interfaces(&network->facts, ret);
}

int network_fd(const struct network *network)
{
	return network == NULL ? -EBADF : network->netns_fd;
}

/* Behind the answers. */
enum { SERVED_FORWARDING = ANSWERS_FDS, SERVED_WATCH, SERVED_USER };

int network_served_fd(const struct network *network, size_t which)
{
	if (network == NULL)
		return -EBADF;
	switch (which) {
	case SERVED_FORWARDING: return network->forwarding_fd;
	case SERVED_WATCH: return network_watch_fd(network);
	case SERVED_USER: return network->userspace.pidfd;
	default: return answers_fd(network->answers, which);
	}
}

void network_serve(struct network *network, size_t which)
{
	switch (which) {
	case SERVED_FORWARDING: network_rules_forward(network); break;
	case SERVED_WATCH: network_watch_serve(network); break;
	case SERVED_USER: network_user_ended(network); break;
	default: answers_serve(network->answers, which);
	}
}
