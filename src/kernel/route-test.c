#include "kernel/route.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>

#include "base/unit.h"
#include "kernel/fixture.h"
#include "kernel/link.h"
#include "kernel/netlink.h"

/* A namespace with a pair of interfaces that are up. */
static void enter(struct netlink *netlink, int *ret_index, int *ret_peer)
{
	struct link_want here = { .name = "one" }, end = { .name = "two" };
	struct link_want up = { .up = LINK_ON };

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(netlink_open(netlink, NETLINK_ROUTE), 0);
	ck_assert_int_eq(link_make_veth(netlink, ret_index, ret_peer, &here, &end), 0);
	ck_assert_int_eq(link_set(netlink, *ret_index, &up), 0);
	ck_assert_int_eq(link_set(netlink, *ret_peer, &up), 0);
}

static struct route_prefix prefix(const char *text, unsigned int length)
{
	struct route_prefix ret = { .family = strchr(text, ':') ? AF_INET6 : AF_INET,
				    .length = length };

	ck_assert_int_eq(inet_pton(ret.family, text, ret.bytes), 1);
	return ret;
}

static void same_prefix(const struct route_prefix *have, const char *text, unsigned int length)
{
	struct route_prefix want = prefix(text, length);

	ck_assert_int_eq(have->family, want.family);
	ck_assert_uint_eq(have->length, length);
	ck_assert_mem_eq(have->bytes, want.bytes, sizeof(want.bytes));
}

struct seen {
	struct route_address addresses[16];
	struct route routes[64];
	size_t count;
};

static int note_address(const struct route_address *address, void *context)
{
	struct seen *seen = context;

	ck_assert_uint_lt(seen->count, 16);
	seen->addresses[seen->count++] = *address;
	return 0;
}

static const struct route_address *find(const struct seen *seen, int family, unsigned int scope)
{
	for (size_t i = 0; i < seen->count; i++)
		if (seen->addresses[i].local.family == family && seen->addresses[i].scope == scope)
			return &seen->addresses[i];
	ck_abort_msg("no such address");
	return NULL;
}

/* ---- addresses ---- */

START_TEST(addresses_come_and_go)
{
	struct netlink netlink;
	struct route_address four = { .local = prefix("10.0.0.1", 30), .metric = 77 };
	struct route_address six = { .local = prefix("fd00::1", 64), .flags = IFA_F_NODAD };
	const struct route_address *found;
	struct seen seen = {};
	int peer;

	enter(&netlink, &four.link, &peer);
	six.link = four.link;
	ck_assert_int_eq(route_add_address(&netlink, &four), 0);
	ck_assert_int_eq(route_add_address(&netlink, &six), 0);
	ck_assert_int_eq(route_add_address(&netlink, &four), -EEXIST);
	ck_assert_int_eq(route_add_address(&netlink, &six), -EEXIST);

	ck_assert_int_eq(route_list_addresses(&netlink, four.link, note_address, &seen), 0);
	found = find(&seen, AF_INET, RT_SCOPE_UNIVERSE);
	same_prefix(&found->local, "10.0.0.1", 30);
	ck_assert_int_eq(found->peer.family, AF_UNSPEC);
	ck_assert_int_eq(found->link, four.link);
	ck_assert_uint_eq(found->metric, 77);
	found = find(&seen, AF_INET6, RT_SCOPE_UNIVERSE);
	same_prefix(&found->local, "fd00::1", 64);
	ck_assert_uint_eq(found->flags & (IFA_F_NODAD | IFA_F_TENTATIVE), IFA_F_NODAD);

	ck_assert_int_eq(route_delete_address(&netlink, &four), 0);
	ck_assert_int_eq(route_delete_address(&netlink, &six), 0);
	ck_assert_int_eq(route_delete_address(&netlink, &four), -EADDRNOTAVAIL);
	ck_assert_int_eq(route_delete_address(&netlink, &six), -EADDRNOTAVAIL);
	netlink_close(&netlink);
}
END_TEST

START_TEST(an_address_may_have_another_end)
{
	struct netlink netlink;
	struct route_address four = { .local = prefix("10.0.0.1", 32),
				      .peer = prefix("192.168.7.0", 24) };
	struct route_address six = { .local = prefix("fd00::1", 128),
				     .peer = prefix("fd00::2", 128),
				     .flags = IFA_F_NODAD };
	const struct route_address *found;
	struct seen seen = {};
	struct route route;
	int peer;

	enter(&netlink, &four.link, &peer);
	six.link = four.link;
	ck_assert_int_eq(route_add_address(&netlink, &four), 0);
	ck_assert_int_eq(route_add_address(&netlink, &six), 0);
	ck_assert_int_eq(route_list_addresses(&netlink, four.link, note_address, &seen), 0);
	found = find(&seen, AF_INET, RT_SCOPE_UNIVERSE);
	same_prefix(&found->local, "10.0.0.1", 24);
	same_prefix(&found->peer, "192.168.7.0", 24);
	found = find(&seen, AF_INET6, RT_SCOPE_UNIVERSE);
	same_prefix(&found->local, "fd00::1", 128);
	same_prefix(&found->peer, "fd00::2", 128);
	ck_assert_int_eq(route_get(&netlink, &route, &four.peer), 0);
	ck_assert_int_eq(route.link, four.link);
	same_prefix(&route.to, "192.168.7.0", 24);
	ck_assert_int_eq(route_delete_address(&netlink, &four), 0);
	ck_assert_int_eq(route_delete_address(&netlink, &six), 0);
	netlink_close(&netlink);
}
END_TEST

START_TEST(the_addresses_of_one_interface_are_listed_or_those_of_all)
{
	struct netlink netlink;
	struct route_address one = { .local = prefix("10.0.0.1", 30), .scope = RT_SCOPE_LINK };
	struct route_address two = { .local = prefix("10.0.0.5", 30) };
	struct seen seen = {};

	enter(&netlink, &one.link, &two.link);
	ck_assert_int_eq(route_add_address(&netlink, &one), 0);
	ck_assert_int_eq(route_add_address(&netlink, &two), 0);
	ck_assert_int_eq(route_list_addresses(&netlink, two.link, note_address, &seen), 0);
	for (size_t i = 0; i < seen.count; i++)
		ck_assert_int_eq(seen.addresses[i].link, two.link);
	same_prefix(&find(&seen, AF_INET, RT_SCOPE_UNIVERSE)->local, "10.0.0.5", 30);
	seen.count = 0;
	ck_assert_int_eq(route_list_addresses(&netlink, 0, note_address, &seen), 0);
	same_prefix(&find(&seen, AF_INET, RT_SCOPE_LINK)->local, "10.0.0.1", 30);
	same_prefix(&find(&seen, AF_INET, RT_SCOPE_UNIVERSE)->local, "10.0.0.5", 30);
	ck_assert_int_eq(route_list_addresses(&netlink, 4711, note_address, &seen), -ENODEV);
	one.link = 4711;
	ck_assert_int_eq(route_add_address(&netlink, &one), -ENODEV);
	netlink_close(&netlink);
}
END_TEST

/* ---- routes ---- */

static void check_routes(const char *address, unsigned int length, const char *gateway,
			 const char *net, unsigned int net_length, const char *inside)
{
	struct netlink netlink;
	struct route_address own = { .local = prefix(address, length), .flags = IFA_F_NODAD };
	struct route route = { .to = prefix(net, net_length),
			       .gateway = prefix(gateway, 0),
			       .source = prefix(address, 0) };
	struct route_prefix to = prefix(inside, 0);
	struct route found;
	int peer;

	enter(&netlink, &own.link, &peer);
	ck_assert_int_eq(route_get(&netlink, &found, &to), -ENETUNREACH);
	ck_assert_int_lt(route_add(&netlink, &route), 0);
	ck_assert_int_eq(route_add_address(&netlink, &own), 0);
	ck_assert_int_eq(route_add(&netlink, &route), 0);
	ck_assert_int_eq(route_add(&netlink, &route), -EEXIST);
	ck_assert_int_eq(route_get(&netlink, &found, &to), 0);
	same_prefix(&found.to, net, net_length);
	same_prefix(&found.gateway, gateway, 0);
	same_prefix(&found.source, address, 0);
	ck_assert_int_eq(found.link, own.link);
	ck_assert_uint_eq(found.type, RTN_UNICAST);
	ck_assert_uint_eq(found.table, RT_TABLE_MAIN);
	ck_assert_int_eq(route_delete(&netlink, &route), 0);
	ck_assert_int_eq(route_delete(&netlink, &route), -ESRCH);
	ck_assert_int_eq(route_get(&netlink, &found, &to), -ENETUNREACH);
	netlink_close(&netlink);
}

START_TEST(a_net_is_reached_by_a_gateway)
{
	check_routes("10.0.0.1", 30, "10.0.0.2", "192.168.0.0", 16, "192.168.7.8");
}
END_TEST

START_TEST(a_net_of_ipv6_is_reached_by_a_gateway)
{
	check_routes("fd00::1", 64, "fd00::2", "fd01::", 48, "fd01::7");
}
END_TEST

START_TEST(the_default_route_matches_everything)
{
	check_routes("10.0.0.1", 30, "10.0.0.2", "0.0.0.0", 0, "192.0.2.1");
}
END_TEST

START_TEST(the_default_route_of_ipv6_matches_everything)
{
	check_routes("fd00::1", 64, "fd00::2", "::", 0, "2001:db8::1");
}
END_TEST

START_TEST(a_gateway_may_be_on_the_link_without_an_address_there)
{
	struct netlink netlink;
	struct route_address own = { .local = prefix("10.0.0.1", 32) };
	struct route route = { .to = prefix("0.0.0.0", 0), .gateway = prefix("192.0.2.1", 0) };
	struct route_prefix to = prefix("198.51.100.1", 32);
	struct route found;
	int peer;

	enter(&netlink, &own.link, &peer);
	route.link = own.link;
	ck_assert_int_eq(route_add_address(&netlink, &own), 0);
	ck_assert_int_eq(route_add(&netlink, &route), -ENETUNREACH);
	route.onlink = true;
	ck_assert_int_eq(route_add(&netlink, &route), 0);
	ck_assert_int_eq(route_get(&netlink, &found, &to), 0);
	ck_assert(found.onlink);
	same_prefix(&found.gateway, "192.0.2.1", 0);

	route = (struct route){ .to = prefix("203.0.113.0", 24), .link = own.link, .metric = 5 };
	to = prefix("203.0.113.9", 32);
	ck_assert_int_eq(route_add(&netlink, &route), 0);
	ck_assert_int_eq(route_get(&netlink, &found, &to), 0);
	same_prefix(&found.to, "203.0.113.0", 24);
	ck_assert_int_eq(found.gateway.family, AF_UNSPEC);
	ck_assert_uint_eq(found.metric, 5);
	netlink_close(&netlink);
}
END_TEST

START_TEST(a_route_may_say_that_there_is_none)
{
	struct netlink netlink;
	struct route four = { .to = prefix("203.0.113.0", 24), .type = RTN_UNREACHABLE };
	struct route six = { .to = prefix("2001:db8::", 32), .type = RTN_UNREACHABLE };
	struct route_prefix to_four = prefix("203.0.113.9", 32),
			    to_six = prefix("2001:db8::1", 128);
	struct route found;
	int index, peer;

	enter(&netlink, &index, &peer);
	ck_assert_int_eq(route_add(&netlink, &four), 0);
	ck_assert_int_eq(route_add(&netlink, &six), 0);
	ck_assert_int_eq(route_get(&netlink, &found, &to_four), -EHOSTUNREACH);
	ck_assert_int_eq(route_get(&netlink, &found, &to_six), -EHOSTUNREACH);
	netlink_close(&netlink);
}
END_TEST

static int note_route(const struct route *route, void *context)
{
	struct seen *seen = context;

	if (seen->count < 64)
		seen->routes[seen->count++] = *route;
	return 0;
}

static size_t count_table(const struct seen *seen, uint32_t table)
{
	size_t count = 0;

	for (size_t i = 0; i < seen->count; i++)
		count += seen->routes[i].table == table;
	return count;
}

START_TEST(tables_of_any_number_are_listed_apart)
{
	struct netlink netlink;
	struct route route = { .to = prefix("203.0.113.0", 24), .table = 70000 };
	struct route six = { .to = prefix("2001:db8::", 32), .table = 70000 };
	struct seen seen = {};
	int peer;

	enter(&netlink, &route.link, &peer);
	six.link = route.link;
	ck_assert_int_eq(route_add(&netlink, &route), 0);
	ck_assert_int_eq(route_add(&netlink, &six), 0);
	ck_assert_int_eq(route_list(&netlink, AF_INET, 70000, note_route, &seen), 0);
	ck_assert_uint_eq(seen.count, 1);
	same_prefix(&seen.routes[0].to, "203.0.113.0", 24);
	seen.count = 0;
	ck_assert_int_eq(route_list(&netlink, AF_UNSPEC, 0, note_route, &seen), 0);
	ck_assert_uint_gt(seen.count, 2);
	ck_assert_uint_eq(count_table(&seen, 70000), 2);
	seen.count = 0;
	ck_assert_int_eq(route_list(&netlink, AF_INET6, 70001, note_route, &seen), 0);
	ck_assert_uint_eq(seen.count, 0);
	netlink_close(&netlink);
}
END_TEST

/* ---- policy rules ---- */

static void check_rules(int family, const char *net, unsigned int length, const char *inside)
{
	struct netlink netlink;
	struct route_address own = { .local = prefix(inside, length), .flags = IFA_F_NODAD };
	struct route_rule rule = { .family = family,
				   .priority = 100,
				   .to = prefix(net, length),
				   .action = FR_ACT_PROHIBIT };
	struct route_rule marked = { .family = family,
				     .priority = 50,
				     .from_link = "one",
				     .mark = 0x10,
				     .mask = 0xf0,
				     .action = FR_ACT_TO_TBL,
				     .table = RT_TABLE_MAIN };
	struct route_prefix to = prefix(inside, 0);
	struct route found;
	int peer;

	enter(&netlink, &own.link, &peer);
	ck_assert_int_eq(route_add_address(&netlink, &own), 0);
	to.bytes[length / 8 + 1] ^= 7;
	ck_assert_int_eq(route_get(&netlink, &found, &to), 0);
	ck_assert_int_eq(route_add_rule(&netlink, &rule), 0);
	ck_assert_int_eq(route_add_rule(&netlink, &rule), -EEXIST);
	ck_assert_int_eq(route_get(&netlink, &found, &to), -EACCES);
	ck_assert_int_eq(route_add_rule(&netlink, &marked), 0);
	ck_assert_int_eq(route_get(&netlink, &found, &to), -EACCES);
	ck_assert_int_eq(route_delete_rule(&netlink, &rule), 0);
	ck_assert_int_eq(route_get(&netlink, &found, &to), 0);
	ck_assert_int_eq(route_delete_rule(&netlink, &rule), -ENOENT);
	ck_assert_int_eq(route_delete_rule(&netlink, &marked), 0);
	netlink_close(&netlink);
}

START_TEST(rules_come_before_routes)
{
	check_rules(AF_INET, "10.1.0.0", 16, "10.1.0.1");
}
END_TEST

START_TEST(rules_of_ipv6_come_before_routes)
{
	check_rules(AF_INET6, "fd00::", 64, "fd00::1");
}
END_TEST

static int note_rule(const struct route_rule *rule, void *context)
{
	struct route_rule *seen = context;

	ck_assert_uint_eq(rule->protocol, 82);
	if (rule->action == FR_ACT_GOTO)
		ck_assert_str_eq(rule->from_link, "lo");
	seen[rule->priority - 50] = *rule;
	return 0;
}

START_TEST(a_rule_may_jump_over_others_and_tells_who_made_it)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct netlink netlink;
	int one, two;

	enter(&netlink, &one, &two);
	for (size_t i = 0; i < 2; i++) {
		struct route_rule end = {
			.family = families[i], .priority = 52, .action = FR_ACT_NOP, .protocol = 82
		};
		struct route_rule jump = { .family = families[i],
					   .priority = 50,
					   .from_link = "lo",
					   .action = FR_ACT_GOTO,
					   .go_to = 52,
					   .protocol = 82 };
		struct route_rule refuse = { .family = families[i],
					     .priority = 51,
					     .mask = 0x10,
					     .action = FR_ACT_PROHIBIT,
					     .protocol = 82 };
		struct route_address own = { .local = i == 0 ? prefix("10.0.0.1", 24)
							     : prefix("fd00::1", 64),
					     .link = one,
					     .flags = IFA_F_NODAD };
		struct route_prefix to = i == 0 ? prefix("10.0.0.2", 0) : prefix("fd00::2", 0);
		struct route_rule seen[3] = {};
		struct route found;

		ck_assert_int_eq(route_add_address(&netlink, &own), 0);
		ck_assert_int_eq(route_add_rule(&netlink, &end), 0);
		ck_assert_int_eq(route_add_rule(&netlink, &refuse), 0);
		ck_assert_int_eq(route_get(&netlink, &found, &to), -EACCES);
		ck_assert_int_eq(route_add_rule(&netlink, &jump), 0);
		ck_assert_int_eq(route_get(&netlink, &found, &to), 0);
		ck_assert_int_eq(route_list_rules(&netlink, families[i], 82, note_rule, seen), 0);
		ck_assert_uint_eq(seen[0].go_to, 52);
		ck_assert_uint_eq(seen[1].mask, 0x10);
		ck_assert_uint_eq(seen[1].action, FR_ACT_PROHIBIT);
		ck_assert_uint_eq(seen[2].action, FR_ACT_NOP);
	}
	netlink_close(&netlink);
}
END_TEST

START_TEST(many_are_sent_at_once)
{
	struct netlink netlink;
	struct route_address own = { .local = prefix("10.0.0.2", 30) };
	struct route_address six = { .local = prefix("fd00::2", 64), .flags = IFA_F_NODAD };
	struct route route = { .to = prefix("0.0.0.0", 0), .gateway = prefix("10.0.0.1", 0) };
	struct route default_six = { .to = prefix("::", 0), .gateway = prefix("fd00::1", 0) };
	struct route_prefix to = prefix("192.0.2.1", 32), to_six = prefix("2001:db8::1", 128);
	unsigned char room[512];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct route found;
	int peer;

	enter(&netlink, &own.link, &peer);
	six.link = own.link;
	ck_assert_int_eq(link_set(&netlink, own.link, &(struct link_want){ .up = LINK_OFF }), 0);
	ck_assert_int_eq(link_put(&request, own.link, &(struct link_want){ .up = LINK_ON }, 0), 0);
	route_put_address(&request, &own, 0);
	route_put_address(&request, &six, 0);
	route_put(&request, &route, 0);
	route_put(&request, &default_six, NLM_F_ACK);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);
	ck_assert_int_eq(route_get(&netlink, &found, &to), 0);
	ck_assert_int_eq(route_get(&netlink, &found, &to_six), 0);
	same_prefix(&found.gateway, "fd00::1", 0);
	netlink_close(&netlink);
}
END_TEST

int main(void)
{
	return UNIT_RUN("kernel/route", addresses_come_and_go, an_address_may_have_another_end,
			the_addresses_of_one_interface_are_listed_or_those_of_all,
			a_net_is_reached_by_a_gateway, a_net_of_ipv6_is_reached_by_a_gateway,
			the_default_route_matches_everything,
			the_default_route_of_ipv6_matches_everything,
			a_gateway_may_be_on_the_link_without_an_address_there,
			a_route_may_say_that_there_is_none, tables_of_any_number_are_listed_apart,
			rules_come_before_routes, rules_of_ipv6_come_before_routes,
			a_rule_may_jump_over_others_and_tells_who_made_it, many_are_sent_at_once);
}
