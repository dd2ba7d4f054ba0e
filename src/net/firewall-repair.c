/* The half of net/firewall that looks at the tables as a whole.
 *
 * Nobody holds a lock: what was seen is tied to the generation of the kernel's rulesets, and the
 * kernel refuses what is built on an older one.
 */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "kernel/nftables.h"
#include "net/firewall-bridge.h"
#include "net/firewall-build.h"
#include "net/firewall-check.h"
#include "net/firewall-forwarding.h"
#include "net/firewall-inet.h"
#include "net/firewall-routing.h"
#include "net/firewall-sets.h"
#include "net/firewall.h"

#define TRIES 16
#define GLANCES 8
#define DROP_ROOM 512

int firewall_look(struct firewall *firewall)
{
	int r = nftables_generation(&firewall->filter, &firewall->generation);

	return r < 0 ? fail(r, "cannot look at the packet filter") : 0;
}

/* ---- what is there ---- */

static const unsigned int families[] = { NFTABLES_INET, NFTABLES_BRIDGE };

struct tables {
	bool there[ARRAY_SIZE(families)];
	bool other_rules; /* than this program makes */
	bool unbridged;	  /* nobody needed the one of bridges */
};

static int read_tables(struct firewall *firewall, struct tables *ret)
{
	struct tables tables = {};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct nftables_table table;

		r = nftables_read_table(&firewall->filter, &table, families[i], FIREWALL_TABLE);
		if (r < 0 && r != -ENOENT && r != -EAFNOSUPPORT && r != -EOPNOTSUPP)
			return r;
		tables.there[i] = r == 0;
		if (r == 0 && strcmp(table.comment, FIREWALL_VERSION) != 0)
			tables.other_rules = true;
	}
	r = nftables_has_chain(&firewall->filter, NFTABLES_INET, FIREWALL_TABLE,
			       FIREWALL_UNBRIDGED);
	if (r < 0)
		return r;
	tables.unbridged = r > 0;
	*ret = tables;
	return 0;
}

static int count_common_rule(const struct nftables_rule *rule, void *context)
{
	*(size_t *)context += firewall_sets_chain_port(rule->chain) == 0;
	return 0;
}

/* Rules that the transaction makes. */
static size_t count_made(const struct netlink_request *request)
{
	struct netlink_reader reader = { .bytes = request->bytes, .size = request->used };
	struct netlink_message message;
	size_t count = 0;

	while (netlink_next_message(&reader, &message))
		count += message.type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);
	return count;
}

struct present {
	const struct firewall_machine *machines;
	size_t count;
	size_t rules;	       /* common ones, and of these machines */
	size_t known, strange; /* keys of the set */
};

static bool is_of_them(const struct present *present, uint32_t link)
{
	for (size_t i = 0; i < present->count; i++)
		if (present->machines[i].link == link)
			return true;
	return false;
}

static int look_at_rule(const struct nftables_rule *rule, void *context)
{
	struct present *present = context;
	uint32_t link = firewall_sets_chain_port(rule->chain);

	present->rules += link == 0 || is_of_them(present, link);
	return 0;
}

static int look_at_key(const struct nftables_value *key, void *context)
{
	struct present *present = context;
	uint32_t link = 0;

	memcpy(&link, key->bytes, sizeof(link));
	if (is_of_them(present, link))
		present->known++;
	else
		present->strange++;
	return 0;
}

/* The keys of MACHINES, or of PORTS. */
static int look_at_keys(struct firewall *firewall, enum firewall_set set, struct present *present)
{
	unsigned int family = set <= FIREWALL_INET_LAST ? NFTABLES_INET : NFTABLES_BRIDGE;

	present->known = present->strange = 0;
	return nftables_list_keys(&firewall->filter, family, FIREWALL_TABLE,
				  firewall_set_name(set, false), look_at_key, present);
}

static size_t count_bridged(const struct firewall_machine *machines, size_t count)
{
	size_t bridged = 0;

	for (size_t i = 0; i < count; i++)
		bridged += machines[i].bridge > 0;
	return bridged;
}

/* 1: all that is MADE is there, and these machines. There may be others: whoever was read about has
 * rules, not whoever has rules was read about, as one that starts or ends. */
static int is_whole(struct firewall *firewall, const struct tables *tables,
		    const struct netlink_request *made, const struct firewall_machine *machines,
		    size_t count)
{
	struct present present = { .machines = machines, .count = count };
	size_t in_inet;
	int r = 0;

	if (!tables->there[0] || tables->other_rules || tables->unbridged == tables->there[1])
		return 0;
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(families); i++)
		if (tables->there[i])
			r = nftables_list_rules(&firewall->filter, families[i], FIREWALL_TABLE,
						look_at_rule, &present);
	if (r >= 0)
		r = look_at_keys(firewall, FIREWALL_MACHINES, &present);
	in_inet = present.known;
	present.known = 0;
	if (r >= 0 && tables->there[1])
		r = look_at_keys(firewall, FIREWALL_PORTS, &present);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return present.rules == count_made(made) && in_inet == count &&
	       present.known == count_bridged(machines, count);
}

int firewall_has(struct firewall *firewall, const struct firewall_machine *machine)
{
	struct present present = { .machines = machine, .count = 1 };
	int r = look_at_keys(firewall, FIREWALL_MACHINES, &present);

	return r == -ENOENT ? 0 : r < 0 ? r : present.known > 0;
}

/* 1: all common rules are there. */
static int glance(struct firewall *firewall)
{
	static void (*const put[])(struct nftables *) = { firewall_inet_put, firewall_bridge_put };
	struct nftables nftables;
	autoarena struct arena arena = {};
	size_t size = firewall_build_room(NULL, 0), rules;
	void *room = arena_take(&arena, size);
	int unbridged = nftables_has_chain(&firewall->filter, NFTABLES_INET, FIREWALL_TABLE,
					   FIREWALL_UNBRIDGED);
	int r = unbridged < 0 ? unbridged : 1;

	for (size_t i = 0; r > 0 && i < ARRAY_SIZE(families); i++) {
		nftables_begin(&nftables, room, size, 0);
		put[i](&nftables);
		rules = 0;
		r = nftables_list_rules(&firewall->filter, families[i], FIREWALL_TABLE,
					count_common_rule, &rules);
		if (r >= 0 && families[i] == NFTABLES_BRIDGE && unbridged > 0)
			r = rules == 0;
		else if (r >= 0)
			r = rules == count_made(&nftables.request);
	}
	return r;
}

/* As glance(). -EAGAIN: something changed meanwhile. */
static int glance_at_one_moment(struct firewall *firewall)
{
	uint32_t before, after;
	int r = nftables_generation(&firewall->filter, &before), whole = 0;

	if (r >= 0)
		r = whole = glance(firewall);
	if (r >= 0)
		r = nftables_generation(&firewall->filter, &after);
	if (r < 0)
		return r;
	return before == after ? whole : -EAGAIN;
}

/* What is whole in parts that were seen one after the other needs no second look. Where something
 * is missing, the parts may be of different moments, as when a machine starts. */
int firewall_seems_whole(struct firewall *firewall)
{
	int r = glance(firewall);

	if (r == 0)
		r = -EAGAIN;
	for (unsigned int i = 0; r == -EAGAIN && i < GLANCES; i++)
		r = glance_at_one_moment(firewall);
	if (r == -EAGAIN)
		return 1;
	return r < 0 ? fail(r, "cannot look at the packet filter") : r;
}

/* ---- building it again ---- */

struct repair {
	struct firewall *firewall;
	const struct firewall_machine *machines;
	size_t count;
	struct tables tables;
	struct firewall_build build;
	bool with_bridges;
	void *room;
	size_t size;
};

static void delete_tables(struct nftables *nftables, const struct tables *tables)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (!tables->there[i])
			continue;
		nftables_use(nftables, families[i], FIREWALL_TABLE);
		nftables_delete_table(nftables);
	}
}

static void prepare(struct repair *repair)
{
	struct firewall_build *build = &repair->build;

	firewall_build_begin(build, FIREWALL_PUT, repair->room, repair->size,
			     repair->firewall->generation);
	delete_tables(&build->nftables, &repair->tables);
	firewall_build_tables(build, true, repair->with_bridges);
	for (size_t i = 0; i < repair->count; i++)
		firewall_build_machine(build, &repair->machines[i]);
}

/* Two machines cannot both have a port; who comes first keeps it. The transaction is to be built
 * again without the other's element. */
static bool leave_out(struct repair *repair, unsigned int failed)
{
	struct firewall_build *build = &repair->build;

	build->watched = failed;
	prepare(repair);
	build->watched = 0;
	if (!build->hit || build->left_out_count == FIREWALL_LEFT_OUT_MAX)
		return false;
	build->left_out[build->left_out_count++] = build->hit_number;
	return true;
}

static int rebuild(struct repair *repair)
{
	struct netlink *filter = &repair->firewall->filter;
	int r;

	do {
		prepare(repair);
		r = nftables_commit(&repair->build.nftables, filter);
	} while ((r == -EEXIST || r == -EBUSY || r == -ENOTEMPTY) &&
		 leave_out(repair, filter->failed));
	return r == -ERESTART ? -EAGAIN : r;
}

/* Their routing rules; those of one pool only once. */
static int add_rules(struct repair *repair)
{
	const struct firewall_machine *machines = repair->machines;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < repair->count; i++)
		if (i == 0 || machines[i].restricted ||
		    machines[i].pool_count != machines[i - 1].pool_count ||
		    (machines[i].pool_count > 0 &&
		     memcmp(machines[i].pools, machines[i - 1].pools,
			    machines[i].pool_count * sizeof(*machines[i].pools)) != 0))
			r = firewall_routing_add(&repair->firewall->route, &machines[i]);
	return r;
}

static int repair_all(struct repair *repair)
{
	int r;

	r = read_tables(repair->firewall, &repair->tables);
	if (r < 0)
		return r;
	repair->with_bridges = repair->tables.there[1] ||
			       count_bridged(repair->machines, repair->count) > 0;
	prepare(repair);
	r = is_whole(repair->firewall, &repair->tables, &repair->build.nftables.request,
		     repair->machines, repair->count);
	if (r != 0)
		return MIN(r, 0);
	r = rebuild(repair);
	return r < 0 ? r : 1;
}

int firewall_repair(struct firewall *firewall, const struct firewall_machine *machines,
		    size_t count)
{
	struct repair repair = { .firewall = firewall, .machines = machines, .count = count };
	autoarena struct arena arena = {};
	int r, rules;

	if (count == 0)
		return firewall_drop_if_empty(firewall);
	for (size_t i = 0; i < count; i++) {
		r = firewall_check(&machines[i]);
		if (r < 0)
			return r;
	}
	repair.size = firewall_build_room(machines, count);
	repair.room = arena_take(&arena, repair.size);
	r = repair_all(&repair);
	if (r == -EAGAIN)
		return fail(r, "the packet filter changes while it is looked at");
	if (r < 0)
		return fail(r, "cannot repair the packet filter");
	rules = add_rules(&repair);
	return rules < 0 ? rules : r;
}

/* ---- the end ---- */

/* 1: nobody is in them. */
static int is_empty(struct firewall *firewall, const struct tables *tables)
{
	struct present present = {};
	int r;

	if (!tables->there[0] && !tables->there[1])
		return 1;
	/* Who is on a bridge is still filtered there if the other one was lost. */
	r = look_at_keys(firewall, tables->there[0] ? FIREWALL_MACHINES : FIREWALL_PORTS, &present);
	if (r == -ENOENT) /* without that set they cannot be ours, as they are */
		return 1;
	return r < 0 ? r : present.strange == 0;
}

static int drop_tables(struct firewall *firewall, const struct tables *tables)
{
	struct nftables nftables;
	unsigned char room[DROP_ROOM];

	if (!tables->there[0] && !tables->there[1])
		return 0;
	nftables_begin(&nftables, room, sizeof(room), firewall->generation);
	delete_tables(&nftables, tables);
	return nftables_commit(&nftables, &firewall->filter);
}

/* 1: dropped. 0: in use. -ERESTART, -EAGAIN: once more. */
static int drop(struct firewall *firewall)
{
	struct tables tables;
	int r;

	r = nftables_generation(&firewall->filter, &firewall->generation);
	if (r >= 0)
		r = read_tables(firewall, &tables);
	if (r >= 0)
		r = is_empty(firewall, &tables);
	if (r <= 0)
		return r;
	r = drop_tables(firewall, &tables);
	return r < 0 ? r : 1;
}

int firewall_drop_if_empty(struct firewall *firewall)
{
	struct firewall_address pools[FIREWALL_ADDRESSES_MAX];
	struct firewall_machine nobody = { .pools = pools };
	struct nftables_table table;
	int r = -EAGAIN, forwarded;

	for (unsigned int i = 0; (r == -EAGAIN || r == -ERESTART) && i < TRIES; i++)
		r = drop(firewall);
	if (r <= 0)
		return r < 0 ? fail(r, "cannot remove the packet filter's tables") : 0;
	nobody.pool_count = firewall_routing_pools(&firewall->route, pools);
	forwarded = firewall_routing_has_closed(&firewall->route, AF_INET);
	r = firewall_forwarding_off(firewall);
	if (r >= 0)
		r = firewall_routing_drop(&firewall->route);
	/* Who made the tables again in between found the rules still there. */
	if (r >= 0 &&
	    nftables_read_table(&firewall->filter, &table, NFTABLES_INET, FIREWALL_TABLE) >= 0) {
		r = firewall_routing_add(&firewall->route, &nobody);
		if (r >= 0 && forwarded > 0)
			r = firewall_forwarding_on(firewall, &nobody);
	}
	return r < 0 ? r : 1;
}
