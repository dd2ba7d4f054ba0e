#include "net/facts.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/unit.h"
#include "net/firewall.h"

/* All that a machine can have, as it stands in the file. */
static const char whole[] = "tag=0123456789abcdef\n"
			    "zone=vz-web\n"
			    "egress=deb.example.net:443 10.0.0.0/8\n"
			    "leader=4711\n"
			    "link=12\n"
			    "bridge=11\n"
			    "mac=02:00:00:00:00:02\n"
			    "gateway-mac=02:00:00:00:00:01\n"
			    "fixed=1\n"
			    "nat=1\n"
			    "chosen=1\n"
			    "router=10.213.128.9\n"
			    "router=fd00:7::9\n"
			    "names=1\n"
			    "turning=1\n"
			    "dns=5300\n"
			    "log=21000\n"
			    "address=10.213.128.7/24\n"
			    "address=fd00:7::2/64\n"
			    "gateway=10.213.128.1/24\n"
			    "gateway=fd00:7::1/64\n"
			    "pool=10.213.0.0/16\n"
			    "port=tcp:8080:80\n"
			    "port=udp:127.0.0.1:5000-5009:5000-5009\n"
			    "port=tcp:[fd00::1]:443:443\n"
			    "interface=11\n"
			    "lease=/run/redd/network/link.3\n"
			    "made=veth 2 12 redd-0123456789abcdef-0 vz-web\n"
			    "attached=interface 3 0 eth7 veth/7/0\n"
			    "pooled=0 10.213.128.7/24 10.213.128.1/24\n"
			    "pooled=1 fd00:7::2/64 fd00:7::1/64\n"
			    "middle=18446744073709551615 4095\n"
			    "further=www\n"
			    "further=mail.example\n"
			    "helper=4712 81500\n"
			    "part=1\n"
			    "link=9\n"
			    "mac=02:00:5e:10:00:02\n"
			    "gateway-mac=02:00:5e:10:00:03\n"
			    "no-router=1\n"
			    "names=0\n"
			    "address=10.213.0.14/30\n"
			    "lease=/run/redd/network/link.4\n";

static struct arena arena;

static int parse(struct facts *ret, const char *text)
{
	return facts_parse(&arena, ret, text, strlen(text));
}

static struct facts parsed(const char *text)
{
	struct facts facts;

	ck_assert_int_eq(parse(&facts, text), 0);
	return facts;
}

START_TEST(all_that_is_written_is_read_again)
{
	struct facts facts;

	ck_assert_int_eq(parse(&facts, whole), 0);
	ck_assert_str_eq(facts.tag, "0123456789abcdef");
	ck_assert_str_eq(facts.zone, "vz-web");
	ck_assert_uint_eq(facts.leader, 4711);
	ck_assert_uint_eq(facts.link, 12);
	ck_assert_uint_eq(facts.bridge, 11);
	ck_assert_uint_eq(facts.mac[5], 2);
	ck_assert_uint_eq(facts.gateway_mac[5], 1);
	ck_assert(facts.fixed && facts.nat && facts.chosen);
	ck_assert_uint_eq(facts.address_count, 2);
	ck_assert_uint_eq(facts.addresses[1].length, 64);
	ck_assert_uint_eq(facts.port_count, 3);
	ck_assert_uint_eq(facts.ports[1].count, 10);
	ck_assert(facts.middle == UINT64_MAX && facts.slot == 4095);
	ck_assert_uint_eq(facts.helper, 4712);
	ck_assert_uint_eq(facts.helper_start, 81500);
	ck_assert_str_eq(facts_print(&arena, &facts), whole);
}
END_TEST

START_TEST(nothing_is_known_of_a_machine_without_links)
{
	struct facts facts = { .leader = 77 };

	ck_assert_int_eq(facts_parse(&arena, &facts, "", 0), 0);
	ck_assert_uint_eq(facts.leader, 0);
	ck_assert_ptr_null(facts.egress);
	ck_assert_str_eq(facts_print(&arena, &facts), "");
}
END_TEST

/* "Nothing may be reached" is not "everything". */
START_TEST(an_empty_list_of_what_may_be_reached_stays_one)
{
	struct facts facts = { .egress = "" };
	struct firewall_machine machine;

	ck_assert_int_eq(parse(&facts, facts_print(&arena, &facts)), 0);
	ck_assert_str_eq(facts.egress, "");
	ck_assert_int_eq(facts_machine(&arena, &machine, &facts), 0);
	ck_assert(machine.restricted);
	ck_assert_uint_eq(machine.target_count, 0);
}
END_TEST

START_TEST(a_newer_programs_keys_are_skipped)
{
	struct facts facts;

	ck_assert_int_eq(parse(&facts, "colour=red\nlink=7\n=\n"), 0);
	ck_assert_uint_eq(facts.link, 7);
}
END_TEST

START_TEST(what_cannot_be_understood_is_refused)
{
	static const char *const texts[] = {
		"link=7",
		"link\n",
		"\n",
		"link=x\n",
		"link=-1\n",
		"link=4294967296\n",
		"bridge=\n",
		"leader=1 2\n",
		"dns=65536\n",
		"log=0\n",
		"mac=02:00:00:00:00\n",
		"gateway-mac=01:00:00:00:00:01\n",
		"address=10.0.0.300/24\n",
		"address=10.0.0.2/33\n",
		"gateway=\n",
		"router=10.0.0.1/24\n",
		"pool=fd00::/129\n",
		"pooled=0 10.0.0.2/30\n",
		"pooled=x 10.0.0.2/30 10.0.0.1/30\n",
		"pooled=0 10.0.0.2/30 10.0.0.1/33\n",
		"port=80:\n",
		"port=tcp\n",
		"interface=lo\n",
		"made=veth 1 2\n",
		"made=bridge 1 2 x\n",
		"made=veth x 2 y\n",
		"made=veth 1 2 y z a\n",
		"made=veth 1 2 y a/b\n",
		"made=interface 1 0 a/b\n",
	};
	struct facts facts = { .leader = 77 };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_msg(parse(&facts, texts[i]) == -EBADMSG, "'%s'", texts[i]);
	ck_assert_int_eq(facts_parse(&arena, &facts, "tag=a\0b\n", 8), -EBADMSG);
	ck_assert_uint_eq(facts.leader, 77);
}
END_TEST

static char *repeat(const char *line, size_t count)
{
	size_t length = strlen(line);
	char *text = arena_take(&arena, count * length + 1);

	for (size_t i = 0; i < count; i++)
		memcpy(text + i * length, line, length);
	return text;
}

START_TEST(lists_and_the_whole_have_an_end)
{
	static const struct {
		const char *line;
		size_t most;
	} lists[] = {
		{ "address=10.0.0.2/24\n", FACTS_LIST_MAX },
		{ "pool=10.0.0.0/8\n", FACTS_LIST_MAX },
		{ "gateway=fd00::1/64\n", FACTS_LIST_MAX },
		{ "interface=7\n", FACTS_LIST_MAX },
		{ "made=veth 1 2 x\n", FACTS_LIST_MAX },
		{ "lease=/x\n", FACTS_LIST_MAX },
		{ "pooled=0 10.0.0.2/30 10.0.0.1/30\n", FACTS_LIST_MAX },
		{ "part=1\n", FACTS_PARTS_MAX },
		{ "port=80:80\n", FACTS_PORTS_MAX },
	};
	struct facts facts;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		ck_assert_int_eq(parse(&facts, repeat(lists[i].line, lists[i].most)), 0);
		ck_assert_int_eq(parse(&facts, repeat(lists[i].line, lists[i].most + 1)), -EBADMSG);
	}
	ck_assert_int_eq(parse(&facts, repeat("a=b\n", FACTS_SIZE_MAX / 4)), 0);
	ck_assert_int_eq(parse(&facts, repeat("a=b\n", FACTS_SIZE_MAX / 4 + 1)), -EBADMSG);
}
END_TEST

START_TEST(one_more_than_a_list_holds_is_too_many)
{
	struct ip_prefix prefix = { .ip.family = AF_INET, .length = 32 };
	struct port port = { .protocol = IPPROTO_TCP, .host = 1, .container = 1, .count = 1 };
	struct facts facts = { 0 };

	for (int i = 0; i < FACTS_LIST_MAX; i++) {
		ck_assert_int_eq(facts_add_prefix(&arena, &facts.addresses, &facts.address_count,
						  &prefix),
				 0);
		ck_assert_int_eq(facts_add_interface(&arena, &facts, 7), 0);
		ck_assert_ptr_nonnull(facts_add_made(&arena, &facts));
	}
	for (int i = 0; i < FACTS_PORTS_MAX; i++)
		ck_assert_int_eq(facts_add_port(&arena, &facts, &port), 0);
	ck_assert_int_eq(facts_add_prefix(&arena, &facts.addresses, &facts.address_count, &prefix),
			 -E2BIG);
	ck_assert_int_eq(facts_add_interface(&arena, &facts, 7), -E2BIG);
	ck_assert_ptr_null(facts_add_made(&arena, &facts));
	ck_assert_int_eq(facts_add_port(&arena, &facts, &port), -E2BIG);
	ck_assert_uint_eq(facts.address_count, FACTS_LIST_MAX);
}
END_TEST

START_TEST(the_firewall_gets_what_it_needs)
{
	struct firewall_machine machine;
	struct facts facts;

	ck_assert_int_eq(parse(&facts, whole), 0);
	ck_assert_int_eq(facts_machine(&arena, &machine, &facts), 0);
	ck_assert_uint_eq(machine.link, 12);
	ck_assert_uint_eq(machine.bridge, 11);
	ck_assert_uint_eq(machine.mac[5], 2);
	ck_assert_uint_eq(machine.gateway_mac[5], 1);
	ck_assert(machine.fixed && machine.nat && machine.restricted);
	ck_assert_uint_eq(machine.dns_port, 5300);
	ck_assert_uint_eq(machine.log_group, 21000);
	/* On a bridge it has that one address, not the net around it. */
	ck_assert_uint_eq(machine.addresses[0].bits, 32);
	ck_assert_uint_eq(machine.addresses[1].bits, 128);
	ck_assert_uint_eq(machine.gateways[1].bits, 128);
	ck_assert_uint_eq(machine.pools[0].bits, 16);
	ck_assert_uint_eq(machine.port_count, 3);
	ck_assert_int_eq(machine.ports[0].host.family, 0);
	ck_assert_uint_eq(machine.ports[0].last, 8080);
	ck_assert_uint_eq(machine.ports[1].last, 5009);
	ck_assert_uint_eq(machine.ports[1].host.bits, 32);
	ck_assert_int_eq(machine.ports[1].protocol, IPPROTO_UDP);
	ck_assert_uint_eq(machine.ports[2].host.bits, 128);
	/* Names open when they are asked for. */
	ck_assert_uint_eq(machine.target_count, 1);
	ck_assert_uint_eq(machine.targets[0].network.bits, 8);
	ck_assert_uint_eq(machine.targets[0].first, 0);
	ck_assert_uint_eq(machine.targets[0].last, 0);
}
END_TEST

START_TEST(with_a_link_of_its_own_a_machine_has_its_ipv6_net)
{
	struct firewall_machine machine;
	struct facts facts;

	ck_assert_int_eq(parse(&facts, "link=12\n"
				       "address=10.213.0.2/30\n"
				       "address=fd00:7::2/64\n"
				       "address=fd00:8::2/128\n"),
			 0);
	ck_assert_int_eq(facts_machine(&arena, &machine, &facts), 0);
	ck_assert_uint_eq(machine.addresses[0].bits, 32);
	ck_assert_uint_eq(machine.addresses[1].bits, 64);
	ck_assert_uint_eq(machine.addresses[2].bits, 128);
}
END_TEST

/* What it learns from DNS is opened for one address. */
START_TEST(a_machine_that_may_not_reach_everything_has_one_address_of_it)
{
	struct firewall_machine machine;
	struct facts facts;

	ck_assert_int_eq(parse(&facts, "link=12\n"
				       "address=fd00:7::2/64\n"
				       "egress=tcp:192.0.2.0/24:80-90\n"),
			 0);
	ck_assert_int_eq(facts_machine(&arena, &machine, &facts), 0);
	ck_assert(machine.restricted);
	ck_assert_uint_eq(machine.addresses[0].bits, 128);
	ck_assert_uint_eq(machine.targets[0].first, 80);
	ck_assert_uint_eq(machine.targets[0].last, 90);
	ck_assert_uint_eq(machine.targets[0].protocol, IPPROTO_TCP);
}
END_TEST

/* It would mean that less is closed than was asked for. */
START_TEST(a_wrong_list_of_what_may_be_reached_opens_nothing)
{
	struct firewall_machine machine = { .link = 77 };
	struct facts facts;

	ck_assert_int_eq(parse(&facts, "link=12\negress=10.0.0.0/8 10.0.0.0/40\n"), 0);
	ck_assert_int_eq(facts_machine(&arena, &machine, &facts), -EINVAL);
	ck_assert_uint_eq(machine.link, 77);
}
END_TEST

START_TEST(a_part_has_what_follows_it)
{
	struct facts facts = parsed(whole), *part;

	ck_assert_uint_eq(facts.part_count, 1);
	part = facts_find_part(&facts, 9);
	ck_assert_ptr_eq(part, facts.parts);
	ck_assert_uint_eq(part->address_count, 1);
	ck_assert_uint_eq(part->port_count, 0);
	ck_assert_uint_eq(facts.address_count, 2);
	ck_assert_ptr_eq(facts_find_part(&facts, 12), &facts);
	ck_assert_ptr_null(facts_find_part(&facts, 0));
	ck_assert_ptr_null(facts_find_part(&facts, 6));
}
END_TEST

START_TEST(what_was_made_is_found_by_its_index_inside)
{
	struct facts facts = parsed(whole);

	ck_assert_uint_eq(facts.made_count, 2);
	ck_assert_int_eq(facts_find_made(&facts, 3)->kind, FACTS_INTERFACE);
	ck_assert_str_eq(facts_find_made(&facts, 3)->name, "eth7");
	ck_assert_ptr_null(facts_find_made(&facts, 3)->zone);
	ck_assert_str_eq(facts_find_made(&facts, 3)->identity, "veth/7/0");
	ck_assert_str_eq(facts_find_made(&facts, 2)->zone, "vz-web");
	ck_assert_ptr_null(facts_find_made(&facts, 4));
	/* It was noted, and not made. */
	facts = parsed("made=veth 0 0 redd-1-0\n");
	ck_assert_ptr_null(facts_find_made(&facts, 0));
}
END_TEST

START_TEST(what_is_removed_leaves_the_others)
{
	struct facts facts = parsed(whole);

	facts_remove_made(&facts, &facts.made[0]);
	ck_assert_uint_eq(facts.made_count, 1);
	ck_assert_str_eq(facts.made[0].name, "eth7");
	ck_assert(facts.made[0].attached);
	facts_remove_made(&facts, &facts.made[0]);
	ck_assert_uint_eq(facts.made_count, 0);
	ck_assert_ptr_nonnull(facts_add_part(&arena, &facts));
	facts_remove_part(&facts, &facts.parts[1]);
	ck_assert_ptr_eq(facts_find_part(&facts, 9), facts.parts);
	facts_remove_part(&facts, &facts.parts[0]);
	ck_assert_ptr_null(facts_find_part(&facts, 9));
}
END_TEST

START_TEST(a_bridge_that_two_ports_have_is_told_once_less)
{
	struct facts facts = parsed("interface=4\ninterface=7\ninterface=4\n");
	uint32_t found[FACTS_LIST_MAX];

	ck_assert_uint_eq(facts_interfaces(&facts, found), 2);
	ck_assert_uint_eq(found[0], 4);
	ck_assert_uint_eq(found[1], 7);
	facts_remove_interface(&facts, 4);
	ck_assert_uint_eq(facts.interface_count, 2);
	ck_assert_uint_eq(facts.interfaces[0], 7);
	ck_assert_uint_eq(facts.interfaces[1], 4);
	facts_remove_interface(&facts, 5);
	ck_assert_uint_eq(facts.interface_count, 2);
}
END_TEST

START_TEST(what_is_turning_may_have_left_rules_of_either_kind)
{
	const char *text = "link=5\nfixed=1\nnames=1\naddress=10.0.0.2/24\n"
			   "gateway=10.0.0.1/24\negress=10.0.0.0/8\n";
	struct firewall_machine *machines;
	struct facts facts = parsed(text);
	size_t count;

	ck_assert_int_eq(facts_traces(&arena, &machines, &count, &facts), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert(machines[0].restricted && !machines[0].nat);
	facts.turning = true;
	ck_assert_int_eq(facts_traces(&arena, &machines, &count, &facts), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert(!machines[0].restricted && machines[0].nat);
	ck_assert(machines[1].restricted && machines[1].nat);
	ck_assert_uint_eq(machines[1].target_count, 0);
}
END_TEST

START_TEST(rules_are_for_each_part_that_is_known)
{
	struct facts facts = parsed(whole);
	struct firewall_machine *machines;
	size_t count;

	ck_assert_int_eq(facts_machines(&arena, &machines, &count, &facts), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(machines[0].link, 12);
	ck_assert_uint_eq(machines[0].port_count, 3);
	ck_assert(machines[0].restricted);
	ck_assert_uint_eq(machines[1].link, 9);
	ck_assert_uint_eq(machines[1].addresses[0].bits, 32);

	facts = parsed("link=5\n"); /* somebody else's network */
	ck_assert_int_eq(facts_machines(&arena, &machines, &count, &facts), 0);
	ck_assert_uint_eq(count, 0);
	facts = parsed("link=5\naddress=10.0.0.2/24\negress=::::\n");
	ck_assert_int_eq(facts_machines(&arena, &machines, &count, &facts), -EINVAL);
}
END_TEST

int main(void)
{
	return UNIT_RUN("net/facts", all_that_is_written_is_read_again,
			nothing_is_known_of_a_machine_without_links,
			an_empty_list_of_what_may_be_reached_stays_one,
			a_newer_programs_keys_are_skipped, what_cannot_be_understood_is_refused,
			lists_and_the_whole_have_an_end, one_more_than_a_list_holds_is_too_many,
			the_firewall_gets_what_it_needs,
			with_a_link_of_its_own_a_machine_has_its_ipv6_net,
			a_machine_that_may_not_reach_everything_has_one_address_of_it,
			a_wrong_list_of_what_may_be_reached_opens_nothing,
			a_part_has_what_follows_it, what_was_made_is_found_by_its_index_inside,
			what_is_removed_leaves_the_others,
			a_bridge_that_two_ports_have_is_told_once_less,
			what_is_turning_may_have_left_rules_of_either_kind,
			rules_are_for_each_part_that_is_known);
}
