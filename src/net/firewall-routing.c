#include "net/firewall-routing.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/ip.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "base/macros.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/route.h"
#include "net/firewall-sets.h"
#include "net/firewall.h"

#define RULES_MAX 64 /* that are removed at one go */

/* Where the ways around lead to. */
enum { END = 79, OTHERS_END = 1009 };

static const int families[] = { AF_INET, AF_INET6 };

/* This kernel has no such rules, or not this family: there is nothing to be had. */
static bool cannot(int r)
{
	return r == -EOPNOTSUPP || r == -EAFNOSUPPORT;
}

/* 1: it was there. */
static int ensure(struct netlink *netlink, const struct route_rule *rule)
{
	int r = route_add_rule(netlink, rule);

	if (r == -EEXIST)
		return 1;
	return cannot(r) ? 0 : r;
}

static struct route_rule begin(int family, uint32_t priority, unsigned int action)
{
	return (struct route_rule){ .family = family,
				    .priority = priority,
				    .action = action,
				    .protocol = FIREWALL_ROUTING_PROTOCOL };
}

/* The way around those that refuse, which is made before them. */
static int ensure_around(struct netlink *netlink, int family, uint32_t first, uint32_t end)
{
	struct route_rule rules[] = {
		begin(family, end, FR_ACT_NOP),
		begin(family, first, FR_ACT_GOTO),
		begin(family, first + 1, FR_ACT_GOTO),
	};
	int r = 0;

	rules[1].mark = rules[1].mask = FIREWALL_MARK;
	rules[2].from_link = "lo";
	rules[1].go_to = rules[2].go_to = end;
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(rules); i++)
		r = ensure(netlink, &rules[i]);
	return MIN(r, 0);
}

static int ensure_common(struct netlink *netlink, int family)
{
	struct route_rule doubt = begin(family, FIREWALL_ROUTING_DOUBT, FR_ACT_PROHIBIT);
	int r = ensure_around(netlink, family, FIREWALL_ROUTING_DOUBT + 1, END);

	doubt.mark = doubt.mask = FIREWALL_DOUBT;
	return r < 0 ? r : MIN(ensure(netlink, &doubt), 0);
}

struct seen {
	const struct firewall_address *pool;
	uint32_t priorities; /* from the first of ours on, a bit for each */
};

static int see(const struct route_rule *rule, void *context)
{
	struct seen *seen = context;

	if (rule->priority < FIREWALL_ROUTING_DOUBT || rule->priority > END)
		return 0;
	if (rule->priority == FIREWALL_ROUTING_POOL &&
	    (rule->to.length != seen->pool->bits ||
	     memcmp(rule->to.bytes, seen->pool->bytes, sizeof(rule->to.bytes)) != 0))
		return 0;
	seen->priorities |= 1U << (rule->priority - FIREWALL_ROUTING_DOUBT);
	return 0;
}

/* What a start asks for. Rules that change meanwhile are made once more. */
static bool has_all(struct netlink *netlink, const struct firewall_address *pool)
{
	struct seen seen = { .pool = pool };

	return route_list_rules(netlink, pool->family, FIREWALL_ROUTING_PROTOCOL, see, &seen) >=
		       0 &&
	       seen.priorities ==
		       (1U << (END - FIREWALL_ROUTING_DOUBT) |
			((1U << (FIREWALL_ROUTING_POOL + 1 - FIREWALL_ROUTING_DOUBT)) - 1));
}

/* The rule of the pool is the last: whoever is killed in between leaves nothing that refuses what
 * has no way around it. */
static int ensure_pool(struct netlink *netlink, const struct firewall_address *pool)
{
	struct route_rule rule = begin(pool->family, FIREWALL_ROUTING_POOL, FR_ACT_PROHIBIT);
	int r;

	if (has_all(netlink, pool))
		return 0;
	rule.to.family = pool->family;
	rule.to.length = pool->bits;
	memcpy(rule.to.bytes, pool->bytes, sizeof(rule.to.bytes));
	r = ensure_common(netlink, pool->family);
	return r < 0 ? r : MIN(ensure(netlink, &rule), 0);
}

static int ensure_all(struct netlink *netlink, const struct firewall_machine *machine)
{
	uint32_t link = machine->bridge > 0 ? machine->bridge : machine->link;
	int r = 0;

	if (machine->pool_count > 0 && link > 0)
		r = link_set_ipv4(netlink, (int)link, IPV4_DEVCONF_SRC_VMARK, 1);
	for (size_t i = 0; r >= 0 && i < machine->pool_count; i++)
		r = ensure_pool(netlink, &machine->pools[i]);
	for (size_t i = 0; r >= 0 && machine->restricted && i < ARRAY_SIZE(families); i++)
		r = ensure_common(netlink, families[i]);
	return r;
}

int firewall_routing_add(struct netlink *route, const struct firewall_machine *machine)
{
	int r = ensure_all(route, machine);

	return r < 0 ? fail(r, "cannot make routing rules that protect machines") : 0;
}

struct pools {
	struct firewall_address *list;
	size_t count;
};

static int note_pool(const struct route_rule *rule, void *context)
{
	struct pools *pools = context;
	struct firewall_address *pool;

	if (rule->priority != FIREWALL_ROUTING_POOL || pools->count == FIREWALL_ADDRESSES_MAX)
		return 0;
	pool = &pools->list[pools->count];
	pool->family = (uint8_t)rule->family;
	pool->bits = (uint8_t)rule->to.length;
	memcpy(pool->bytes, rule->to.bytes, sizeof(pool->bytes));
	pools->count++;
	return 0;
}

size_t firewall_routing_pools(struct netlink *route, struct firewall_address *ret)
{
	struct pools pools = { .list = ret };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		(void)route_list_rules(route, families[i], FIREWALL_ROUTING_PROTOCOL, note_pool,
				       &pools);
	return pools.count;
}

/* ---- others ---- */

static int note_others(const struct route_rule *rule, void *context)
{
	bool *there = context;

	*there = *there || rule->priority == FIREWALL_ROUTING_OTHERS;
	return 0;
}

int firewall_routing_has_closed(struct netlink *route, int family)
{
	bool there = false;
	int r = route_list_rules(route, family, FIREWALL_ROUTING_PROTOCOL, note_others, &there);

	/* What changed meanwhile are others' rules: ours stand together. */
	return r < 0 && r != -EAGAIN && !cannot(r) ? r : there;
}

int firewall_routing_close_others(struct netlink *route, int family)
{
	struct route_rule rule = begin(family, FIREWALL_ROUTING_OTHERS, FR_ACT_PROHIBIT);
	int r = ensure_around(route, family, FIREWALL_ROUTING_OTHERS - 2, OTHERS_END);

	return r < 0 ? r : MIN(ensure(route, &rule), 0);
}

int firewall_routing_open_others(struct netlink *route, int family)
{
	struct route_rule rule = begin(family, FIREWALL_ROUTING_OTHERS, FR_ACT_PROHIBIT);
	int r = route_delete_rule(route, &rule);

	return r == -ENOENT || cannot(r) ? 0 : r;
}

/* ---- removing ---- */

struct found {
	struct route_rule rules[RULES_MAX];
	char names[RULES_MAX][IF_NAMESIZE];
	size_t count;
	bool refusing; /* only those that refuse; else only the others */
};

static int note(const struct route_rule *rule, void *context)
{
	struct found *found = context;
	char *name;

	if ((rule->action == FR_ACT_PROHIBIT) != found->refusing || found->count == RULES_MAX)
		return 0;
	name = found->names[found->count];
	found->rules[found->count] = *rule;
	if (rule->from_link) {
		memcpy(name, rule->from_link, strlen(rule->from_link) + 1);
		found->rules[found->count].from_link = name;
	}
	found->count++;
	return 0;
}

/* 1: there may be more. */
static int remove_some(struct netlink *netlink, int family, bool refusing)
{
	struct found found = { .refusing = refusing };
	int r;

	r = route_list_rules(netlink, family, FIREWALL_ROUTING_PROTOCOL, note, &found);
	if (r < 0 && r != -EAGAIN)
		return cannot(r) ? 0 : r;
	for (size_t i = 0; i < found.count; i++) {
		int deleted = route_delete_rule(netlink, &found.rules[i]);

		if (deleted < 0 && deleted != -ENOENT)
			return deleted;
	}
	return r == -EAGAIN || found.count == RULES_MAX;
}

/* The jumps over those that refuse stay until the last of them, lest the host's own is refused. */
static int remove_all(struct netlink *netlink, int family)
{
	int r;

	while ((r = remove_some(netlink, family, true)) > 0)
		;
	while (r >= 0 && (r = remove_some(netlink, family, false)) > 0)
		;
	return r;
}

int firewall_routing_drop(struct netlink *route)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(families); i++)
		r = remove_all(route, families[i]);
	return r < 0 ? fail(r, "cannot remove routing rules") : 0;
}
