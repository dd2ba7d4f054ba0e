#include "net/firewall.h"

#include "base/fail.h"
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

int main(void)
{
	return TOPOLOGY_RUN("net/firewall", machines_reach_other_networks_by_nat,
			    the_host_is_reached_and_sees_who_calls,
			    machines_are_apart_but_siblings_are_not,
			    without_rules_everybody_reaches_everybody,
			    a_published_port_is_reached_from_everywhere);
}
