/* Everything that a machine on a bridge might say is said from c and listened for at d: without the
 * tables all of it arrives. */
#include "net/firewall-bridge.h"

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "base/fail.h"
#include "net/topology.h"

#define SIZE 200

/* What follows from a MAC that ends in "z". */
#define BRIDGE_LOCAL "fe80::ff:fe00:7a"

static struct topology at;
static struct firewall firewall;

struct frame {
	unsigned char bytes[SIZE];
	size_t size;
};

static void put(struct frame *frame, const void *data, size_t size)
{
	ck_assert_uint_le(frame->size + size, SIZE);
	memcpy(frame->bytes + frame->size, data, size);
	frame->size += size;
}

static void put_be16(struct frame *frame, uint16_t number)
{
	number = htons(number);
	put(frame, &number, sizeof(number));
}

static void put_u8(struct frame *frame, uint8_t number)
{
	put(frame, &number, sizeof(number));
}

static void put_address(struct frame *frame, const char *text)
{
	struct firewall_address address = topology_address(text);

	put(frame, address.bytes, address.family == AF_INET6 ? 16 : 4);
}

static const unsigned char everybody[6] = { 255, 255, 255, 255, 255, 255 };

static struct frame ether(const unsigned char *from, uint16_t type)
{
	struct frame frame = {};

	put(&frame, everybody, 6);
	put(&frame, from, 6);
	put_be16(&frame, type);
	return frame;
}

static void put_arp(struct frame *frame, const unsigned char *mac, const char *address)
{
	put_be16(frame, ARPHRD_ETHER);
	put_be16(frame, ETH_P_IP);
	put_u8(frame, 6);
	put_u8(frame, 4);
	put_be16(frame, ARPOP_REPLY);
	put(frame, mac, 6);
	put_address(frame, address);
	put(frame, everybody, 6);
	put_address(frame, GUEST_D);
}

static struct frame arp(const unsigned char *from, const unsigned char *mac, const char *address)
{
	struct frame frame = ether(from, ETH_P_ARP);

	put_arp(&frame, mac, address);
	return frame;
}

/* ARP in a frame that belongs to a VLAN; 0 is none. */
static struct frame tagged(const unsigned char *from, const char *address, uint16_t type,
			   uint16_t tag)
{
	struct frame frame = ether(from, type);

	put_be16(&frame, tag);
	put_be16(&frame, ETH_P_ARP);
	put_arp(&frame, from, address);
	return frame;
}

static void put_udp(struct frame *frame, uint16_t from, uint16_t to)
{
	put_be16(frame, from);
	put_be16(frame, to);
	put_be16(frame, 12);
	put_be16(frame, 0);
	put_be16(frame, 0);
	put_be16(frame, 0);
}

static void put_ip(struct frame *frame, const char *source, uint8_t protocol)
{
	static const unsigned char head[] = { 0x45, 0, 0, 32, 0, 0, 0, 0, 64 };
	uint32_t sum = 0;
	size_t start = frame->size;
	uint16_t word, check;

	put(frame, head, sizeof(head));
	put_u8(frame, protocol);
	put_be16(frame, 0);
	put_address(frame, source);
	put_address(frame, GUEST_D);
	for (size_t i = start; i < frame->size; i += 2) {
		memcpy(&word, frame->bytes + i, 2);
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	check = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	memcpy(frame->bytes + start + 10, &check, 2);
}

static struct frame udp(const unsigned char *from, const char *source, uint16_t sport,
			uint16_t dport)
{
	struct frame frame = ether(from, ETH_P_IP);

	put_ip(&frame, source, IPPROTO_UDP);
	put_udp(&frame, sport, dport);
	return frame;
}

static struct frame icmp(const unsigned char *from, uint8_t type)
{
	struct frame frame = ether(from, ETH_P_IP);

	put_ip(&frame, GUEST_C, IPPROTO_ICMP);
	put_u8(&frame, type);
	put(&frame, (unsigned char[11]){}, 11);
	return frame;
}

static void put_ip6(struct frame *frame, const char *source, uint8_t next, uint16_t size)
{
	put(frame, (unsigned char[]){ 0x60, 0, 0, 0 }, 4);
	put_be16(frame, size);
	put_u8(frame, next);
	put_u8(frame, 255);
	put_address(frame, source);
	put_address(frame, "ff02::1");
}

static struct frame udp6(const unsigned char *from, const char *source, uint16_t sport)
{
	struct frame frame = ether(from, ETH_P_IPV6);

	put_ip6(&frame, source, IPPROTO_UDP, 12);
	put_udp(&frame, sport, 546);
	return frame;
}

static struct frame icmp6(const unsigned char *from, const char *source, uint8_t type,
			  const char *target)
{
	struct frame frame = ether(from, ETH_P_IPV6);

	put_ip6(&frame, source, IPPROTO_ICMPV6, 24);
	put_u8(&frame, type);
	put(&frame, (unsigned char[7]){}, 7);
	put_address(&frame, target);
	return frame;
}

/* Behind a header of options, where a lazy look would not find it. */
static struct frame hidden(const unsigned char *from, uint8_t type)
{
	struct frame frame = ether(from, ETH_P_IPV6);

	put_ip6(&frame, "fe80::ff:fe00:63", IPPROTO_HOPOPTS, 32);
	put(&frame, (unsigned char[]){ IPPROTO_ICMPV6, 0, 1, 4, 0, 0, 0, 0 }, 8);
	put_u8(&frame, type);
	put(&frame, (unsigned char[23]){}, 23);
	return frame;
}

static int listener(const struct guest *guest)
{
	struct sockaddr_ll here = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = guest->inside };
	int fd;

	place_go(&guest->place);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&here, sizeof(here)), 0);
	return fd;
}

static bool is_same(const struct frame *frame, const unsigned char *bytes, ssize_t size)
{
	size_t tail = 20; /* a tag is taken off on the way */

	return size >= (ssize_t)tail && memcmp(bytes, frame->bytes, 12) == 0 &&
	       memcmp(bytes + size - tail, frame->bytes + frame->size - tail, tail) == 0;
}

/* Does what one says arrive at the other? A word of c's own behind it tells when it would have. */
static bool arrives(const struct frame *frame, int from, int to)
{
	static const unsigned char c[6] = { 2, 0, 0, 0, 0, 'c' };
	static uint16_t number = 2000;
	struct frame behind = udp(c, GUEST_C, number++, 2000);
	unsigned char bytes[2048];
	bool seen = false;
	ssize_t size;

	ck_assert_int_eq(send(from, frame->bytes, frame->size, 0), (ssize_t)frame->size);
	ck_assert_int_eq(send(from, behind.bytes, behind.size, 0), (ssize_t)behind.size);
	for (;;) {
		ck_assert(place_ready(to, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
		size = recv(to, bytes, sizeof(bytes), 0);
		seen = seen || is_same(frame, bytes, size);
		if (is_same(&behind, bytes, size))
			return seen;
	}
}

static void say(const char *what, struct frame frame, int from, int to, bool expected)
{
	ck_assert_msg(arrives(&frame, from, to) == expected, "%s: %s", what,
		      expected ? "does not arrive" : "arrives");
}

/* STRICT: c's addresses are fixed. */
static void say_all(bool guarded, bool strict)
{
	static const unsigned char c[6] = { 2, 0, 0, 0, 0, 'c' }, d[6] = { 2, 0, 0, 0, 0, 'd' };
	int from = listener(&at.c), to = listener(&at.d);
	bool no = !guarded, loose = !guarded || !strict;

	/* what is its own */
	say("ARP", arp(c, c, GUEST_C), from, to, true);
	say("ARP probe", arp(c, c, "0.0.0.0"), from, to, true);
	say("IPv4", udp(c, GUEST_C, 1000, 1000), from, to, true);
	say("IPv6", icmp6(c, GUEST_C6, 128, GUEST_D6), from, to, true);
	say("link-local", icmp6(c, "fe80::ff:fe00:63", 133, "::"), from, to, true);
	say("made up link-local", icmp6(c, "fe80::1234", 128, "::"), from, to, true);
	say("solicitation", icmp6(c, GUEST_C6, 135, GUEST_D6), from, to, true);
	say("advertisement", icmp6(c, GUEST_C6, 136, GUEST_C6), from, to, true);
	say("own DAD", icmp6(c, "::", 135, GUEST_C6), from, to, true);
	say("DHCP question", udp(c, "0.0.0.0", 68, 67), from, to, true);

	/* what is another's */
	say("foreign MAC", arp(d, d, GUEST_C), from, to, no);
	say("foreign MAC in ARP", arp(c, d, GUEST_C), from, to, no);
	say("ARP of a sibling", arp(c, c, GUEST_D), from, to, no);
	say("ARP of the gateway", arp(c, c, GATEWAY_Z), from, to, no);
	say("IPv4 of a sibling", udp(c, GUEST_D, 1000, 1000), from, to, no);
	say("IPv4 of the gateway", udp(c, GATEWAY_Z, 1000, 1000), from, to, no);
	say("IPv6 of a sibling", icmp6(c, GUEST_D6, 128, GUEST_D6), from, to, no);
	say("IPv6 of the gateway", icmp6(c, GATEWAY_Z6, 128, GUEST_D6), from, to, no);
	say("link-local of a sibling", icmp6(c, "fe80::ff:fe00:64", 128, "::"), from, to, no);
	say("claim of a sibling's", icmp6(c, GUEST_C6, 136, GUEST_D6), from, to, no);
	say("claim of the gateway's", icmp6(c, GUEST_C6, 136, GATEWAY_Z6), from, to, no);
	say("claim by DAD", icmp6(c, "::", 135, GUEST_D6), from, to, no);
	say("claim of the bridge's", icmp6(c, GUEST_C6, 136, BRIDGE_LOCAL), from, to, no);
	say("claim of it by DAD", icmp6(c, "::", 135, BRIDGE_LOCAL), from, to, no);
	say("link-local of the bridge", icmp6(c, BRIDGE_LOCAL, 128, "::"), from, to, no);

	/* what only routers and servers say */
	say("router advertisement", icmp6(c, "fe80::ff:fe00:63", 134, "::"), from, to, no);
	say("hidden one", hidden(c, 134), from, to, no);
	say("redirect", icmp6(c, "fe80::ff:fe00:63", 137, GUEST_D6), from, to, no);
	say("redirect of IPv4", icmp(c, 5), from, to, no);
	say("ping", icmp(c, 8), from, to, true);
	say("DHCP offer", udp(c, GUEST_C, 67, 68), from, to, no);
	say("DHCP offer from elsewhere", udp(c, GUEST_C, 1000, 68), from, to, no);
	say("DHCPv6 offer", udp6(c, GUEST_C6, 547), from, to, no);
	say("DHCPv6 offer from elsewhere", udp6(c, "fe80::ff:fe00:63", 1000), from, to, no);

	/* what is nobody's */
	say("ARP of nobody", arp(c, c, "10.213.128.99"), from, to, loose);
	say("IPv4 of nobody", udp(c, "10.213.128.99", 1000, 1000), from, to, loose);
	say("IPv6 of nobody", icmp6(c, "fd00:213:0:8000::99", 128, "::"), from, to, loose);

	/* what has a tag */
	say("VLAN 0", tagged(c, GATEWAY_Z, ETH_P_8021Q, 0), from, to, no);
	say("VLAN 0 with a priority", tagged(c, GATEWAY_Z, ETH_P_8021Q, 0xe000), from, to, no);
	say("VLAN 0 of a provider", tagged(c, GATEWAY_Z, ETH_P_8021AD, 0), from, to, no);
	say("VLAN 7", tagged(c, GATEWAY_Z, ETH_P_8021Q, 7), from, to, loose);
	close(from);
	close(to);
}

static void add(struct guest *guest)
{
	place_go(&at.host);
	ck_assert_msg(firewall_add(&firewall, &guest->machine) == 0, "%s", fail_recorded()->text);
}

static void build(void)
{
	topology_build(&at);
	at.c.machine.gateway_mac[0] = at.d.machine.gateway_mac[0] = 2;
	at.c.machine.gateway_mac[5] = at.d.machine.gateway_mac[5] = 'z';
	/* What the kernel shows to other tables would be answered there. */
	place_sysctl(&at.host, "/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
	place_sysctl(&at.host, "/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0");
	place_go(&at.host);
	ck_assert_int_eq(firewall_open(&firewall), 0);
}

START_TEST(everything_arrives_without_the_table)
{
	build();
	say_all(false, false);
}
END_TEST

START_TEST(only_what_is_its_own_comes_from_a_machine)
{
	build();
	add(&at.c);
	add(&at.d);
	say_all(true, true);
}
END_TEST

START_TEST(on_another_bridge_only_what_is_not_anothers)
{
	build();
	at.c.machine.fixed = at.d.machine.fixed = false;
	add(&at.c);
	add(&at.d);
	say_all(true, false);
}
END_TEST

START_TEST(a_machine_is_free_once_it_is_removed)
{
	build();
	add(&at.c);
	add(&at.d);
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.d.machine, false), 0);
	ck_assert_int_eq(firewall_remove(&firewall, &at.c.machine, true), 0);
	say_all(false, false);
}
END_TEST

int main(void)
{
	return TOPOLOGY_RUN("net/firewall-bridge", everything_arrives_without_the_table,
			    only_what_is_its_own_comes_from_a_machine,
			    on_another_bridge_only_what_is_not_anothers,
			    a_machine_is_free_once_it_is_removed);
}
