#include "machine/network-attach.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "format/attachment.h"
#include "kernel/link.h"
#include "machine/find.h"
#include "machine/network-attaching.h"
#include "machine/network-detach.h"
#include "machine/network-host.h"
#include "net/links.h"
#include "net/pin.h"

#define LINK_NAMES_TRIED 100

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
int attaching_derive(struct attaching *a, const char **ret, const char **ret_alternative,
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
		r = attaching_derive(a, &a->name, &a->alternative, LINK_NAMES_MACVLAN,
				     attachment->of);
	else if (attachment->kind == ATTACH_IPVLAN)
		r = attaching_derive(a, &a->name, &a->alternative, LINK_NAMES_IPVLAN,
				     attachment->of);
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

int attaching_note(struct attaching *a, enum facts_kind kind, const char *name, const char *zone)
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

int attaching_fail(struct attaching *a, const struct netlink *netlink, int r)
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

/* ---- each kind ---- */

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
		r = attaching_note(a, macvlan ? FACTS_MACVLAN : FACTS_IPVLAN, parent.name, NULL);
	if (r < 0)
		return r;
	r = macvlan ? link_make_macvlan(&a->change.host, NULL, parent.index, &want)
		    : link_make_ipvlan(&a->change.host, NULL, parent.index, &want);
	if (r < 0)
		return attaching_fail(a, &a->change.host, r);
	r = link_find(&a->change.guest, &link, a->name);
	if (r < 0)
		return attaching_fail(a, &a->change.guest, r);
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
	char identity[LINKS_IDENTITY_ROOM];
	struct link_facts link;
	int r = find_host(a, &link);

	if (r >= 0)
		r = check_movable(&link);
	if (r >= 0)
		r = attaching_note(a, FACTS_INTERFACE, link.name, NULL);
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
		return attaching_fail(a, &change->host, r);
	r = link_find(&change->guest, &link, a->name);
	if (r < 0)
		return attaching_fail(a, &change->guest, r);
	a->made->inside = (uint32_t)link.index;
	(void)links_identity(identity, &link);
	a->made->identity = arena_text(change->arena, identity);
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
	default: r = attaching_veth(a); break;
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
