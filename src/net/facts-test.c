#include "net/facts.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/unit.h"
#include "net/firewall.h"

static struct arena arena;

static struct facts parse(const char *text)
{
	struct facts facts;

	ck_assert_int_eq(facts_parse(&arena, &facts, text, strlen(text)), 0);
	return facts;
}

static void refuse(const char *text)
{
	struct facts facts = { .leader = 7 };

	ck_assert_msg(facts_parse(&arena, &facts, text, strlen(text)) == -EBADMSG, "%s", text);
	ck_assert_uint_eq(facts.leader, 7);
}

static const char whole[] = "tag=0123456789abcdef\n"
			    "zone=vz-web\n"
			    "egress=packages.example.net:443\n"
			    "leader=42\n"
			    "link=5\n"
			    "bridge=4\n"
			    "mac=02:00:5e:10:00:01\n"
			    "fixed=1\n"
			    "nat=1\n"
			    "dns=40001\n"
			    "log=17\n"
			    "address=10.213.128.2/24\n"
			    "address=fd00::2/64\n"
			    "gateway=10.213.128.1/24\n"
			    "pool=10.213.0.0/16\n"
			    "port=tcp:8000-8010:9000-9010\n"
			    "interface=4\n"
			    "made=veth 2 5 redd-0123456789abcdef-0 vz-web\n"
			    "made=interface 3 0 eth1\n"
			    "lease=/run/redd/network/link.3\n"
			    "part=1\n"
			    "link=9\n"
			    "mac=02:00:5e:10:00:02\n"
			    "address=10.213.0.14/30\n";

START_TEST(what_is_printed_is_read_again)
{
	struct facts facts = parse(whole);

	ck_assert_str_eq(facts_print(&arena, &facts), whole);
}
END_TEST

START_TEST(a_part_has_what_follows_it)
{
	struct facts facts = parse(whole), *part;

	ck_assert_uint_eq(facts.part_count, 1);
	part = facts_find_part(&facts, 9);
	ck_assert_ptr_eq(part, facts.parts);
	ck_assert_uint_eq(part->address_count, 1);
	ck_assert_uint_eq(part->port_count, 0);
	ck_assert_uint_eq(facts.address_count, 2);
	ck_assert_ptr_eq(facts_find_part(&facts, 5), &facts);
	ck_assert_ptr_null(facts_find_part(&facts, 0));
	ck_assert_ptr_null(facts_find_part(&facts, 6));
}
END_TEST

START_TEST(what_was_made_is_found_by_its_index_inside)
{
	struct facts facts = parse(whole);

	ck_assert_uint_eq(facts.made_count, 2);
	ck_assert_int_eq(facts_find_made(&facts, 3)->kind, FACTS_INTERFACE);
	ck_assert_str_eq(facts_find_made(&facts, 3)->name, "eth1");
	ck_assert_ptr_null(facts_find_made(&facts, 3)->zone);
	ck_assert_str_eq(facts_find_made(&facts, 2)->zone, "vz-web");
	ck_assert_ptr_null(facts_find_made(&facts, 4));
	/* It was noted, and not made. */
	facts = parse("made=veth 0 0 redd-1-0\n");
	ck_assert_ptr_null(facts_find_made(&facts, 0));
}
END_TEST

START_TEST(unknown_keys_are_skipped)
{
	struct facts facts = parse("colour=blue\nleader=3\n=\n");

	ck_assert_uint_eq(facts.leader, 3);
}
END_TEST

START_TEST(what_is_not_understood_is_refused)
{
	static const char *const bad[] = {
		"leader=x\n",
		"leader=1",
		"leader\n",
		"mac=02:00\n",
		"address=10.0.0.1/33\n",
		"port=icmp:1\n",
		"made=veth 1 2\n",
		"made=bridge 1 2 x\n",
		"made=veth x 2 y\n",
		"made=veth 1 2 y z a\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuse(bad[i]);
}
END_TEST

static char *repeat(const char *line, size_t count)
{
	char *text = arena_text(&arena, "");

	for (size_t i = 0; i < count; i++)
		text = arena_format(&arena, "%s%s\n", text, line);
	return text;
}

START_TEST(lists_have_limits)
{
	struct facts facts = parse(repeat("made=veth 1 2 x", FACTS_LIST_MAX));

	ck_assert_ptr_null(facts_add_made(&arena, &facts));
	refuse(repeat("made=veth 1 2 x", FACTS_LIST_MAX + 1));
	refuse(repeat("lease=/x", FACTS_LIST_MAX + 1));
	refuse(repeat("interface=1", FACTS_LIST_MAX + 1));
	facts = parse(repeat("part=1", FACTS_PARTS_MAX));
	ck_assert_ptr_null(facts_add_part(&arena, &facts));
	refuse(repeat("part=1", FACTS_PARTS_MAX + 1));
}
END_TEST

START_TEST(a_bridge_that_two_ports_have_is_told_once_less)
{
	struct facts facts = parse("interface=4\ninterface=7\ninterface=4\n");

	facts_remove_interface(&facts, 4);
	ck_assert_uint_eq(facts.interface_count, 2);
	ck_assert_uint_eq(facts.interfaces[0], 7);
	ck_assert_uint_eq(facts.interfaces[1], 4);
	facts_remove_interface(&facts, 5);
	ck_assert_uint_eq(facts.interface_count, 2);
}
END_TEST

START_TEST(rules_are_for_each_part_that_is_known)
{
	struct facts facts = parse(whole);
	struct firewall_machine *machines;
	size_t count;

	ck_assert_int_eq(facts_machines(&arena, &machines, &count, &facts), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(machines[0].link, 5);
	ck_assert_uint_eq(machines[0].port_count, 1);
	ck_assert_uint_eq(machines[0].ports[0].last, 8010);
	ck_assert(machines[0].restricted);
	ck_assert_uint_eq(machines[1].link, 9);
	ck_assert_uint_eq(machines[1].addresses[0].bits, 32);

	facts = parse("link=5\n"); /* somebody else's network */
	ck_assert_int_eq(facts_machines(&arena, &machines, &count, &facts), 0);
	ck_assert_uint_eq(count, 0);
	facts = parse("link=5\naddress=10.0.0.2/24\negress=::::\n");
	ck_assert_int_eq(facts_machines(&arena, &machines, &count, &facts), -EINVAL);
}
END_TEST

int main(void)
{
	return UNIT_RUN("net/facts", what_is_printed_is_read_again, a_part_has_what_follows_it,
			what_was_made_is_found_by_its_index_inside, unknown_keys_are_skipped,
			what_is_not_understood_is_refused, lists_have_limits,
			a_bridge_that_two_ports_have_is_told_once_less,
			rules_are_for_each_part_that_is_known);
}
