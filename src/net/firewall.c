#include "net/firewall.h"

#include <endian.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/nftables.h"
#include "net/firewall-build.h"
#include "net/firewall-check.h"
#include "net/firewall-flows.h"
#include "net/firewall-routing.h"

#define TRIES 4
#define ALLOW_ROOM 4096	  /* all of firewall_allow() */
#define FORGET_MAX 4096	  /* that are looked for at one go: all of all machines are looked at */
#define FORGET_AT_ONCE 64 /* of those in one request */
#define FORGET_ROOM 1024  /* one of them */
#define FORGET_TURNS 256
#define FORGET_MS 1000

int firewall_open(struct firewall *ret)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	int r;

	r = netlink_open(&firewall.filter, NETLINK_NETFILTER);
	if (r >= 0)
		r = netlink_open(&firewall.route, NETLINK_ROUTE);
	if (r < 0)
		return fail(r, "cannot reach the packet filter");
	*ret = firewall;
	firewall = (struct firewall)FIREWALL_EMPTY;
	return 0;
}

void firewall_close(struct firewall *firewall)
{
	netlink_close(&firewall->filter);
	netlink_close(&firewall->route);
}

bool firewall_is_missing(int r)
{
	return r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT || r == -EOPNOTSUPP;
}

/* An attempt at something with one machine. */
struct attempt {
	const struct firewall_machine *machine;
	struct netlink *netlink;
	struct firewall_build build;
	void *room;
	size_t size;
	enum firewall_set earlier; /* that is looked at for what leads elsewhere */
	bool made;		   /* the tables */
};

static struct attempt begin(struct firewall *firewall, const struct firewall_machine *machine,
			    struct arena *arena)
{
	size_t size = firewall_build_room(machine, 1);

	return (struct attempt){ .machine = machine,
				 .netlink = &firewall->filter,
				 .room = arena_take(arena, size),
				 .size = size };
}

static bool leads_elsewhere(int r)
{
	return r == -EEXIST || r == -EBUSY || r == -ENOTEMPTY;
}

/* ---- adding ---- */

static bool may_be_earlier(enum firewall_set set)
{
	return set == FIREWALL_DNS || set == FIREWALL_EGRESS || set == FIREWALL_UNNAMED ||
	       set == FIREWALL_PORTS;
}

/* What was there of the same machine but leads to an earlier self: another DNS port, say. Not all
 * of its sets: it may run, and without what says what it may reach it may reach everything. */
static void forget_earlier(const struct firewall_element *element, void *context)
{
	struct attempt *attempt = context;
	struct nftables *nftables = &attempt->build.nftables;

	if (element->set != attempt->earlier)
		return;
	firewall_build_begin(&attempt->build, FIREWALL_PUT, attempt->room, attempt->size, 0);
	firewall_build_use(nftables, element->set);
	nftables_delete_element(nftables, firewall_set_name(element->set, element->six),
				&element->element);
	(void)nftables_commit(nftables, attempt->netlink);
}

/* Which element was in the way: build once more, and look. */
static const struct firewall_element *culprit(struct attempt *attempt)
{
	struct firewall_build *build = &attempt->build;

	build->watched = attempt->netlink->failed;
	firewall_build_begin(build, FIREWALL_PUT, attempt->room, attempt->size, 0);
	firewall_build_machine(build, attempt->machine);
	build->watched = 0;
	return build->hit ? &build->hit_element : NULL;
}

/* The port of an element of a map of ports; 0: it is of another set. */
static uint16_t port_of(const struct firewall_element *element)
{
	uint16_t port;

	if (element->set < FIREWALL_PORT || element->set > FIREWALL_PORT_RANGE)
		return 0;
	/* The last four bytes of the key, of which two count. */
	memcpy(&port, element->element.key.bytes + element->element.key.size - 4, sizeof(port));
	return be16toh(port);
}

static int fail_port(uint16_t port)
{
	return fail_plain(-EADDRINUSE, "cannot publish port %u: another machine has it", port);
}

static int fail_stale(void)
{
	return fail_plain(-ESTALE, "the packet filter's table 'redd' is not as it should be");
}

static int fail_filter(const struct attempt *attempt, int r)
{
	if (attempt->netlink->reason[0])
		return fail(r, "cannot set up the packet filter (%s)", attempt->netlink->reason);
	return fail(r, "cannot set up the packet filter");
}

/* 1: the table of bridges is to be made. -ENOENT: it was lost, and with it what others have in it;
 * or it is there, and inet is not. */
static int look_for_bridges(struct attempt *attempt)
{
	struct nftables_table table;
	int r = nftables_read_table(attempt->netlink, &table, NFTABLES_BRIDGE, FIREWALL_TABLE);

	if (r == 0 && attempt->made)
		return -ENOENT;
	if (r != -ENOENT)
		return r;
	if (attempt->made)
		return 1;
	r = nftables_has_chain(attempt->netlink, NFTABLES_INET, FIREWALL_TABLE, FIREWALL_UNBRIDGED);
	return r == 0 ? -ENOENT : r;
}

/* The machine, and what it needs of the tables. A transaction that fails costs some milliseconds,
 * so ask first. */
static int put(struct attempt *attempt)
{
	struct firewall_build *build = &attempt->build;
	struct nftables_table table;
	int bridges = 0, r;

	r = nftables_read_table(attempt->netlink, &table, NFTABLES_INET, FIREWALL_TABLE);
	attempt->made = r == -ENOENT;
	if (r < 0 && !attempt->made)
		return r;
	if (r == 0 && strcmp(table.comment, FIREWALL_VERSION) != 0)
		return -ENOENT;
	if (attempt->machine->bridge > 0)
		bridges = look_for_bridges(attempt);
	if (bridges < 0)
		return bridges;
	firewall_build_begin(build, FIREWALL_PUT, attempt->room, attempt->size, 0);
	firewall_build_tables(build, attempt->made, bridges > 0);
	firewall_build_machine(build, attempt->machine);
	return nftables_commit(&build->nftables, attempt->netlink);
}

static int add(struct attempt *attempt)
{
	unsigned int cleared = 0;
	int r = -ENOENT;

	for (unsigned int i = 0; i < TRIES * 2; i++) {
		const struct firewall_element *element;

		r = put(attempt);
		/* Somebody was faster, or took the tables away since we looked. */
		if (r == -ENOENT || (r == -EEXIST && attempt->netlink->failed == 1))
			continue;
		element = leads_elsewhere(r) ? culprit(attempt) : NULL;
		if (element && port_of(element) > 0)
			return fail_port(port_of(element));
		if (!element || !may_be_earlier(element->set) || cleared & 1U << element->set)
			break;
		attempt->earlier = element->set;
		firewall_elements(attempt->machine, forget_earlier, attempt);
		cleared |= 1U << attempt->earlier;
	}
	if (r == -ENOENT)
		return fail_stale();
	return r < 0 ? fail_filter(attempt, r) : 0;
}

int firewall_add(struct firewall *firewall, const struct firewall_machine *machine)
{
	autoarena struct arena arena = {};
	struct attempt attempt;
	int r;

	r = firewall_check(machine);
	if (r < 0)
		return r;
	attempt = begin(firewall, machine, &arena);
	r = add(&attempt);
	firewall->made = firewall->made || (r >= 0 && attempt.made);
	return r < 0 ? r : firewall_routing_add(&firewall->route, machine);
}

/* ---- what DNS told is over ---- */

struct forgetting {
	const struct firewall_machine *machine;
	bool six;
	struct nftables_value *keys; /* FORGET_MAX */
	size_t count;
};

/* The first field is who it was learnt for. */
static int note_learnt(const struct nftables_value *key, void *context)
{
	struct forgetting *forgetting = context;
	const struct firewall_machine *machine = forgetting->machine;
	size_t size = forgetting->six ? 16 : 4;

	for (size_t i = 0; i < machine->address_count && forgetting->count < FORGET_MAX; i++) {
		const struct firewall_address *address = &machine->addresses[i];

		if ((address->family == AF_INET6) == forgetting->six && key->size >= size &&
		    memcmp(key->bytes, address->bytes, size) == 0)
			forgetting->keys[forgetting->count++] = *key;
	}
	return 0;
}

static int delete_learnt(struct firewall *firewall, enum firewall_set set, bool six,
			 const struct nftables_value *keys, size_t count)
{
	struct firewall_build build = {};
	autoarena struct arena arena = {};
	size_t size = firewall_build_room(NULL, 0) + FORGET_AT_ONCE * FORGET_ROOM;

	firewall_build_begin(&build, FIREWALL_TAKE_OUT, arena_take(&arena, size), size, 0);
	for (size_t i = 0; i < count; i++) {
		struct firewall_element element = { .set = set, .six = six };

		element.element.key = keys[i];
		/* It may be over by itself. */
		element.element.timeout_ms = FORGET_MS;
		firewall_build_element(&element, &build);
	}
	return nftables_commit(&build.nftables, &firewall->filter);
}

/* 1: there may be more. */
static int forget_some(struct firewall *firewall, struct forgetting *forgetting,
		       enum firewall_set set)
{
	int dumped, r = 0;

	forgetting->count = 0;
	dumped = nftables_list_keys(&firewall->filter, NFTABLES_INET, FIREWALL_TABLE,
				    firewall_set_name(set, forgetting->six), note_learnt,
				    forgetting);
	if (dumped < 0 && dumped != -EAGAIN)
		return dumped;
	for (size_t i = 0; i < forgetting->count && r >= 0; i += FORGET_AT_ONCE)
		r = delete_learnt(firewall, set, forgetting->six, &forgetting->keys[i],
				  MIN(forgetting->count - i, (size_t)FORGET_AT_ONCE));
	return r < 0 ? r : dumped == -EAGAIN || forgetting->count == FORGET_MAX;
}

static int forget_learnt(struct firewall *firewall, const struct firewall_machine *machine)
{
	static const enum firewall_set learnt[] = { FIREWALL_LEARNT, FIREWALL_MET };
	autoarena struct arena arena = {};
	struct forgetting forgetting = {
		.machine = machine,
		.keys = arena_take_array(&arena, FORGET_MAX, sizeof(*forgetting.keys)),
	};

	for (size_t i = 0; i < ARRAY_SIZE(learnt) * 2; i++) {
		int r = 1;

		forgetting.six = i % 2 != 0;
		for (unsigned int turn = 0; turn < FORGET_TURNS && r > 0; turn++)
			r = forget_some(firewall, &forgetting, learnt[i / 2]);
		if (r == -ENOENT) /* the tables are gone */
			continue;
		if (r != 0)
			return fail(r > 0 ? -EBUSY : r,
				    "cannot take back what names of the machine led to");
	}
	return 0;
}

/* ---- removing ---- */

/* One by one, where all at once is not possible because one leads elsewhere. */
static void take_out_one(const struct firewall_element *element, void *context)
{
	struct attempt *attempt = context;
	struct firewall_build *build = &attempt->build;

	firewall_build_begin(build, FIREWALL_TAKE_OUT, attempt->room, attempt->size, 0);
	firewall_build_element(element, build);
	(void)nftables_commit(&build->nftables, attempt->netlink);
}

static void take_out_chain(struct attempt *attempt)
{
	struct nftables *nftables = &attempt->build.nftables;
	char chain[FIREWALL_CHAIN_SIZE];

	firewall_sets_chain(chain, attempt->machine->link);
	firewall_build_begin(&attempt->build, FIREWALL_TAKE_OUT, attempt->room, attempt->size, 0);
	firewall_build_use(nftables, FIREWALL_EGRESS);
	nftables_delete_chain(nftables, chain);
	(void)nftables_commit(nftables, attempt->netlink);
}

static int take_out(struct attempt *attempt, bool with_zone)
{
	struct firewall_build *build = &attempt->build;
	int r;

	build->shared = with_zone;
	firewall_build_begin(build, FIREWALL_TAKE_OUT, attempt->room, attempt->size, 0);
	firewall_build_machine(build, attempt->machine);
	r = nftables_commit(&build->nftables, attempt->netlink);
	/* If a table is not there, the other one may be. */
	if (r == 0 || (r == -ENOENT && attempt->machine->bridge == 0))
		return 0;
	if (!leads_elsewhere(r) && r != -ENOENT)
		return fail_filter(attempt, r);
	firewall_elements(attempt->machine, take_out_one, attempt);
	if (firewall_elements_egress(attempt->machine))
		take_out_chain(attempt);
	return 0;
}

/* ---- link-local addresses on a bridge ---- */

struct sharing {
	struct netlink *route;
	const struct firewall_machine *machine;
	bool shared;
};

/* Who is restricted has a chain. */
static int look_for_sibling(const struct nftables_chain *chain, void *context)
{
	struct sharing *sharing = context;
	uint32_t port = firewall_sets_chain_port(chain->name);
	struct link_facts facts;

	if (strcmp(chain->table, FIREWALL_TABLE) != 0 || port == 0 ||
	    port == sharing->machine->link)
		return 0;
	sharing->shared = link_read(sharing->route, &facts, (int)port) >= 0 &&
			  facts.master == (int)sharing->machine->bridge;
	return sharing->shared;
}

static void take_out_unnamed(const struct firewall_element *element, void *context)
{
	if (element->set == FIREWALL_UNNAMED)
		firewall_build_element(element, context);
}

/* It is of all that are restricted on the bridge, who may come and go meanwhile; what cannot be
 * told leaves it closed. */
static void open_bridge(struct firewall *firewall, const struct firewall_machine *machine)
{
	struct firewall_build build = { .shared = true };
	unsigned char room[ALLOW_ROOM];
	uint32_t generation;
	int r = -ERESTART;

	for (int i = 0; i < TRIES && (r == -ERESTART || r == -EAGAIN); i++) {
		struct sharing sharing = { .route = &firewall->route, .machine = machine };

		r = nftables_generation(&firewall->filter, &generation);
		if (r >= 0)
			r = nftables_list_chains(&firewall->filter, look_for_sibling, &sharing);
		if (r < 0 || sharing.shared)
			continue;
		firewall_build_begin(&build, FIREWALL_TAKE_OUT, room, sizeof(room), generation);
		firewall_elements(machine, take_out_unnamed, &build);
		r = nftables_commit(&build.nftables, &firewall->filter);
	}
}

int firewall_remove(struct firewall *firewall, const struct firewall_machine *machine,
		    bool with_zone)
{
	autoarena struct arena arena = {};
	struct attempt attempt;
	int r;

	r = firewall_check(machine);
	if (r < 0)
		return r;
	/* Who has its addresses next has asked for other names. */
	if (firewall_elements_egress(machine) && forget_learnt(firewall, machine) < 0)
		fail_forget();
	attempt = begin(firewall, machine, &arena);
	r = take_out(&attempt, with_zone);
	if (r >= 0 && machine->restricted && machine->bridge > 0)
		open_bridge(firewall, machine);
	return r;
}

/* ---- one port ---- */

static int change_port(struct firewall *firewall, const struct firewall_machine *machine,
		       const struct firewall_port *port, enum firewall_deed deed)
{
	struct firewall_machine with = *machine;
	autoarena struct arena arena = {};
	struct attempt attempt;
	int r;

	with.ports = port;
	with.port_count = 1;
	r = firewall_check(&with);
	if (r < 0)
		return r;
	attempt = begin(firewall, &with, &arena);
	firewall_build_begin(&attempt.build, deed, attempt.room, attempt.size, 0);
	firewall_elements_port(&with, port, firewall_build_element, &attempt.build);
	if (attempt.build.count == 0) /* of loopback addresses */
		return 0;
	r = nftables_commit(&attempt.build.nftables, attempt.netlink);
	return r < 0 && r != -ENOENT && !leads_elsewhere(r) ? fail_filter(&attempt, r) : r;
}

int firewall_add_port(struct firewall *firewall, const struct firewall_machine *machine,
		      const struct firewall_port *port)
{
	int r = change_port(firewall, machine, port, FIREWALL_PUT);

	if (leads_elsewhere(r))
		return fail_port(port->first);
	if (r >= 0)
		firewall_flows_turn(&firewall->filter, machine, port, 1);
	return r == -ENOENT ? fail_stale() : r;
}

int firewall_remove_port(struct firewall *firewall, const struct firewall_machine *machine,
			 const struct firewall_port *port)
{
	int r = change_port(firewall, machine, port, FIREWALL_TAKE_OUT);

	if (r >= 0)
		firewall_flows_end(&firewall->filter, machine, port, 1);
	/* Not there, or another machine's by now. */
	return leads_elsewhere(r) || r == -ENOENT ? 0 : r;
}

/* ---- other addresses ---- */

/* A new chain has its rules before anything leads there. */
static int exchange(struct firewall *firewall, const struct firewall_machine *before,
		    const struct firewall_machine *after)
{
	const struct firewall_machine both[] = { *before, *after };
	size_t size = firewall_build_room(both, ARRAY_SIZE(both));
	struct firewall_build build = {};
	autoarena struct arena arena = {};
	void *room = arena_take(&arena, size);
	int r = 0;

	if (firewall_elements_egress(after) && !firewall_elements_egress(before)) {
		firewall_build_begin(&build, FIREWALL_PUT, room, size, 0);
		firewall_build_chain(&build, after);
		r = nftables_commit(&build.nftables, &firewall->filter);
	}
	if (r < 0)
		return r;
	firewall_build_begin(&build, FIREWALL_TAKE_OUT, room, size, 0);
	firewall_build_exchange(&build, before, after);
	return nftables_commit(&build.nftables, &firewall->filter);
}

static int add_ports(struct firewall *firewall, const struct firewall_machine *machine)
{
	int first = 0;

	for (size_t i = 0; i < machine->port_count; i++) {
		int r = firewall_add_port(firewall, machine, &machine->ports[i]);

		first = first == 0 ? MIN(r, 0) : first;
	}
	return first;
}

/* Where that is not possible because a port belongs to another machine. All else is there all the
 * time, as it is what the machine may reach. */
static int exchange_but_ports(struct firewall *firewall, const struct firewall_machine *before,
			      const struct firewall_machine *after)
{
	struct firewall_machine bare_before = *before, bare_after = *after;
	int r = 0;

	bare_before.port_count = bare_after.port_count = 0;
	for (size_t i = 0; i < before->port_count && r >= 0; i++)
		r = firewall_remove_port(firewall, before, &before->ports[i]);
	if (r >= 0)
		r = exchange(firewall, &bare_before, &bare_after);
	if (r >= 0)
		r = firewall_routing_add(&firewall->route, after);
	return r < 0 ? r : add_ports(firewall, after);
}

/* Where tables are gone. */
static int exchange_slowly(struct firewall *firewall, const struct firewall_machine *before,
			   const struct firewall_machine *after)
{
	struct firewall_machine bare = *after;
	int r = firewall_remove(firewall, before, false);

	bare.port_count = 0;
	if (r >= 0)
		r = firewall_add(firewall, &bare);
	return r < 0 ? r : add_ports(firewall, after);
}

static bool has_address(const struct firewall_machine *machine,
			const struct firewall_address *address)
{
	for (size_t i = 0; i < machine->address_count; i++)
		if (memcmp(&machine->addresses[i], address, sizeof(*address)) == 0)
			return true;
	return false;
}

static bool same_addresses(const struct firewall_machine *a, const struct firewall_machine *b)
{
	bool same = a->address_count == b->address_count;

	for (size_t i = 0; i < a->address_count && same; i++)
		same = has_address(b, &a->addresses[i]);
	return same;
}

/* What leads to addresses that it has no more. */
static void end_flows(struct firewall *firewall, const struct firewall_machine *before,
		      const struct firewall_machine *after)
{
	struct firewall_address lost[FIREWALL_ADDRESSES_MAX];
	struct firewall_machine old = *before;

	old.addresses = lost;
	old.address_count = 0;
	for (size_t i = 0; i < before->address_count; i++)
		if (!has_address(after, &before->addresses[i]))
			lost[old.address_count++] = before->addresses[i];
	if (old.address_count > 0)
		firewall_flows_end(&firewall->filter, &old, old.ports, old.port_count);
}

static int check_both(const struct firewall_machine *before, const struct firewall_machine *after)
{
	int r = firewall_check(before);

	return r < 0 ? r : firewall_check(after);
}

static int change(struct firewall *firewall, const struct firewall_machine *before,
		  const struct firewall_machine *after)
{
	int r = exchange(firewall, before, after);
	bool whole = r >= 0;

	if (leads_elsewhere(r))
		r = exchange_but_ports(firewall, before, after);
	if (r == -ENOENT || leads_elsewhere(r))
		r = exchange_slowly(firewall, before, after);
	else if (r < 0 && r != -EADDRINUSE)
		return fail_in(r, "cannot change the packet filter");
	else if (whole)
		r = firewall_routing_add(&firewall->route, after);
	if (r >= 0 && before->restricted && before->bridge > 0 && !after->restricted)
		open_bridge(firewall, before);
	end_flows(firewall, before, after);
	firewall_flows_turn(&firewall->filter, after, after->ports, after->port_count);
	if (before->nat != after->nat)
		(void)firewall_flows_again(&firewall->filter, after, false);
	return r;
}

int firewall_change(struct firewall *firewall, const struct firewall_machine *before,
		    const struct firewall_machine *after)
{
	bool egress = firewall_elements_egress(before) || firewall_elements_egress(after);
	int r = check_both(before, after);

	if (r >= 0 && egress && !same_addresses(before, after))
		r = fail_input("what is restricted keeps its addresses");
	return r < 0 ? r : change(firewall, before, after);
}

/* ---- another egress ---- */

static int end_flows_of(struct firewall *firewall, const struct firewall_machine *machine)
{
	int r = firewall_flows_again(&firewall->filter, machine, true);

	return r < 0 ? fail(r, "cannot end what the machine has begun") : 0;
}

int firewall_begin_anew(struct firewall *firewall, const struct firewall_machine *machine)
{
	int r = machine->restricted ? firewall_flows_forget(&firewall->filter, machine) : 0;

	return r < 0 ? fail(r, "cannot end what was begun by the machine's addresses") : 0;
}

/* What goes on by what held so far must be over before anything begins by the new list, and nothing
 * begins meanwhile: else who begins much would never be done. What fails leaves it closed. */
static int restrict_to(struct firewall *firewall, const struct firewall_machine *before,
		       const struct firewall_machine *after)
{
	struct firewall_machine closed = *after;
	int r, ports;

	closed.closed = true;
	closed.target_count = 0;
	ports = r = change(firewall, before, &closed);
	if (r >= 0 || r == -EADDRINUSE)
		r = forget_learnt(firewall, before);
	if (r >= 0) {
		nftables_settle();
		r = end_flows_of(firewall, after);
	}
	if (r >= 0)
		r = change(firewall, &closed, after);
	return r < 0 ? r : MIN(ports, 0);
}

int firewall_restrict(struct firewall *firewall, const struct firewall_machine *before,
		      const struct firewall_machine *after)
{
	int r = check_both(before, after);

	if (r >= 0 && firewall_elements_egress(after))
		return restrict_to(firewall, before, after);
	if (r >= 0)
		r = forget_learnt(firewall, before);
	return r < 0 ? r : change(firewall, before, after);
}

void firewall_settle(struct firewall *firewall, const struct firewall_machine *machine)
{
	firewall_flows_turn(&firewall->filter, machine, machine->ports, machine->port_count);
}

/* ---- what DNS told ---- */

int firewall_allow(struct firewall *firewall, const struct firewall_machine *machine,
		   const struct firewall_address *address, uint16_t port, uint8_t protocol,
		   uint32_t seconds)
{
	struct firewall_build build = {};
	unsigned char room[ALLOW_ROOM];
	int r;

	if (!firewall_check_learnt(machine, address))
		return fail_plain(-EPERM, "no name may open an address of this kind");
	firewall_build_begin(&build, FIREWALL_RENEW, room, sizeof(room), 0);
	firewall_elements_allow(machine, address, port, protocol, MAX(seconds, 1U),
				firewall_build_element, &build);
	if (build.count == 0) /* it has no address of that family to send from */
		return 0;
	r = nftables_commit(&build.nftables, &firewall->filter);
	if (r == -ENOENT)
		return fail_stale();
	return r < 0 ? fail(r, "cannot open what a name leads to") : 0;
}
