#include "machine/network-detach.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/link.h"
#include "machine/find.h"
#include "machine/network-change.h"
#include "net/firewall.h"
#include "net/links.h"
#include "net/pin.h"
#include "net/pool.h"
#include "net/zone.h"

/* ---- what belongs to a part ---- */

static int remove_rules(const struct network_change *change, const struct facts *part)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	struct firewall_machine machine;
	int r;

	if (!facts_has_rules(part))
		return 0;
	r = facts_machine(change->arena, &machine, part);
	if (r < 0)
		return fail_in(r, "cannot use '%s' as what the machine may reach", part->egress);
	r = firewall_open(&firewall);
	if (r >= 0)
		r = firewall_remove(&firewall, &machine, false);
	if (r >= 0)
		r = firewall_drop_if_empty(&firewall);
	return MIN(r, 0);
}

static void release(const struct network_change *change, const struct facts *part)
{
	for (size_t i = 0; i < part->leases.count; i++) {
		int r = pool_release(part->leases.items[i], change->facts.tag);

		if (r < 0)
			log_warning("cannot give '%s' back: %s, going on without",
				    part->leases.items[i], strerror(-r));
	}
}

/* The first one stays, as it is the whole machine's as well. */
static void forget(struct network_change *change, struct facts *part)
{
	struct facts *facts = &change->facts;

	if (part != facts) {
		facts_remove_part(facts, part);
		return;
	}
	facts->zone = NULL;
	facts->link = facts->bridge = 0;
	facts->fixed = facts->nat = facts->chosen = false;
	facts->address_count = facts->gateway_count = facts->pool_count = 0;
	facts->port_count = 0;
	facts->leases.count = 0;
	memset(facts->mac, 0, sizeof(facts->mac));
	memset(facts->gateway_mac, 0, sizeof(facts->gateway_mac));
}

/* ---- links ---- */

static int fail_link(const struct network_change *change, int r)
{
	return r < 0 ? fail(r, "cannot take the interface away from machine '%s'",
			    change->machine->name)
		     : 0;
}

static int remove_veth(struct network_change *change, const struct facts_made *made)
{
	struct link_facts link;
	int r = link_find(&change->host, &link, made->name);

	if (r >= 0)
		r = link_delete(&change->host, link.index);
	if (made->zone != NULL)
		zone_leave(&change->host, made->zone);
	return fail_link(change, r == -ENODEV ? 0 : r);
}

static int remove_virtual(struct network_change *change, const struct facts_made *made)
{
	int r = made->inside == 0 ? 0 : link_delete(&change->guest, (int)made->inside);

	return fail_link(change, r == -ENODEV ? 0 : r);
}

static bool holds_another(const struct facts *facts, const struct facts_made *made)
{
	for (size_t i = 0; i < facts->made_count; i++)
		if (facts->made[i].kind == FACTS_INTERFACE && &facts->made[i] != made)
			return true;
	return false;
}

/* While the machine runs it can have put something of its own in the place of what was lent, which
 * it would still have the other end of. Once it has ended, that is gone. */
static int check_identity(struct network_change *change, const struct facts_made *made)
{
	char identity[LINKS_IDENTITY_ROOM];
	struct link_facts link;
	int r = link_read(&change->guest, &link, (int)made->inside);

	if (r >= 0 && links_identity(identity, &link) && text_equal(identity, made->identity))
		return 0;
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return fail(r, "cannot look at the interface '%s'", made->name);
	return fail_plain(-EPERM,
			  "cannot bring the interface '%s' back from machine '%s' while it runs: "
			  "the machine may have made what is there now (it comes home at its end)",
			  made->name, change->machine->name);
}

static int bring_home(struct network_change *change, const struct facts_made *made)
{
	int r = 0;

	if (made->inside != 0) {
		r = check_identity(change, made);
		if (r < 0)
			return r;
		r = links_bring_home(made, change->netns_fd);
	}
	if (r < 0)
		return fail(r, "cannot bring the interface '%s' back from machine '%s'", made->name,
			    change->machine->name);
	if (!holds_another(&change->facts, made))
		(void)pin_remove(change->machine->runtime, change->facts.tag);
	return 0;
}

static int remove_link(struct network_change *change, const struct facts_made *made)
{
	if (made->kind == FACTS_VETH)
		return remove_veth(change, made);
	return made->kind == FACTS_INTERFACE ? bring_home(change, made)
					     : remove_virtual(change, made);
}

/* ---- all of it ---- */

int network_detach_made(struct network_change *change, struct facts_made *made, struct facts *part)
{
	uint32_t leads = part != NULL && part->bridge != 0 ? part->bridge : made->outside;
	int r = remove_link(change, made);

	/* While the machine may send by it, there are rules. */
	if (r >= 0 && part != NULL)
		r = remove_rules(change, part);
	/* What is still there stays noted, to be ended with the machine. */
	if (r < 0)
		return r;
	if (made->inside != 0)
		facts_remove_interface(&change->facts, leads);
	facts_remove_made(&change->facts, made);
	if (part != NULL) {
		release(change, part);
		forget(change, part);
	}
	return network_change_save(change);
}

static int detach(struct network_change *change, const char *name)
{
	const char *machine = change->machine->name;
	struct facts_made *made = NULL;
	struct link_facts link;
	struct facts *part;
	int r;

	r = link_find(&change->guest, &link, name);
	if (r >= 0)
		made = facts_find_made(&change->facts, (uint32_t)link.index);
	if (r < 0 && r != -ENODEV && r != -EINVAL)
		return fail(r, "cannot look for the interface '%s' in machine '%s'", name, machine);
	if (made == NULL)
		return fail_plain(-ENOENT,
				  "cannot detach '%s' from machine '%s': nobody has attached an "
				  "interface of this name (try 'machinectl network list %s')",
				  name, machine, machine);
	part = made->kind == FACTS_VETH ? facts_find_part(&change->facts, made->outside) : NULL;
	if (part == &change->facts && !made->attached)
		return fail_plain(-EPERM,
				  "cannot detach '%s' from machine '%s': it was started with it, "
				  "and addresses, ports and names depend on it",
				  name, machine);
	return network_detach_made(change, made, part);
}

int network_detach(struct arena *arena, const struct machine *machine, const char *name)
{
	struct network_change change = NETWORK_CHANGE_EMPTY;
	int r = network_change_open(arena, &change, machine);

	if (r >= 0)
		r = detach(&change, name);
	network_change_done(&change);
	return r;
}
