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
	bool bridged;	  /* there should be the one of bridges */
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
	r = nftables_has_chain(&firewall->filter, NFTABLES_INET, FIREWALL_TABLE, FIREWALL_BRIDGED);
	if (r < 0)
		return r;
	tables.bridged = r > 0;
	*ret = tables;
	return 0;
}

static int count_rule(const struct nftables_rule *rule, void *context)
{
	(void)rule;
	(*(size_t *)context)++;
	return 0;
}

static int count_common_rule(const struct nftables_rule *rule, void *context)
{
	*(size_t *)context += !firewall_sets_is_own_chain(rule->chain);
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
	size_t count, known, strange;
};

static int look_at_key(const struct nftables_value *key, void *context)
{
	struct present *present = context;
	uint32_t link = 0;

	memcpy(&link, key->bytes, sizeof(link));
	for (size_t i = 0; i < present->count; i++) {
		if (present->machines[i].link == link) {
			present->known++;
			return 0;
		}
	}
	present->strange++;
	return 0;
}

static int look_at_machines(struct firewall *firewall, struct present *present)
{
	return nftables_list_keys(&firewall->filter, NFTABLES_INET, FIREWALL_TABLE,
				  firewall_set_name(FIREWALL_MACHINES, false), look_at_key,
				  present);
}

/* 1: all that is MADE is there, and exactly these machines. */
static int is_whole(struct firewall *firewall, const struct tables *tables,
		    const struct netlink_request *made, const struct firewall_machine *machines,
		    size_t count)
{
	struct present present = { .machines = machines, .count = count };
	size_t rules = 0;
	int r = 0;

	if (!tables->there[0] || tables->other_rules || tables->bridged != tables->there[1])
		return 0;
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(families); i++)
		if (tables->there[i])
			r = nftables_list_rules(&firewall->filter, families[i], FIREWALL_TABLE,
						count_rule, &rules);
	if (r >= 0)
		r = look_at_machines(firewall, &present);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return rules == count_made(made) && present.known == count && present.strange == 0;
}

int firewall_seems_whole(struct firewall *firewall)
{
	static void (*const put[])(struct nftables *) = { firewall_inet_put, firewall_bridge_put };
	struct nftables nftables;
	autoarena struct arena arena = {};
	size_t size = firewall_build_room(NULL, 0), rules;
	void *room = arena_take(&arena, size);
	int bridged = nftables_has_chain(&firewall->filter, NFTABLES_INET, FIREWALL_TABLE,
					 FIREWALL_BRIDGED);
	int r = bridged < 0 ? bridged : 1;

	for (size_t i = 0; r > 0 && i < ARRAY_SIZE(families); i++) {
		nftables_begin(&nftables, room, size, 0);
		put[i](&nftables);
		rules = 0;
		r = nftables_list_rules(&firewall->filter, families[i], FIREWALL_TABLE,
					count_common_rule, &rules);
		if (r >= 0 && families[i] == NFTABLES_BRIDGE && bridged == 0)
			r = rules == 0;
		else if (r >= 0)
			r = rules == count_made(&nftables.request);
	}
	return r < 0 && r != -EAGAIN ? fail(r, "cannot look at the packet filter") : r > 0;
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
	repair->with_bridges = repair->tables.there[1];
	for (size_t i = 0; i < repair->count; i++)
		repair->with_bridges = repair->with_bridges || repair->machines[i].bridge > 0;
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

	if (!tables->there[0])
		return 1;
	r = look_at_machines(firewall, &present);
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
