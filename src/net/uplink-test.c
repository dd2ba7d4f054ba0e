#include "net/uplink.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/unit.h"
#include "kernel/fixture.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/route.h"
#include "net/facts.h"
#include "net/userspace.h"

static struct arena arena;
static struct netlink netlink = NETLINK_EMPTY;

static struct ip ip(const char *text)
{
	struct ip ret;

	ck_assert_int_eq(ip_parse(&ret, text), 0);
	return ret;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix ret;

	ck_assert_int_eq(ip_parse_prefix(&ret, text), 0);
	return ret;
}

static struct route_prefix address(const char *text)
{
	struct ip from = ip(text);
	struct route_prefix ret = { .family = from.family,
				    .length = (unsigned int)ip_length(from.family) };

	memcpy(ret.bytes, from.bytes, sizeof(ret.bytes));
	return ret;
}

/* A namespace with as many interfaces that lead somewhere: up-0, up-1, … */
static void begin(int count)
{
	struct link_want here = { 0 }, there = { 0 }, up = { .up = LINK_ON };
	int index, peer;

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(netlink_open(&netlink, NETLINK_ROUTE), 0);
	for (int i = 0; i < count; i++) {
		here.name = arena_format(&arena, "up-%d", i);
		there.name = arena_format(&arena, "end-%d", i);
		ck_assert_int_eq(link_make_veth(&netlink, &index, &peer, &here, &there), 0);
		ck_assert_int_eq(link_set(&netlink, peer, &up), 0);
	}
}

/* All have the same addresses. */
static struct uplink uplink(const char *name)
{
	return (struct uplink){ .name = name,
				.guest = { prefix("169.254.82.2/30"), prefix("fd52::2/64") },
				.gateway = { ip("169.254.82.1"), ip("fd52::1") } };
}

static int set_up(const char *name)
{
	const struct uplink wish = uplink(name);
	int index = uplink_set_up(&netlink, &wish);

	ck_assert_int_gt(index, 0);
	ck_assert_uint_eq((unsigned int)index, link_index(name));
	return index;
}

static struct facts facts_of(const char *zone, const char *first, const char *second)
{
	const char *const addresses[] = { first, second };
	struct facts facts = { .zone = zone };

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct ip_prefix each = prefix(addresses[i]);

		ck_assert_int_eq(
			facts_add_prefix(&arena, &facts.addresses, &facts.address_count, &each), 0);
	}
	return facts;
}

/* ---- what is there ---- */

static int count_address(const struct route_address *each, void *context)
{
	/* Those of its own link the kernel gives it. */
	*(size_t *)context += each->scope == RT_SCOPE_UNIVERSE;
	return 0;
}

static size_t addresses_of(int index)
{
	size_t count = 0;

	ck_assert_int_eq(route_list_addresses(&netlink, index, count_address, &count), 0);
	return count;
}

/* Ways out of one family. */
struct ways {
	struct route all[8];
	size_t count;
};

static int note_way(const struct route *route, void *context)
{
	struct ways *ways = context;

	if (route->to.length != 0 || route->type != RTN_UNICAST)
		return 0;
	ck_assert_uint_lt(ways->count, ARRAY_SIZE(ways->all));
	ways->all[ways->count++] = *route;
	return 0;
}

static struct ways ways(int family)
{
	struct ways ret = { 0 };

	ck_assert_int_eq(route_list(&netlink, family, 0, note_way, &ret), 0);
	return ret;
}

struct rules {
	struct route_rule all[16];
	size_t count;
};

/* Without those that are always there. */
static int note_rule(const struct route_rule *rule, void *context)
{
	struct rules *rules = context;

	if (rule->priority <= 61 || rule->priority == 32766 || rule->priority == 32767)
		return 0;
	ck_assert_uint_lt(rules->count, ARRAY_SIZE(rules->all));
	rules->all[rules->count++] = *rule;
	return 0;
}

static struct rules rules(int family)
{
	struct rules ret = { 0 };

	ck_assert_int_eq(route_list_rules(&netlink, family, 0, note_rule, &ret), 0);
	return ret;
}

static int take_way(const struct netlink_answer *answer, void *context)
{
	(void)route_from_answer(context, answer);
	return 0;
}

/* The interface by which what has this sender, an address of ours, leaves; -ENETUNREACH: none. */
static int way_of(const char *sender, const char *target)
{
	unsigned char room[256];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct route_prefix from = address(sender), to = address(target);
	const size_t size = from.length / 8;
	const struct rtmsg body = { .rtm_family = (uint8_t)from.family,
				    .rtm_src_len = (uint8_t)from.length,
				    .rtm_dst_len = (uint8_t)to.length,
				    .rtm_flags = RTM_F_FIB_MATCH };
	struct route route = { 0 };
	int r;

	netlink_begin(&request, RTM_GETROUTE, NLM_F_ACK, &body, sizeof(body));
	netlink_put(&request, RTA_SRC, from.bytes, size);
	netlink_put(&request, RTA_DST, to.bytes, size);
	r = netlink_call(&netlink, &request, take_way, &route);
	if (r == -ENETUNREACH)
		return r;
	ck_assert_int_eq(r, 0);
	ck_assert_int_ne(route.link, 0);
	return route.link;
}

static void own(const char *text)
{
	struct route_address each = { .link = (int)link_index("lo"), .local = address(text) };

	ck_assert_int_eq(route_add_address(&netlink, &each), 0);
}

static struct link_facts facts_of_link(int index)
{
	struct link_facts ret;

	ck_assert_int_eq(link_read(&netlink, &ret, index), 0);
	return ret;
}

/* ---- one ---- */

static void check_family(int family, int index, const char *gateway)
{
	struct ways out = ways(family);
	struct rules found = rules(family);
	struct route_prefix by = address(gateway);

	/* In its own table alone, which nobody is led to yet. */
	ck_assert_uint_eq(out.count, 1);
	ck_assert_uint_gt(out.all[0].table, 255);
	ck_assert_int_eq(out.all[0].link, index);
	ck_assert_mem_eq(out.all[0].gateway.bytes, by.bytes, sizeof(by.bytes));
	ck_assert_uint_eq(found.count, 0);
}

START_TEST(it_is_up_and_leads_out)
{
	struct link_facts link;
	struct route route;
	struct route_prefix far = address("192.0.2.1"), far6 = address("2001:db8::1"),
			    self = address("127.0.0.1");
	int index;

	begin(1);
	index = set_up("up-0");
	link = facts_of_link(index);
	ck_assert(link.flags & IFF_UP);
	ck_assert_uint_eq(link.mtu, USERSPACE_MTU);
	ck_assert(facts_of_link((int)link_index("lo")).flags & IFF_UP);
	ck_assert_int_eq(route_get(&netlink, &route, &self), 0);
	ck_assert_uint_eq(addresses_of(index), 2);
	check_family(AF_INET, index, "169.254.82.1");
	check_family(AF_INET6, index, "fd52::1");
	ck_assert_int_eq(route_get(&netlink, &route, &far), -ENETUNREACH);
	ck_assert_int_eq(route_get(&netlink, &route, &far6), -ENETUNREACH);
	netlink_close(&netlink);
}
END_TEST

START_TEST(twice_is_once)
{
	struct facts facts = facts_of(NULL, "10.213.0.2/30", "fd00:7::2/64");
	int index;

	begin(1);
	index = set_up("up-0");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(set_up("up-0"), index);
		ck_assert_uint_eq(addresses_of(index), 2);
		ck_assert_uint_eq(ways(AF_INET).count, 1);
		ck_assert_uint_eq(ways(AF_INET6).count, 1);
		ck_assert_int_eq(uplink_route(&netlink, index, &facts), 0);
		ck_assert_uint_eq(rules(AF_INET).count, 1);
		ck_assert_uint_eq(rules(AF_INET6).count, 1);
	}
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(uplink_forget(&netlink, &facts), 0);
		ck_assert_uint_eq(rules(AF_INET).count, 0);
		ck_assert_uint_eq(rules(AF_INET6).count, 0);
	}
	netlink_close(&netlink);
}
END_TEST

START_TEST(what_does_not_lead_out_is_left_out)
{
	struct uplink wish = uplink("up-0");
	int index;

	begin(2);
	wish.guest[1] = (struct ip_prefix){ 0 };
	wish.gateway[1] = (struct ip){ 0 };
	index = uplink_set_up(&netlink, &wish);
	ck_assert_int_gt(index, 0);
	ck_assert_uint_eq(addresses_of(index), 1);
	check_family(AF_INET, index, "169.254.82.1");
	ck_assert_uint_eq(ways(AF_INET6).count, 0);
	ck_assert_uint_eq(rules(AF_INET6).count, 0);
	wish = uplink("up-1");
	wish.guest[0] = (struct ip_prefix){ 0 };
	wish.gateway[0] = (struct ip){ 0 };
	index = uplink_set_up(&netlink, &wish);
	ck_assert_int_gt(index, 0);
	ck_assert_uint_eq(addresses_of(index), 1);
	check_family(AF_INET6, index, "fd52::1");
	netlink_close(&netlink);
}
END_TEST

START_TEST(an_interface_that_is_not_there_is_told)
{
	struct uplink wish = uplink("up-0");

	begin(0);
	ck_assert_int_eq(uplink_set_up(&netlink, &wish), -ENODEV);
	ck_assert_uint_eq(rules(AF_INET).count, 0);
	netlink_close(&netlink);
}
END_TEST

/* ---- several ---- */

START_TEST(several_have_the_same_addresses)
{
	struct route_prefix far = address("192.0.2.1"), far6 = address("2001:db8::1");
	struct route route;
	int one, two;

	begin(2);
	one = set_up("up-0");
	two = set_up("up-1");
	ck_assert_int_ne(one, two);
	ck_assert_uint_eq(addresses_of(one), 2);
	ck_assert_uint_eq(addresses_of(two), 2);
	ck_assert_uint_eq(ways(AF_INET).count, 2);
	ck_assert_uint_eq(ways(AF_INET6).count, 2);
	/* What nobody in particular sends has no way. */
	ck_assert_int_eq(route_get(&netlink, &route, &far), -ENETUNREACH);
	ck_assert_int_eq(route_get(&netlink, &route, &far6), -ENETUNREACH);
	netlink_close(&netlink);
}
END_TEST

START_TEST(the_sender_tells_the_way_out)
{
	const char *const far = "192.0.2.1", *const far6 = "2001:db8::1";
	struct facts first = facts_of("vz-web", "10.213.128.7/24", "fd00:8::7/64");
	struct facts second = facts_of("vz-web", "10.213.128.8/24", "fd00:8::8/64");
	int one, two;

	begin(2);
	one = set_up("up-0");
	two = set_up("up-1");
	ck_assert_int_eq(uplink_route(&netlink, one, &first), 0);
	ck_assert_int_eq(uplink_route(&netlink, two, &second), 0);
	own("10.213.128.7");
	own("10.213.128.8");
	own("10.213.128.9");
	own("fd00:8::7");
	own("fd00:8::8");
	own("fd00:8::9");
	ck_assert_int_eq(way_of("10.213.128.7", far), one);
	ck_assert_int_eq(way_of("10.213.128.8", far), two);
	ck_assert_int_eq(way_of("10.213.128.9", far), -ENETUNREACH); /* nobody's */
	ck_assert_int_eq(way_of("fd00:8::7", far6), one);
	ck_assert_int_eq(way_of("fd00:8::8", far6), two);
	ck_assert_int_eq(way_of("fd00:8::9", far6), -ENETUNREACH);
	netlink_close(&netlink);
}
END_TEST

START_TEST(a_link_of_its_own_may_have_the_whole_net)
{
	const char *const far = "192.0.2.1", *const far6 = "2001:db8::1";
	struct facts sibling = facts_of("vz-web", "10.213.0.6/24", "fd00:8::7/64");
	struct facts alone = facts_of(NULL, "10.213.0.2/30", "fd00:7::2/64");
	int one, two;

	begin(2);
	one = set_up("up-0");
	two = set_up("up-1");
	ck_assert_int_eq(uplink_route(&netlink, one, &sibling), 0);
	ck_assert_int_eq(uplink_route(&netlink, two, &alone), 0);
	own("10.213.0.3");
	own("10.213.0.4");
	own("fd00:7::77");
	own("fd00:8::8");
	ck_assert_int_eq(way_of("10.213.0.3", far), two);
	ck_assert_int_eq(way_of("10.213.0.4", far), -ENETUNREACH);
	ck_assert_int_eq(way_of("fd00:7::77", far6), two);
	ck_assert_int_eq(way_of("fd00:8::8", far6), -ENETUNREACH);
	netlink_close(&netlink);
}
END_TEST

START_TEST(what_is_near_is_found_before_any_way_out)
{
	struct facts facts = facts_of(NULL, "10.213.0.2/30", "fd00:7::2/64");
	struct route near = { .to = address("10.213.0.4") }, near6 = { .to = address("fd00:9::") };
	int one;

	begin(2);
	one = set_up("up-0");
	ck_assert_int_eq(uplink_route(&netlink, one, &facts), 0);
	own("10.213.0.2");
	own("fd00:7::2");
	near.to.length = 30;
	near6.to.length = 64;
	near.link = near6.link = (int)link_index("end-1");
	ck_assert_int_eq(link_set(&netlink, (int)link_index("up-1"),
				  &(struct link_want){ .up = LINK_ON }),
			 0);
	ck_assert_int_eq(route_add(&netlink, &near), 0);
	ck_assert_int_eq(route_add(&netlink, &near6), 0);
	ck_assert_int_eq(way_of("10.213.0.2", "10.213.0.5"), near.link);
	ck_assert_int_eq(way_of("10.213.0.2", "10.213.0.8"), one);
	ck_assert_int_eq(way_of("fd00:7::2", "fd00:9::5"), near6.link);
	ck_assert_int_eq(way_of("fd00:7::2", "fd00:a::5"), one);
	netlink_close(&netlink);
}
END_TEST

START_TEST(only_its_own_rules_are_forgotten)
{
	const char *const far = "192.0.2.1", *const far6 = "2001:db8::1";
	struct facts first = facts_of("vz-web", "10.213.128.7/24", "fd00:8::7/64");
	struct facts second = facts_of("vz-web", "10.213.128.8/24", "fd00:8::8/64");
	struct facts third = facts_of(NULL, "10.213.0.2/30", "fd00:7::2/64");
	struct facts none = { 0 };
	int last;

	begin(3);
	ck_assert_int_eq(uplink_route(&netlink, set_up("up-0"), &first), 0);
	ck_assert_int_eq(uplink_route(&netlink, set_up("up-1"), &second), 0);
	last = set_up("up-2");
	ck_assert_int_eq(uplink_route(&netlink, last, &third), 0);
	ck_assert_int_eq(uplink_route(&netlink, last, &none), 0);
	ck_assert_uint_eq(rules(AF_INET).count, 3);
	ck_assert_int_eq(uplink_forget(&netlink, &none), 0);
	ck_assert_uint_eq(rules(AF_INET).count, 3);
	ck_assert_int_eq(uplink_forget(&netlink, &second), 0);
	ck_assert_uint_eq(rules(AF_INET).count, 2);
	ck_assert_uint_eq(rules(AF_INET6).count, 2);
	ck_assert_int_eq(uplink_forget(&netlink, &first), 0);
	own("10.213.0.2");
	own("fd00:7::2");
	ck_assert_int_eq(way_of("10.213.0.2", far), last);
	ck_assert_int_eq(way_of("fd00:7::2", far6), last);
	ck_assert_int_eq(uplink_forget(&netlink, &third), 0);
	ck_assert_uint_eq(rules(AF_INET).count, 0);
	ck_assert_uint_eq(rules(AF_INET6).count, 0);
	netlink_close(&netlink);
}
END_TEST

/* Its successor has its addresses, and another interface. */
START_TEST(rules_of_one_that_was_killed_are_in_nobodys_way)
{
	struct facts facts = facts_of("vz-web", "10.213.128.7/24", "fd00:8::7/64");
	int old, other, next;

	begin(3);
	old = set_up("up-0");
	ck_assert_int_eq(uplink_route(&netlink, old, &facts), 0);
	ck_assert_int_eq(link_delete(&netlink, old), 0);
	other = set_up("up-1");
	next = set_up("up-2");
	ck_assert_int_eq(uplink_route(&netlink, next, &facts), 0);
	own("10.213.128.7");
	own("fd00:8::7");
	ck_assert_int_ne(next, other);
	ck_assert_int_eq(way_of("10.213.128.7", "192.0.2.1"), next);
	ck_assert_int_eq(way_of("fd00:8::7", "2001:db8::1"), next);
	ck_assert_int_eq(uplink_forget(&netlink, &facts), 0);
	ck_assert_uint_eq(rules(AF_INET).count, 0);
	ck_assert_uint_eq(rules(AF_INET6).count, 0);
	netlink_close(&netlink);
}
END_TEST

int main(void)
{
	return UNIT_RUN("net/uplink", it_is_up_and_leads_out, twice_is_once,
			what_does_not_lead_out_is_left_out, an_interface_that_is_not_there_is_told,
			several_have_the_same_addresses, the_sender_tells_the_way_out,
			a_link_of_its_own_may_have_the_whole_net,
			what_is_near_is_found_before_any_way_out, only_its_own_rules_are_forgotten,
			rules_of_one_that_was_killed_are_in_nobodys_way);
}
