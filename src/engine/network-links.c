#include "engine/network-links.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/network-rules.h"
#include "engine/network-user.h"
#include "engine/network.h"
#include "format/link-names.h"
#include "io/fd.h"
#include "kernel/link.h"
#include "kernel/link-port.h"
#include "kernel/network.h"
#include "kernel/route.h"
#include "net/links.h"
#include "net/zone.h"
#include "plan/plan.h"

static int fail_link(struct network_making *m, const struct link_plan *link, int r,
		     int socket_reason)
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

static int add_interface(struct network_making *m, int index)
{
	return facts_add_interface(&m->network->own, &m->network->facts, (uint32_t)index);
}

static int find_master(struct network_making *m, const struct link_plan *link,
		       struct link_facts *ret)
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
static int note_once(struct network_making *m, enum record_kind kind, const char *value)
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

static int add_made(struct network_making *m, struct facts_made **ret, enum facts_kind kind,
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
static int note_link(struct network_making *m, struct facts_made **ret)
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
static bool link_is_first(const struct network_making *m, const struct link_plan *link)
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

static int make_veth(struct network_making *m, const struct link_plan *link,
		     struct network_made *made)
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

static int find_host(struct network_making *m, const char *name, struct link_facts *ret)
{
	int r = link_find(&m->host, ret, name);

	return r < 0 ? fail(r, "cannot find the interface '%s' of the host", name) : 0;
}

/* What is in the machine now, under its name there. */
static int find_inside(struct network_making *m, const struct link_plan *link,
		       struct link_facts *ret, struct network_made *made, struct facts_made *noted)
{
	int r = link_find(&m->guest, ret, link->name);

	if (r < 0)
		return fail_link(m, link, r, 1);
	made->there = ret->index;
	noted->inside = (uint32_t)ret->index;
	return 0;
}

static int make_virtual(struct network_making *m, const struct link_plan *link,
			struct network_made *made)
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
	r = find_inside(m, link, &facts, made, noted);
	if (r < 0)
		return r;
	noted->outside = (uint32_t)parent.index;
	if (link->alternative != NULL)
		(void)link_add_altname(&m->guest, facts.index, link->alternative);
	return add_interface(m, parent.index);
}

/* It comes home under the name that the kernel knows it by, whatever it was asked for as; and has
 * it inside too, unless it is given another one. */
static int move_interface(struct network_making *m, const struct link_plan *link,
			  struct network_made *made)
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
	r = find_inside(m, link, &facts, made, noted);
	if (r < 0)
		return r;
	(void)links_identity(identity, &facts);
	noted->identity = arena_text(m->container->arena, identity);
	return 0;
}

/* What routers advertise there is for clients inside: the kernel would take lifetimes from them for
 * the addresses that we set, and the pasta of 2023 says it only once.
 *
 * Nobody else lives there who could have it, so the link-local address is valid at once. Until it
 * is, the kernel sends some packets from "::", which the same takes for the container's address. */
static void prepare_ipv6(struct network_making *m, const struct link_plan *link, int index)
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

static int make_user(struct network_making *m, const struct link_plan *link,
		     struct network_made *made)
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

static int make_link(struct network_making *m, const struct step *step)
{
	struct network_made *made = &m->made[m->count];
	int r;

	if (m->count == FACTS_LIST_MAX)
		return fail_too_many();
	*made = (struct network_made){ .link = step->link };
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

static int make_zone(struct network_making *m, const struct step *step)
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

int network_links_make(struct network_making *m)
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

int network_links_up(struct network_making *m)
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
