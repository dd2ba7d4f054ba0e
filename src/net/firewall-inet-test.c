#include "net/firewall-inet.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip_icmp.h>

#include "base/fail.h"
#include "kernel/nftables.h"
#include "net/firewall-log.h"
#include "net/firewall-sets.h"
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

/* ---- DNS ---- */

START_TEST(dns_goes_to_each_machines_own_responder)
{
	build();
	at.a.machine.dns_port = 5301;
	at.c.machine.dns_port = 5302;
	at.d.machine.dns_port = 5303;
	add(&at.a);
	add(&at.b);
	add(&at.c);
	add(&at.d);
	EXPECT(at.a.place, GATEWAY_A, 53, at.host, 5301, GUEST_A);
	EXPECT(at.a.place, GATEWAY_A6, 53, at.host, 5301, GUEST_A6);
	EXPECT(at.c.place, GATEWAY_Z, 53, at.host, 5302, GUEST_C);
	EXPECT(at.c.place, GATEWAY_Z6, 53, at.host, 5302, GUEST_C6);
	EXPECT(at.d.place, GATEWAY_Z, 53, at.host, 5303, GUEST_D);
	/* who has no responder asks the host itself */
	EXPECT(at.b.place, GATEWAY_B, 53, at.host, 53, GUEST_B);
	/* and a resolver of the host's other addresses is not hidden */
	EXPECT(at.a.place, HOST, 53, at.host, 53, GUEST_A);
	EXPECT(at.a.place, INTERNET, 53, at.outside, 53, HOST);
	/* a responder answers only by way of port 53 */
	REFUSE(at.d.place, GATEWAY_Z, 5302, at.host, 5302);
	REFUSE(at.d.place, GATEWAY_Z6, 5303, at.host, 5303);
	REFUSE(at.b.place, GATEWAY_A, 5301, at.host, 5301);
	EXPECT(at.b.place, GATEWAY_A, 5304, at.host, 5304, GUEST_B);
}
END_TEST

START_TEST(a_new_responder_takes_over)
{
	build();
	at.a.machine.dns_port = 5301;
	add(&at.a);
	at.a.machine.dns_port = 5302;
	add(&at.a);
	EXPECT(at.a.place, GATEWAY_A, 53, at.host, 5302, GUEST_A);
}
END_TEST

/* ---- addresses ---- */

/* A raw packet of PLACE with a source address of anybody's. */
static void send_from(const struct place *place, const char *source, const char *to)
{
	struct {
		unsigned char head[20];
		unsigned char udp[8];
	} packet = { .head = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, IPPROTO_UDP },
		     .udp = { 4, 0, 4, 0, 0, 8 } };
	struct sockaddr_storage address;
	socklen_t size = place_sockaddr(&address, to, 0);
	int fd;

	inet_pton(AF_INET, source, packet.head + 12);
	inet_pton(AF_INET, to, packet.head + 16);
	place_go(place);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&address, size),
			 (ssize_t)sizeof(packet));
	close(fd);
}

/* Does it come out anywhere outside? */
static bool spoofs(struct guest *guest, const char *source)
{
	int server = place_listen(&at.outside, "0.0.0.0", SOCK_DGRAM, 1024);
	bool seen;

	send_from(&guest->place, source, INTERNET);
	seen = place_ready(server, POLLIN, -1, TOPOLOGY_WAIT_MS * 3);
	close(server);
	return seen;
}

START_TEST(a_foreign_source_address_goes_nowhere)
{
	build();
	/* so that outside takes them */
	place_sysctl(&at.outside, "/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	ck_assert(spoofs(&at.a, GUEST_A));
	ck_assert(spoofs(&at.a, GUEST_B));
	ck_assert(spoofs(&at.a, "203.0.113.7"));
	ck_assert(spoofs(&at.c, GUEST_D));
	add(&at.a);
	add(&at.b);
	add(&at.c);
	add(&at.d);
	ck_assert(spoofs(&at.a, GUEST_A));
	ck_assert(!spoofs(&at.a, GUEST_B));
	ck_assert(!spoofs(&at.a, "203.0.113.7"));
	ck_assert(spoofs(&at.c, GUEST_C));
	ck_assert(!spoofs(&at.c, GUEST_D));
	ck_assert(!spoofs(&at.c, GUEST_A));
}
END_TEST

START_TEST(of_ipv6_a_whole_net_may_be_its_own)
{
	build();
	place_address(&at.a.place, at.a.inside, "fd00:213::77/64");
	place_route(&at.a.place, "2001:db8:1::/64", GATEWAY_A6);
	at.a.addresses[1].bits = 64;
	at.a.machine.dns_port = 5301;
	add(&at.a);
	add(&at.b);
	place_go(&at.a.place);
	/* the kernel takes the one that was added last */
	EXPECT(at.a.place, HOST6, 80, at.host, 80, "fd00:213::77");
	EXPECT(at.a.place, INTERNET6, 80, at.outside, 80, HOST6);
	EXPECT(at.a.place, GATEWAY_A6, 53, at.host, 5301, "fd00:213::77");
	REFUSE(at.outside, "fd00:213::77", 80, at.a.place, 80);
	at.a.addresses[1].bits = 128;
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, false), 0);
	at.a.addresses[1].bits = 64;
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, false), 0);
	at.a.addresses[1].bits = 128;
	add(&at.a);
	REFUSE(at.a.place, HOST6, 80, at.host, 80);
}
END_TEST

START_TEST(who_is_routed_is_reached_from_outside)
{
	build();
	at.a.machine.nat = false;
	add(&at.a);
	add(&at.b);
	EXPECT(at.outside, GUEST_A, 80, at.a.place, 80, OUTSIDE);
	EXPECT(at.outside, GUEST_A6, 80, at.a.place, 80, OUTSIDE6);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, GUEST_A);
	REFUSE(at.outside, GUEST_B, 80, at.b.place, 80);
	REFUSE(at.b.place, GUEST_A, 80, at.a.place, 80);
}
END_TEST

/* ---- metadata ---- */

START_TEST(metadata_is_closed_unless_it_is_a_target)
{
	const struct firewall_target target = { .network = topology_address(METADATA) };
	static const char *const others[] = { "100.100.100.200", "168.63.129.16", "192.0.0.192" };

	build();
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		place_address(&at.outside, 1, others[i]);
		EXPECT(at.a.place, others[i], 80, at.outside, 80, GUEST_A);
	}
	add(&at.a);
	REFUSE(at.a.place, METADATA, 80, at.outside, 80);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		REFUSE(at.a.place, others[i], 80, at.outside, 80);
	at.b.machine.targets = &target;
	at.b.machine.target_count = 1;
	add(&at.b);
	EXPECT(at.b.place, METADATA, 80, at.outside, 80, HOST);
	EXPECT(at.b.place, INTERNET, 80, at.outside, 80, HOST);
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.b.machine, false), 0);
	at.b.machine.target_count = 0;
	add(&at.b);
	REFUSE(at.b.place, METADATA, 80, at.outside, 80);
}
END_TEST

/* ---- egress ---- */

static bool pings(struct guest *guest, const char *address)
{
	struct icmphdr echo = { .type = ICMP_ECHO };
	struct sockaddr_storage to;
	socklen_t size = place_sockaddr(&to, address, 0);
	bool answered;
	int fd;

	place_sysctl(&guest->place, "/proc/sys/net/ipv4/ping_group_range", "0 0");
	fd = place_socket(&guest->place, AF_INET, SOCK_DGRAM);
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, size),
			 (ssize_t)sizeof(echo));
	answered = place_ready(fd, POLLIN, -1, TOPOLOGY_WAIT_MS * 3);
	if (answered)
		answered = recv(fd, &echo, sizeof(echo), 0) == (ssize_t)sizeof(echo) &&
			   echo.type == ICMP_ECHOREPLY;
	close(fd);
	return answered;
}

static void restrict_guest(struct guest *guest, const struct firewall_target *targets, size_t count)
{
	guest->machine.restricted = true;
	guest->machine.targets = targets;
	guest->machine.target_count = count;
	guest->machine.dns_port = 5301;
	add(guest);
}

START_TEST(a_restricted_machine_reaches_its_targets_and_its_gateway)
{
	const struct firewall_target targets[] = {
		{ .network = topology_address("198.51.0.0/16"),
		  .protocol = IPPROTO_TCP,
		  .first = 80,
		  .last = 81 },
		{ .network = topology_address("2001:db8:1::/64"), .first = 443, .last = 443 },
		{ .network = topology_address(OUTSIDE) },
	};
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };

	build();
	restrict_guest(&at.a, targets, ARRAY_SIZE(targets));
	add(&at.b);
	for (size_t i = 0; i < 2; i++) {
		int server = place_listen(&at.outside, INTERNET, types[i], 81);

		ck_assert(place_talks(&at.a.place, INTERNET, types[i], 81, server, 500, NULL) ==
			  (types[i] == SOCK_STREAM));
		close(server);
	}
	EXPECT(at.a.place, INTERNET6, 443, at.outside, 443, HOST6);
	EXPECT(at.a.place, OUTSIDE, 1000, at.outside, 1000, HOST);
	EXPECT(at.a.place, OUTSIDE, 53, at.outside, 53, HOST);
	EXPECT(at.a.place, GATEWAY_A, 53, at.host, 5301, GUEST_A);
	EXPECT(at.a.place, GATEWAY_A6, 53, at.host, 5301, GUEST_A6);
	ck_assert(pings(&at.a, GATEWAY_A));
	ck_assert(pings(&at.a, OUTSIDE));
	ck_assert(!pings(&at.a, INTERNET));

	REFUSE(at.a.place, INTERNET, 82, at.outside, 82);
	REFUSE(at.a.place, INTERNET6, 80, at.outside, 80);
	REFUSE(at.a.place, OUTSIDE6, 443, at.outside, 443);
	REFUSE(at.a.place, INTERNET, 53, at.outside, 53);
	REFUSE(at.a.place, METADATA, 80, at.outside, 80);
	REFUSE(at.a.place, GATEWAY_A, 80, at.host, 80);
	REFUSE(at.a.place, HOST, 22, at.host, 22);
	REFUSE(at.a.place, HOST6, 22, at.host, 22);
	REFUSE(at.a.place, GUEST_B, 80, at.b.place, 80);
	/* others are not */
	EXPECT(at.b.place, INTERNET, 82, at.outside, 82, HOST);
	/* and it is reached */
	EXPECT(at.host, GUEST_A, 80, at.a.place, 80, GATEWAY_A);
}
END_TEST

/* By UDP. */
static bool asks(const struct place *from, const char *address, uint16_t port, int wait_ms)
{
	int server = place_listen(&at.host, "::", SOCK_DGRAM, port);
	bool talks = place_talks(from, address, SOCK_DGRAM, port, server, wait_ms, NULL);

	close(server);
	return talks;
}

START_TEST(a_restricted_machine_in_a_zone_reaches_siblings)
{
	build();
	restrict_guest(&at.c, NULL, 0);
	add(&at.d);
	EXPECT(at.c.place, GUEST_D, 80, at.d.place, 80, GUEST_C);
	EXPECT(at.d.place, GUEST_C6, 80, at.c.place, 80, GUEST_D6);
	EXPECT(at.d.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.c.place, GATEWAY_Z, 53, at.host, 5301, GUEST_C);
	REFUSE(at.c.place, INTERNET, 80, at.outside, 80);
	REFUSE(at.c.place, INTERNET6, 80, at.outside, 80);
	REFUSE(at.c.place, HOST, 80, at.host, 80);
}
END_TEST

START_TEST(a_restricted_machine_does_not_come_in_by_link_local_addresses)
{
	build();
	place_address(&at.host, at.a.link, "fe80::1/64");
	place_address(&at.host, at.b.link, "fe80::1/64");
	place_address(&at.host, at.bridge, "fe80::1/64");
	usleep(50 * 1000);
	add(&at.a);
	add(&at.b);
	add(&at.c);
	add(&at.d);
	EXPECT(at.a.place, "fe80::1%host0", 22, at.host, 22, "fe80::ff:fe00:61");
	EXPECT(at.c.place, "fe80::1%host0", 22, at.host, 22, "fe80::ff:fe00:63");
	restrict_guest(&at.a, NULL, 0);
	restrict_guest(&at.c, NULL, 0);
	restrict_guest(&at.d, NULL, 0);
	REFUSE(at.a.place, "fe80::1%host0", 22, at.host, 22);
	REFUSE(at.a.place, "fe80::1%host0", 53, at.host, 53);
	REFUSE(at.c.place, "fe80::1%host0", 22, at.host, 22);
	REFUSE(at.d.place, "fe80::1%host0", 22, at.host, 22);
	EXPECT(at.b.place, "fe80::1%host0", 22, at.host, 22, "fe80::ff:fe00:62");
	/* nor any other service by its own */
	place_address(&at.c.place, at.c.inside, "fe80::1234/64");
	REFUSE(at.c.place, "fe80::1%host0", 22, at.host, 22);
	/* DHCPv6 is asked that way */
	ck_assert(asks(&at.a.place, "fe80::1%host0", 547, TOPOLOGY_PATIENCE_MS));
	ck_assert(!asks(&at.a.place, "fe80::1%host0", 546, TOPOLOGY_WAIT_MS));
	ck_assert(asks(&at.c.place, "fe80::1%host0", 547, TOPOLOGY_PATIENCE_MS));
	EXPECT(at.c.place, GATEWAY_Z6, 53, at.host, 5301, GUEST_C6);
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, false), 0);
	ck_assert_int_eq(firewall_remove(&firewall, &at.c.machine, false), 0);
	ck_assert_int_eq(firewall_remove(&firewall, &at.d.machine, true), 0);
	at.a.machine.restricted = at.c.machine.restricted = false;
	add(&at.a);
	add(&at.c);
	EXPECT(at.a.place, "fe80::1%host0", 22, at.host, 22, "fe80::ff:fe00:61");
}
END_TEST

static void turn(struct guest *guest, const struct firewall_machine *after)
{
	const struct firewall_machine before = guest->machine;

	guest->machine = *after;
	place_go(&at.host);
	ck_assert_msg(firewall_restrict(&firewall, &before, after) == 0, "%s",
		      fail_recorded()->text);
}

/* They are cut off with it, but not for longer. */
START_TEST(siblings_come_in_by_link_local_addresses_when_nobody_is_restricted_any_more)
{
	struct firewall_machine free_c, free_d;

	build();
	place_address(&at.host, at.bridge, "fe80::1/64");
	usleep(50 * 1000);
	free_c = at.c.machine;
	free_d = at.d.machine;
	add(&at.c);
	restrict_guest(&at.d, NULL, 0);
	REFUSE(at.c.place, "fe80::1%host0", 22, at.host, 22);
	turn(&at.d, &free_d);
	EXPECT(at.c.place, "fe80::1%host0", 22, at.host, 22, "fe80::ff:fe00:63");
	restrict_guest(&at.c, NULL, 0);
	restrict_guest(&at.d, NULL, 0);
	turn(&at.c, &free_c);
	REFUSE(at.c.place, "fe80::1%host0", 22, at.host, 22);
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.d.machine, false), 0);
	EXPECT(at.c.place, "fe80::1%host0", 22, at.host, 22, "fe80::ff:fe00:63");
}
END_TEST

START_TEST(ports_of_a_restricted_machine_are_published)
{
	const struct firewall_port port = {
		.protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80
	};
	int server;

	build();
	at.a.machine.ports = &port;
	at.a.machine.port_count = 1;
	restrict_guest(&at.a, NULL, 0);
	server = place_listen(&at.a.place, HOST, SOCK_STREAM, 80);
	ck_assert(place_talks(&at.outside, HOST, SOCK_STREAM, 8080, server, TOPOLOGY_PATIENCE_MS,
			      NULL));
}
END_TEST

/* ---- what DNS told ---- */

static int allow(struct guest *guest, const char *text, uint16_t port, uint8_t protocol,
		 uint32_t seconds)
{
	const struct firewall_address address = topology_address(text);

	place_go(&at.host);
	return firewall_allow(&firewall, &guest->machine, &address, port, protocol, seconds);
}

START_TEST(learnt_addresses_are_open_for_their_time)
{
	struct sockaddr_storage to;
	socklen_t size = place_sockaddr(&to, INTERNET, 80);
	int server, caller, callee;
	char word;

	build();
	restrict_guest(&at.a, NULL, 0);
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
	ck_assert_int_eq(allow(&at.a, INTERNET, 80, 0, 2), 0);
	ck_assert_int_eq(allow(&at.a, INTERNET6, 0, 0, 60), 0);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	REFUSE(at.a.place, INTERNET, 81, at.outside, 81);
	EXPECT(at.a.place, INTERNET6, 81, at.outside, 81, HOST6);
	REFUSE(at.a.place, INTERNET6, 53, at.outside, 53);
	REFUSE(at.a.place, INTERNET6, 853, at.outside, 853);

	/* What was begun in time goes on after it. */
	server = place_listen(&at.outside, INTERNET, SOCK_STREAM, 80);
	caller = place_socket(&at.a.place, AF_INET, SOCK_STREAM);
	ck_assert_int_eq(connect(caller, (struct sockaddr *)&to, size), -1);
	ck_assert(place_ready(server, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	callee = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	usleep(2200 * 1000);
	ck_assert_int_eq(send(caller, "x", 1, 0), 1);
	ck_assert(place_ready(callee, POLLIN, -1, TOPOLOGY_PATIENCE_MS) &&
		  recv(callee, &word, 1, 0) == 1);
	close(server);
	close(caller);
	close(callee);
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
}
END_TEST

START_TEST(another_list_takes_the_place_of_the_first)
{
	const struct firewall_target first = { .network = topology_address(INTERNET) };
	const struct firewall_target second = { .network = topology_address(OUTSIDE6) };
	struct firewall_machine free, other;

	build();
	free = at.a.machine;
	restrict_guest(&at.a, &first, 1);
	ck_assert_int_eq(allow(&at.a, INTERNET6, 0, 0, 60), 0);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.a.place, INTERNET6, 80, at.outside, 80, HOST6);
	REFUSE(at.a.place, OUTSIDE6, 80, at.outside, 80);
	other = at.a.machine;
	other.targets = &second;
	turn(&at.a, &other);
	EXPECT(at.a.place, OUTSIDE6, 80, at.outside, 80, HOST6);
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
	REFUSE(at.a.place, INTERNET6, 80, at.outside, 80);
	EXPECT(at.a.place, GATEWAY_A, 53, at.host, 5301, GUEST_A);
	/* What was learnt comes back with no further list. */
	ck_assert_int_eq(allow(&at.a, INTERNET6, 0, 0, 60), 0);
	turn(&at.a, &free);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	turn(&at.a, &other);
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
	REFUSE(at.a.place, INTERNET6, 80, at.outside, 80);
	/* Nor with the next start. */
	ck_assert_int_eq(allow(&at.a, INTERNET6, 0, 0, 60), 0);
	EXPECT(at.a.place, INTERNET6, 80, at.outside, 80, HOST6);
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, false), 0);
	add(&at.a);
	REFUSE(at.a.place, INTERNET6, 80, at.outside, 80);
	EXPECT(at.a.place, OUTSIDE6, 80, at.outside, 80, HOST6);
	/* Somebody has flushed all rules meanwhile. */
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, true), 0);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 1);
	other.targets = &first;
	turn(&at.a, &other);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	REFUSE(at.a.place, OUTSIDE6, 80, at.outside, 80);
}
END_TEST

static int count_key(const struct nftables_value *key, void *context)
{
	(void)key;
	++*(size_t *)context;
	return 0;
}

static size_t learnt(void)
{
	size_t count = 0;

	place_go(&at.host);
	ck_assert_int_eq(nftables_list_keys(&firewall.filter, NFTABLES_INET, FIREWALL_TABLE,
					    firewall_set_name(FIREWALL_LEARNT, false), count_key,
					    &count),
			 0);
	return count;
}

#define NAMES 2200 /* of each two, which is more than are looked for at one go */

/* A guest that asks for many names does not keep its list by that, nor what the next one gets. */
START_TEST(however_much_was_learnt_it_is_taken_back)
{
	struct firewall_machine closed;

	build();
	restrict_guest(&at.b, NULL, 0);
	ck_assert_int_eq(allow(&at.b, INTERNET, 80, 0, 600), 0);
	for (int again = 0; again < 2; again++) {
		restrict_guest(&at.a, NULL, 0);
		for (uint16_t i = 0; i < NAMES; i++)
			ck_assert_int_eq(allow(&at.a, INTERNET, 8000 + i, 0, 600), 0);
		ck_assert_uint_eq(learnt(), 2 * NAMES + 2);
		closed = at.a.machine;
		if (again == 0)
			turn(&at.a, &closed);
		else
			ck_assert_int_eq(firewall_remove(&firewall, &closed, false), 0);
		ck_assert_uint_eq(learnt(), 2);
	}
	EXPECT(at.b.place, INTERNET, 80, at.outside, 80, HOST);
}
END_TEST

START_TEST(an_address_that_is_learnt_again_stays_open)
{
	build();
	restrict_guest(&at.a, NULL, 0);
	ck_assert_int_eq(allow(&at.a, INTERNET, 80, 0, 1), 0);
	ck_assert_int_eq(allow(&at.a, INTERNET, 80, 0, 60), 0);
	usleep(1200 * 1000);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	ck_assert_int_eq(allow(&at.a, INTERNET, 80, 0, 1), 0);
	usleep(1200 * 1000);
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
}
END_TEST

START_TEST(no_name_opens_what_is_private)
{
	static const char *const closed[] = {
		"127.0.0.1",
		"10.0.0.1",
		"172.16.0.1",
		"192.168.1.1",
		METADATA,
		"168.63.129.16",
		"192.0.0.192",
		"100.64.0.1",
		"0.0.0.0",
		"224.0.0.1",
		"255.255.255.255",
		GUEST_A,
		"::1",
		"::",
		"::ffff:127.0.0.1",
		"fe80::1",
		"fd00::1",
		"ff02::1",
		"64:ff9b::7f00:1",
		"64:ff9b:1::a00:1",
		"2002:7f00:1::1",
		GUEST_A6,
	};
	const struct firewall_target target = { .network = topology_address("192.168.0.0/16"),
						.first = 80,
						.last = 80 };

	build();
	restrict_guest(&at.a, &target, 1);
	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		ck_assert_msg(allow(&at.a, closed[i], 443, 0, 60) ==
				      (strncmp(closed[i], "192.168", 7) == 0 ? 0 : -EPERM),
			      "%s", closed[i]);
	ck_assert_int_eq(allow(&at.a, "8.8.8.8", 443, 0, 60), 0);
	ck_assert_int_eq(allow(&at.a, "64:ff9b::808:808", 443, 0, 60), 0);
	ck_assert_int_eq(allow(&at.a, "2600::1", 443, 0, 60), 0);
}
END_TEST

/* ---- the log ---- */

START_TEST(refusals_are_told_to_the_machines_own_log)
{
	struct firewall_log log = FIREWALL_LOG_EMPTY, other = FIREWALL_LOG_EMPTY;
	struct firewall_address internet = topology_address(INTERNET);
	struct firewall_address outside6 = topology_address(OUTSIDE6);
	struct firewall_refusal refusal;
	unsigned int count = 0;

	build();
	ck_assert_int_eq(firewall_log_open(&log), 0);
	ck_assert_int_eq(firewall_log_open(&other), 0);
	ck_assert_uint_ne(log.group, other.group);
	at.a.machine.log_group = log.group;
	at.c.machine.log_group = other.group;
	restrict_guest(&at.a, NULL, 0);
	restrict_guest(&at.c, NULL, 0);
	ck_assert_int_eq(firewall_log_read(&log, &refusal), 0);

	REFUSE(at.a.place, INTERNET, 8080, at.outside, 8080);
	ck_assert(place_ready(log.fd, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert_int_eq(firewall_log_read(&log, &refusal), 1);
	ck_assert_uint_eq(refusal.link, at.a.machine.link);
	ck_assert_int_eq(refusal.protocol, IPPROTO_TCP);
	ck_assert_uint_eq(refusal.port, 8080);
	ck_assert_mem_eq(&refusal.source, &at.a.addresses[0], sizeof(refusal.source));
	ck_assert_mem_eq(&refusal.destination, &internet, sizeof(internet));
	do
		ck_assert_int_eq(firewall_log_read(&log, &refusal), 1);
	while (refusal.protocol == IPPROTO_TCP);
	ck_assert_int_eq(refusal.protocol, IPPROTO_UDP);
	ck_assert_int_eq(firewall_log_read(&log, &refusal), 0);

	REFUSE(at.a.place, OUTSIDE6, 443, at.outside, 443);
	ck_assert_int_eq(firewall_log_read(&log, &refusal), 1);
	ck_assert_uint_eq(refusal.port, 443);
	ck_assert_mem_eq(&refusal.destination, &outside6, sizeof(outside6));
	while (firewall_log_read(&log, &refusal) > 0)
		;
	ck_assert_int_eq(firewall_log_read(&other, &refusal), 0);

	REFUSE(at.c.place, HOST, 22, at.host, 22);
	ck_assert_int_eq(firewall_log_read(&other, &refusal), 1);
	ck_assert_uint_eq(refusal.link, (uint32_t)at.bridge);
	ck_assert_uint_eq(refusal.port, 22);
	ck_assert_int_eq(firewall_log_read(&log, &refusal), 0);

	/* A flood is told in part. */
	for (unsigned int i = 0; i < 1000; i++)
		send_from(&at.a.place, GUEST_A, INTERNET);
	while (firewall_log_read(&log, &refusal) > 0)
		count++;
	ck_assert_uint_ge(count, 50);
	ck_assert_uint_le(count, 200);
	firewall_log_close(&log);
	firewall_log_close(&other);
}
END_TEST

int main(void)
{
	return TOPOLOGY_RUN(
		"net/firewall-inet", dns_goes_to_each_machines_own_responder,
		a_new_responder_takes_over, a_foreign_source_address_goes_nowhere,
		of_ipv6_a_whole_net_may_be_its_own, who_is_routed_is_reached_from_outside,
		metadata_is_closed_unless_it_is_a_target,
		a_restricted_machine_reaches_its_targets_and_its_gateway,
		a_restricted_machine_in_a_zone_reaches_siblings,
		a_restricted_machine_does_not_come_in_by_link_local_addresses,
		ports_of_a_restricted_machine_are_published,
		siblings_come_in_by_link_local_addresses_when_nobody_is_restricted_any_more,
		learnt_addresses_are_open_for_their_time, another_list_takes_the_place_of_the_first,
		however_much_was_learnt_it_is_taken_back,
		an_address_that_is_learnt_again_stays_open, no_name_opens_what_is_private,
		refusals_are_told_to_the_machines_own_log);
}
