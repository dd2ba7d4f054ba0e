#include "machine/network-ports.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "format/port.h"
#include "machine/find.h"
#include "machine/network-change.h"
#include "net/facts.h"
#include "net/firewall.h"

static int check(const struct network_change *change)
{
	if (facts_has_rules(&change->facts) && change->facts.address_count > 0)
		return 0;
	return fail_plain(-EOPNOTSUPP,
			  "cannot forward ports to machine '%s': it has no address that is known "
			  "here (start it with --network-veth, --network-zone= or "
			  "--network-address=)",
			  change->machine->name);
}

static bool is_same(const struct port *a, const struct port *b)
{
	return a->protocol == b->protocol && a->host == b->host && a->container == b->container &&
	       a->count == b->count && ip_equal(&a->address, &b->address);
}

/* The part of the packet filter, and PORT as its only one. */
static int describe(const struct network_change *change, struct firewall_machine *ret,
		    const struct port *port)
{
	struct facts facts = change->facts;
	struct port copy = *port;
	int r;

	facts.ports = &copy;
	facts.port_count = 1;
	r = facts_machine(change->arena, ret, &facts);
	return r < 0 ? fail_input("cannot use '%s' as what the machine may reach", facts.egress)
		     : 0;
}

static int put(const struct network_change *change, struct firewall *firewall,
	       const struct port *port, bool add)
{
	struct firewall_machine machine;
	char text[PORT_TEXT_ROOM];
	int r = describe(change, &machine, port);

	if (r >= 0)
		r = add ? firewall_add_port(firewall, &machine, machine.ports)
			: firewall_remove_port(firewall, &machine, machine.ports);
	return r < 0 ? fail_in(r, "cannot %s '%s' of machine '%s'",
			       add ? "forward the port" : "take away the port",
			       port_text(text, port), change->machine->name)
		     : 0;
}

static int refuse_double(const struct network_change *change, const struct port *port)
{
	char text[PORT_TEXT_ROOM], other[PORT_TEXT_ROOM];

	for (size_t i = 0; i < change->facts.port_count; i++)
		if (port_overlaps(&change->facts.ports[i], port))
			return fail_plain(
				-EEXIST,
				"cannot forward the port '%s' to machine '%s': '%s' leads "
				"there already",
				port_text(text, port), change->machine->name,
				port_text(other, &change->facts.ports[i]));
	return 0;
}

static int note_all(struct network_change *change, const struct port *ports, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		r = refuse_double(change, &ports[i]);
		if (r < 0)
			return r;
		r = facts_add_port(change->arena, &change->facts, &ports[i]);
		if (r < 0)
			return fail_plain(r, "cannot forward more than %d ports to machine '%s'",
					  FACTS_PORTS_MAX, change->machine->name);
	}
	return network_change_save(change);
}

/* Noted first, so that they are ended with the machine. */
static int add(struct network_change *change, const struct port *ports, size_t count)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	size_t before = change->facts.port_count, done = 0;
	struct failure failure;
	int r = note_all(change, ports, count);

	if (r >= 0)
		r = firewall_open(&firewall);
	for (; done < count && r >= 0; done += r >= 0)
		r = put(change, &firewall, &ports[done], true);
	if (r >= 0)
		return 0;
	failure = *fail_recorded();
	while (done-- > 0)
		(void)put(change, &firewall, &ports[done], false);
	change->facts.port_count = before;
	if (change->changed)
		(void)network_change_save(change);
	fail_adopt(&failure);
	return r;
}

int network_ports_add(struct arena *arena, const struct machine *machine, const struct port *ports,
		      size_t count)
{
	struct network_change change = NETWORK_CHANGE_EMPTY;
	int r = network_change_open(arena, &change, machine);

	if (r >= 0)
		r = check(&change);
	if (r >= 0)
		r = add(&change, ports, count);
	network_change_done(&change);
	return r;
}

/* Its place in the list; -ENOENT, and nothing recorded. */
static int place_of(const struct network_change *change, const struct port *port)
{
	for (size_t i = 0; i < change->facts.port_count; i++)
		if (is_same(&change->facts.ports[i], port))
			return (int)i;
	return -ENOENT;
}

static int find(const struct network_change *change, const struct port *port)
{
	char text[PORT_TEXT_ROOM];
	int at = place_of(change, port);

	if (at >= 0)
		return at;
	return fail_plain(-ENOENT,
			  "cannot take away the port '%s' of machine '%s': it does not lead there "
			  "(try 'machinectl port list %s')",
			  port_text(text, port), change->machine->name, change->machine->name);
}

static int remove_one(struct network_change *change, struct firewall *firewall,
		      const struct port *port)
{
	struct facts *facts = &change->facts;
	int at = find(change, port), r = at;

	if (r >= 0)
		r = put(change, firewall, port, false);
	if (r < 0)
		return r;
	facts->port_count--;
	memmove(&facts->ports[at], &facts->ports[at + 1],
		(facts->port_count - (size_t)at) * sizeof(*facts->ports));
	return network_change_save(change);
}

int network_ports_remove(struct arena *arena, const struct machine *machine,
			 const struct port *ports, size_t count)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	struct network_change change = NETWORK_CHANGE_EMPTY;
	int r = network_change_open(arena, &change, machine);

	for (size_t i = 0; i < count && r >= 0; i++)
		r = find(&change, &ports[i]);
	if (r >= 0)
		r = firewall_open(&firewall);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = remove_one(&change, &firewall, &ports[i]);
	network_change_done(&change);
	return MIN(r, 0);
}

/* ---- done again after an interruption ---- */

/* Noted, but maybe nothing more: what is there already is put there again, which does no harm. */
static int add_again(struct network_change *change, const struct port *ports, size_t count)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	struct port *rest = arena_take_array(change->arena, count, sizeof(*rest));
	size_t left = 0;
	int r = firewall_open(&firewall);

	for (size_t i = 0; i < count && r >= 0; i++)
		if (place_of(change, &ports[i]) < 0)
			rest[left++] = ports[i];
		else
			r = put(change, &firewall, &ports[i], true);
	if (r >= 0 && left > 0)
		return add(change, rest, left);
	return r < 0 ? r : network_change_save(change); /* so that the supervisor hears of it */
}

int network_ports_ensure(struct arena *arena, const struct machine *machine,
			 const struct port *ports, size_t count)
{
	struct network_change change = NETWORK_CHANGE_EMPTY;
	int r = network_change_open(arena, &change, machine);

	if (r >= 0)
		r = check(&change);
	if (r >= 0)
		r = add_again(&change, ports, count);
	network_change_done(&change);
	return r;
}

int network_ports_forget(struct arena *arena, const struct machine *machine,
			 const struct port *ports, size_t count)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	struct network_change change = NETWORK_CHANGE_EMPTY;
	int r = network_change_open(arena, &change, machine);

	if (r >= 0)
		r = firewall_open(&firewall);
	for (size_t i = 0; i < count && r >= 0; i++)
		if (place_of(&change, &ports[i]) >= 0)
			r = remove_one(&change, &firewall, &ports[i]);
	if (r >= 0)
		r = network_change_save(&change);
	network_change_done(&change);
	return r;
}
