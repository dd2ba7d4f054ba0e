#include "net/firewall.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "kernel/nftables.h"
#include "net/topology.h"

static struct topology at;
static struct firewall firewall;

static void build(void)
{
	topology_build(&at);
	topology_forward(&at);
	place_go(&at.host);
	ck_assert_int_eq(firewall_open(&firewall), 0);
}

static void add(struct guest *guest)
{
	place_go(&at.host);
	ck_assert_msg(firewall_add(&firewall, &guest->machine) == 0, "%s", fail_recorded()->text);
}

static void remove_guest(struct guest *guest, bool with_zone)
{
	place_go(&at.host);
	ck_assert_msg(firewall_remove(&firewall, &guest->machine, with_zone) == 0, "%s",
		      fail_recorded()->text);
}

static void add_all(void)
{
	build();
	add(&at.a);
	add(&at.b);
	add(&at.c);
	add(&at.d);
}

START_TEST(machines_reach_other_networks_by_nat)
{
	add_all();
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.a.place, INTERNET6, 80, at.outside, 80, HOST6);
	EXPECT(at.c.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.c.place, INTERNET6, 80, at.outside, 80, HOST6);
}
END_TEST

START_TEST(the_host_is_reached_and_sees_who_calls)
{
	add_all();
	EXPECT(at.a.place, HOST, 80, at.host, 80, GUEST_A);
	EXPECT(at.a.place, GATEWAY_A6, 80, at.host, 80, GUEST_A6);
	EXPECT(at.c.place, GATEWAY_Z, 80, at.host, 80, GUEST_C);
	EXPECT(at.host, GUEST_A, 80, at.a.place, 80, GATEWAY_A);
	EXPECT(at.host, GUEST_C6, 80, at.c.place, 80, GATEWAY_Z6);
}
END_TEST

START_TEST(machines_are_apart_but_siblings_are_not)
{
	add_all();
	EXPECT(at.c.place, GUEST_D, 80, at.d.place, 80, GUEST_C);
	EXPECT(at.c.place, GUEST_D6, 80, at.d.place, 80, GUEST_C6);
	REFUSE(at.a.place, GUEST_B, 80, at.b.place, 80);
	REFUSE(at.a.place, GUEST_B6, 80, at.b.place, 80);
	REFUSE(at.a.place, GUEST_C, 80, at.c.place, 80);
	REFUSE(at.c.place, GUEST_A, 80, at.a.place, 80);
	REFUSE(at.c.place, GUEST_A6, 80, at.a.place, 80);
	REFUSE(at.outside, GUEST_A, 80, at.a.place, 80);
	REFUSE(at.outside, GUEST_A6, 80, at.a.place, 80);
	REFUSE(at.outside, GUEST_C, 80, at.c.place, 80);
}
END_TEST

START_TEST(without_rules_everybody_reaches_everybody)
{
	build();
	EXPECT(at.a.place, GUEST_B, 80, at.b.place, 80, GUEST_A);
	EXPECT(at.a.place, GUEST_B6, 80, at.b.place, 80, GUEST_A6);
	EXPECT(at.a.place, GUEST_C, 80, at.c.place, 80, GUEST_A);
	EXPECT(at.c.place, GUEST_A6, 80, at.a.place, 80, GUEST_C6);
	EXPECT(at.outside, GUEST_A, 80, at.a.place, 80, OUTSIDE);
	EXPECT(at.outside, GUEST_C6, 80, at.c.place, 80, OUTSIDE6);
	EXPECT(at.a.place, METADATA, 80, at.outside, 80, GUEST_A);
}
END_TEST

START_TEST(a_published_port_is_reached_from_everywhere)
{
	const struct firewall_port ports[] = {
		{ .protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80 },
		{ .protocol = IPPROTO_UDP, .first = 8080, .last = 8080, .container = 80 },
	};

	build();
	at.c.machine.ports = at.a.machine.ports = ports;
	at.a.machine.port_count = 2;
	add(&at.a);
	add(&at.b);
	EXPECT(at.outside, HOST, 8080, at.a.place, 80, OUTSIDE);
	EXPECT(at.outside, HOST6, 8080, at.a.place, 80, OUTSIDE6);
	EXPECT(at.host, HOST, 8080, at.a.place, 80, HOST);
	EXPECT(at.host, HOST6, 8080, at.a.place, 80, HOST6);
	/* machines elsewhere keep their address */
	EXPECT(at.b.place, HOST, 8080, at.a.place, 80, GUEST_B);
	EXPECT(at.b.place, GATEWAY_B6, 8080, at.a.place, 80, GUEST_B6);
	/* itself must see another */
	EXPECT(at.a.place, HOST, 8080, at.a.place, 80, GATEWAY_A);
	EXPECT(at.a.place, GATEWAY_A6, 8080, at.a.place, 80, GATEWAY_A6);
	/* only published ones */
	REFUSE(at.outside, HOST, 80, at.a.place, 80);

	remove_guest(&at.a, false);
	REFUSE(at.outside, HOST, 8080, at.a.place, 80);
	at.c.machine.port_count = 2;
	add(&at.c);
	add(&at.d);
	EXPECT(at.outside, HOST, 8080, at.c.place, 80, OUTSIDE);
	EXPECT(at.c.place, HOST, 8080, at.c.place, 80, GATEWAY_Z);
	EXPECT(at.d.place, HOST6, 8080, at.c.place, 80, GATEWAY_Z6);
	EXPECT(at.b.place, HOST, 8080, at.c.place, 80, GUEST_B);
}
END_TEST

static void add_port(struct guest *guest, struct firewall_port port, int expected)
{
	place_go(&at.host);
	ck_assert_int_eq(firewall_add_port(&firewall, &guest->machine, &port), expected);
}

static void remove_port(struct guest *guest, struct firewall_port port)
{
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove_port(&firewall, &guest->machine, &port), 0);
}

static bool reaches(const struct place *from, const char *address, uint16_t port,
		    const struct guest *guest, uint16_t inside)
{
	int server = place_listen(&guest->place, address, SOCK_STREAM, inside);
	bool talks = place_talks(from, address, SOCK_STREAM, port, server, TOPOLOGY_WAIT_MS * 3,
				 NULL);

	close(server);
	return talks;
}

START_TEST(ports_come_and_go_while_it_runs)
{
	struct firewall_port port = {
		.protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80
	};

	add_all();
	ck_assert(!reaches(&at.outside, HOST, 8080, &at.a, 80));
	add_port(&at.a, port, 0);
	add_port(&at.a, port, 0);
	add_port(&at.b, port, -EADDRINUSE);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.a, 80));
	ck_assert(reaches(&at.outside, HOST6, 8080, &at.a, 80));
	/* another's is not removed */
	remove_port(&at.b, port);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.a, 80));
	remove_port(&at.a, port);
	remove_port(&at.a, port);
	ck_assert(!reaches(&at.outside, HOST, 8080, &at.a, 80));
	add_port(&at.b, port, 0);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.b, 80));
}
END_TEST

/* It has other addresses inside, and the filter is told. */
static void move(struct guest *guest, const char *four, const char *six)
{
	struct firewall_machine before = guest->machine;
	struct firewall_address old[2], *now = guest->addresses;
	char text[64];

	memcpy(old, guest->addresses, sizeof(old));
	before.addresses = old;
	place_sysctl(&guest->place, "/proc/sys/net/ipv4/conf/all/promote_secondaries", "1");
	snprintf(text, sizeof(text), "%s/24", four);
	place_address(&guest->place, guest->inside, text);
	snprintf(text, sizeof(text), "%s/64", six);
	place_address(&guest->place, guest->inside, text);
	for (int i = 0; i < 2; i++) {
		struct route_address gone = { .link = guest->inside,
					      .local = { .family = old[i].family,
							 .length = i > 0 ? 64 : 24 } };

		memcpy(gone.local.bytes, old[i].bytes, sizeof(gone.local.bytes));
		ck_assert_int_eq(route_delete_address(&guest->place.netlink, &gone), 0);
	}
	ck_assert_int_eq(inet_pton(AF_INET, four, now[0].bytes), 1);
	ck_assert_int_eq(inet_pton(AF_INET6, six, now[1].bytes), 1);
	place_go(&at.host);
	ck_assert_msg(firewall_change(&firewall, &before, &guest->machine) == 0, "%s",
		      fail_recorded()->text);
}

static const struct firewall_port two_ports[] = {
	{ .protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80 },
	{ .protocol = IPPROTO_TCP, .first = 8081, .last = 8081, .container = 80 },
};

START_TEST(ports_follow_a_machine_to_other_addresses)
{
	build();
	at.c.machine.ports = two_ports;
	at.c.machine.port_count = 1;
	add(&at.c);
	add(&at.d);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.c, 80));
	move(&at.c, "10.213.128.77", "fd00:213:0:8000::77");
	EXPECT(at.d.place, "10.213.128.77", 80, at.c.place, 80, GUEST_D);
	EXPECT(at.c.place, GUEST_D6, 80, at.d.place, 80, "fd00:213:0:8000::77");
	ck_assert(reaches(&at.outside, HOST, 8080, &at.c, 80));
	ck_assert(reaches(&at.outside, HOST6, 8080, &at.c, 80));
	ck_assert(reaches(&at.d.place, HOST, 8080, &at.c, 80));
}
END_TEST

START_TEST(a_machine_may_have_no_address_for_some_time)
{
	struct firewall_machine none;

	build();
	at.a.machine.fixed = false;
	none = at.a.machine;
	none.address_count = 0;
	at.a.machine.ports = none.ports = two_ports;
	at.a.machine.port_count = none.port_count = 1;
	ck_assert_int_eq(firewall_add(&firewall, &none), 0);
	ck_assert(!reaches(&at.outside, HOST, 8080, &at.a, 80));
	place_go(&at.host);
	ck_assert_int_eq(firewall_change(&firewall, &none, &at.a.machine), 0);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.a, 80));
	place_go(&at.host);
	ck_assert_int_eq(firewall_change(&firewall, &at.a.machine, &none), 0);
	ck_assert(!reaches(&at.outside, HOST, 8080, &at.a, 80));
}
END_TEST

START_TEST(ports_of_others_stay_theirs_when_a_machine_moves)
{
	struct firewall_machine none;

	build();
	at.b.machine.ports = two_ports;
	at.b.machine.port_count = 1;
	add(&at.b);
	none = at.a.machine;
	none.address_count = 0;
	ck_assert_int_eq(firewall_add(&firewall, &none), 0);
	at.a.machine.ports = two_ports;
	at.a.machine.port_count = 2;
	ck_assert_int_eq(firewall_change(&firewall, &none, &at.a.machine), -EADDRINUSE);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.b, 80));
	ck_assert(reaches(&at.outside, HOST, 8081, &at.a, 80));
	/* All is gone meanwhile: then it is made anew. */
	place_go(&at.host);
	remove_guest(&at.b, false);
	remove_guest(&at.a, false);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 1);
	ck_assert_int_eq(firewall_change(&firewall, &none, &at.a.machine), 0);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.a, 80));
}
END_TEST

START_TEST(who_is_restricted_does_not_move)
{
	struct firewall_machine moved;

	build();
	at.a.machine.restricted = true;
	add(&at.a);
	moved = at.a.machine;
	moved.address_count = 1;
	ck_assert_int_eq(firewall_change(&firewall, &at.a.machine, &moved), -EINVAL);
}
END_TEST

START_TEST(a_port_may_be_at_one_address_of_the_host)
{
	struct firewall_port port = { .protocol = IPPROTO_TCP,
				      .host = topology_address(HOST),
				      .first = 8080,
				      .last = 8080,
				      .container = 80 };
	struct firewall_port loopback = port;

	topology_build(&at);
	topology_forward(&at);
	place_address(&at.host, at.uplink, "192.0.2.9/24");
	ck_assert_int_eq(firewall_open(&firewall), 0);
	add(&at.a);
	add(&at.b);
	add_port(&at.a, port, 0);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.a, 80));
	ck_assert(!reaches(&at.outside, HOST6, 8080, &at.a, 80));
	ck_assert(!reaches(&at.outside, "192.0.2.9", 8080, &at.a, 80));
	ck_assert(reaches(&at.host, HOST, 8080, &at.a, 80));
	/* another may have it at all others */
	port.host.family = 0;
	add_port(&at.b, port, 0);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.a, 80));
	ck_assert(reaches(&at.outside, "192.0.2.9", 8080, &at.b, 80));
	loopback.host = topology_address("127.0.0.1");
	loopback.first = loopback.last = 8081;
	add_port(&at.a, loopback, 0);
	ck_assert(!reaches(&at.outside, HOST, 8081, &at.a, 80));
}
END_TEST

START_TEST(ports_may_be_ranges)
{
	struct firewall_port same = {
		.protocol = IPPROTO_TCP, .first = 10000, .last = 19999, .container = 10000
	};
	struct firewall_port shifted = {
		.protocol = IPPROTO_TCP, .first = 3000, .last = 3009, .container = 80
	};
	struct firewall_port at_one = same;

	add_all();
	add_port(&at.a, same, 0);
	add_port(&at.a, shifted, 0);
	ck_assert(reaches(&at.outside, HOST, 10000, &at.a, 10000));
	ck_assert(reaches(&at.outside, HOST6, 15000, &at.a, 15000));
	ck_assert(reaches(&at.outside, HOST, 19999, &at.a, 19999));
	ck_assert(!reaches(&at.outside, HOST, 20000, &at.a, 20000));
	ck_assert(reaches(&at.outside, HOST, 3000, &at.a, 80));
	ck_assert(reaches(&at.outside, HOST6, 3009, &at.a, 89));
	ck_assert(!reaches(&at.outside, HOST, 3010, &at.a, 90));
	at_one.first = at_one.container = 15000;
	at_one.last = 25000;
	add_port(&at.b, at_one, -EADDRINUSE);
	remove_port(&at.a, same);
	ck_assert(!reaches(&at.outside, HOST, 15000, &at.a, 15000));
	at_one.host = topology_address(HOST);
	add_port(&at.b, at_one, 0);
	ck_assert(reaches(&at.outside, HOST, 15000, &at.b, 15000));
	ck_assert(!reaches(&at.outside, HOST6, 15000, &at.b, 15000));
}
END_TEST

START_TEST(impossible_facts_are_refused)
{
	struct firewall_port ports[] = {
		{ .protocol = IPPROTO_TCP, .first = 0, .last = 1, .container = 1 },
		{ .protocol = IPPROTO_TCP, .first = 2, .last = 1, .container = 1 },
		{ .protocol = IPPROTO_TCP, .first = 1, .last = 1, .container = 0 },
		{ .protocol = IPPROTO_ICMP, .first = 1, .last = 1, .container = 1 },
		{ .protocol = IPPROTO_TCP, .first = 1, .last = 1000, .container = 65000 },
		{ .protocol = IPPROTO_TCP, .first = 1, .last = 1000, .container = 2 },
	};

	topology_build(&at);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	at.a.machine.port_count = 1;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		at.a.machine.ports = &ports[i];
		ck_assert_int_eq(firewall_add(&firewall, &at.a.machine), -EINVAL);
	}
	at.a.machine.port_count = 0;
	at.a.addresses[0].bits = 24;
	ck_assert_int_eq(firewall_add(&firewall, &at.a.machine), -EINVAL);
	at.a.addresses[0].bits = 32;
	at.a.machine.restricted = true;
	at.a.machine.fixed = false;
	ck_assert_int_eq(firewall_add(&firewall, &at.a.machine), -EINVAL);
	at.c.machine.restricted = true;
	at.c.machine.gateway_count = 0;
	ck_assert_int_eq(firewall_add(&firewall, &at.c.machine), -EINVAL);
}
END_TEST

/* What frames of bridges do when they are not shown to the table inet: the other half of hosts. */
START_TEST(a_zone_works_without_br_netfilter_too)
{
	const struct firewall_port port = {
		.protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80
	};

	build();
	place_sysctl(&at.host, "/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
	place_sysctl(&at.host, "/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0");
	at.c.machine.ports = &port;
	at.c.machine.port_count = 1;
	add(&at.b);
	add(&at.c);
	add(&at.d);
	EXPECT(at.c.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.c.place, GUEST_D6, 80, at.d.place, 80, GUEST_C6);
	REFUSE(at.b.place, GUEST_C, 80, at.c.place, 80);
	ck_assert(reaches(&at.outside, HOST, 8080, &at.c, 80));
	ck_assert(reaches(&at.c.place, HOST, 8080, &at.c, 80));
	ck_assert(reaches(&at.d.place, HOST6, 8080, &at.c, 80));
}
END_TEST

/* As for who takes over its supervisor's work: each set that is looked at costs a transaction. */
START_TEST(what_a_running_machine_may_reach_stays_when_its_names_are_answered_elsewhere)
{
	const struct firewall_address own = { AF_INET, 32, { 10, 213, 0, 2 } };
	const struct firewall_address gateway = { AF_INET, 32, { 10, 213, 0, 1 } };
	struct firewall_machine machine = {
		.link = 77,
		.fixed = true,
		.restricted = true,
		.dns_port = 5353,
		.addresses = &own,
		.gateways = &gateway,
		.address_count = 1,
		.gateway_count = 1,
	};
	uint32_t before, after;

	build();
	ck_assert_int_eq(firewall_add(&firewall, &machine), 0);
	machine.dns_port = 5354;
	ck_assert_int_eq(nftables_generation(&firewall.filter, &before), 0);
	ck_assert_int_eq(firewall_add(&firewall, &machine), 0);
	ck_assert_int_eq(nftables_generation(&firewall.filter, &after), 0);
	/* Of UDP, of TCP, and all that it should have; but not its list. */
	ck_assert_uint_eq(after - before, 3);
}
END_TEST

/* Chains that were deleted since EVENTS was opened. */
static unsigned int count_deleted_chains(struct netlink *events)
{
	unsigned char room[16384];
	unsigned int count = 0;
	ssize_t size;

	while ((size = recv(events->fd, room, sizeof(room), MSG_DONTWAIT)) > 0) {
		struct netlink_reader reader = { .bytes = room, .size = (size_t)size };
		struct netlink_message message;

		while (netlink_next_message(&reader, &message))
			count += message.type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELCHAIN);
	}
	return count;
}

START_TEST(what_a_machine_may_reach_stays_while_a_port_of_it_is_anothers)
{
	static const struct firewall_port wanted = {
		.protocol = IPPROTO_TCP, .first = 80, .last = 80, .container = 80
	};
	static const struct firewall_address own = { AF_INET, 32, { 10, 213, 0, 2 } };
	static const struct firewall_address others = { AF_INET, 32, { 10, 213, 0, 6 } };
	static const struct firewall_target everything = { .network = { AF_INET, 0, {} } };
	autonetlink struct netlink events = NETLINK_EMPTY;
	struct firewall_machine other = { .link = 78,
					  .fixed = true,
					  .addresses = &others,
					  .ports = &wanted,
					  .address_count = 1,
					  .port_count = 1 };
	struct firewall_machine machine = {
		.link = 77, .fixed = true, .restricted = true, .addresses = &own, .address_count = 1
	};
	struct firewall_machine after;

	build();
	ck_assert_int_eq(firewall_add(&firewall, &other), 0);
	ck_assert_int_eq(firewall_add(&firewall, &machine), 0);
	/* Noted, but it was never its own. */
	machine.ports = &wanted;
	machine.port_count = 1;
	after = machine;
	after.targets = &everything;
	after.target_count = 1;
	ck_assert_int_eq(netlink_open(&events, NETLINK_NETFILTER), 0);
	ck_assert_int_eq(netlink_join(&events, NFNLGRP_NFTABLES), 0);
	ck_assert_int_eq(firewall_restrict(&firewall, &machine, &after), -EADDRINUSE);
	ck_assert_uint_eq(count_deleted_chains(&events), 0);
	/* So it is seen. */
	ck_assert_int_eq(firewall_remove(&firewall, &after, false), 0);
	ck_assert_uint_eq(count_deleted_chains(&events), 1);
}
END_TEST

int main(void)
{
	return TOPOLOGY_RUN(
		"net/firewall", what_a_machine_may_reach_stays_while_a_port_of_it_is_anothers,
		what_a_running_machine_may_reach_stays_when_its_names_are_answered_elsewhere,
		machines_reach_other_networks_by_nat, the_host_is_reached_and_sees_who_calls,
		machines_are_apart_but_siblings_are_not, without_rules_everybody_reaches_everybody,
		a_published_port_is_reached_from_everywhere, ports_come_and_go_while_it_runs,
		ports_follow_a_machine_to_other_addresses,
		a_machine_may_have_no_address_for_some_time,
		ports_of_others_stay_theirs_when_a_machine_moves, who_is_restricted_does_not_move,
		a_port_may_be_at_one_address_of_the_host, ports_may_be_ranges,
		impossible_facts_are_refused, a_zone_works_without_br_netfilter_too);
}
