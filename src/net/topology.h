/* net/topology - for unit tests only: a host, machines and a neighbour, as network namespaces.
 *
 *	outside ---- ext0 host ve-a ---- a
 *	                       ve-b ---- b
 *	                       vz-z ---- c, d
 *
 * One process is everywhere: sockets stay where they were made.
 */
#pragma once
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kernel/fixture.h"
#include "kernel/link-port.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/network.h"
#include "kernel/route.h"
#include "net/firewall.h"

/* For an answer that should come, and for one that should not. */
#define TOPOLOGY_PATIENCE_MS 3000
#define TOPOLOGY_WAIT_MS 150

/* Addresses of each, in both families. */
#define OUTSIDE "192.0.2.2"
#define OUTSIDE6 "2001:db8::2"
#define INTERNET "198.51.100.1"
#define INTERNET6 "2001:db8:1::1"
#define METADATA "169.254.169.254"
#define HOST "192.0.2.1"
#define HOST6 "2001:db8::1"
#define GATEWAY_A "10.213.0.1"
#define GATEWAY_A6 "fd00:213::1"
#define GUEST_A "10.213.0.2"
#define GUEST_A6 "fd00:213::2"
#define GATEWAY_B "10.213.0.5"
#define GATEWAY_B6 "fd00:213:0:1::1"
#define GUEST_B "10.213.0.6"
#define GUEST_B6 "fd00:213:0:1::2"
#define GATEWAY_Z "10.213.128.1"
#define GATEWAY_Z6 "fd00:213:0:8000::1"
#define GUEST_C "10.213.128.2"
#define GUEST_C6 "fd00:213:0:8000::2"
#define GUEST_D "10.213.128.3"
#define GUEST_D6 "fd00:213:0:8000::3"

struct place {
	int netns;
	struct netlink netlink;
};

struct guest {
	struct place place;
	int link;   /* host's end */
	int inside; /* its own end */
	unsigned char mac[LINK_MAC_SIZE];
	struct firewall_address addresses[2], gateways[2];
	struct firewall_machine machine;
};

struct topology {
	struct place host, outside;
	int uplink, bridge;
	struct guest a, b, c, d;
};

static const struct firewall_address topology_pools[] = {
	{ .family = AF_INET, .bits = 16, .bytes = { 10, 213 } },
	{ .family = AF_INET6, .bits = 48, .bytes = { 0xfd, 0, 0x02, 0x13 } },
};

/* ---- places ---- */

static inline void place_go(const struct place *place)
{
	ck_assert_int_eq(setns(place->netns, CLONE_NEWNET), 0);
}

/* Where the caller is; what it opens here stays. */
static inline struct place place_here(void)
{
	struct place place = { .netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) };

	ck_assert_int_ge(place.netns, 0);
	ck_assert_int_eq(netlink_open(&place.netlink, NETLINK_ROUTE), 0);
	return place;
}

/* Interfaces that are made later use their addresses at once. */
static inline void place_hurry(void)
{
	ck_assert_int_eq(network_loopback_up(), 0);
	fixture_write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
}

static inline struct place place_new(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fixture_forward_nothing();
	place_hurry();
	return place_here();
}

static inline void place_sysctl(const struct place *place, const char *path, const char *value)
{
	place_go(place);
	fixture_write(path, value);
}

/* "192.0.2.1/24" */
static inline struct route_prefix place_prefix(const char *text)
{
	struct route_prefix prefix = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	char address[64];
	const char *slash = strchr(text, '/');

	snprintf(address, sizeof(address), "%.*s", slash ? (int)(slash - text) : (int)strlen(text),
		 text);
	prefix.length = slash ? (unsigned int)atoi(slash + 1) : prefix.family == AF_INET ? 32 : 128;
	ck_assert_int_eq(inet_pton(prefix.family, address, prefix.bytes), 1);
	return prefix;
}

static inline void place_address(struct place *place, int link, const char *text)
{
	struct route_address address = { .link = link, .local = place_prefix(text) };

	if (address.local.family == AF_INET6)
		address.flags = IFA_F_NODAD;
	ck_assert_int_eq(route_add_address(&place->netlink, &address), 0);
}

static inline void place_route(struct place *place, const char *to, const char *gateway)
{
	struct route route = { .to = place_prefix(to), .gateway = place_prefix(gateway) };

	route.gateway.length = 0;
	ck_assert_int_eq(route_add(&place->netlink, &route), 0);
}

static inline void place_up(struct place *place, int link)
{
	ck_assert_int_eq(link_set(&place->netlink, link, &(struct link_want){ .up = LINK_ON }), 0);
}

/* ---- building ---- */

static inline struct firewall_address topology_address(const char *text)
{
	struct route_prefix prefix = place_prefix(text);
	struct firewall_address address = { .family = (uint8_t)prefix.family,
					    .bits = (uint8_t)prefix.length };

	memcpy(address.bytes, prefix.bytes, sizeof(address.bytes));
	return address;
}

/* A pair of interfaces between the host and a new place. */
static inline void topology_pair(struct topology *at, struct guest *guest, const char *name,
				 const unsigned char mac[6], int bridge)
{
	struct link_want here = { .name = name, .master = bridge, .up = LINK_ON };
	struct link_want there = { .name = "host0", .mac = mac };

	guest->place = place_new();
	there.netns_fd = guest->place.netns;
	place_go(&at->host);
	ck_assert_int_eq(
		link_make_veth(&at->host.netlink, &guest->link, &guest->inside, &here, &there), 0);
	memcpy(guest->mac, mac, 6);
	place_up(&guest->place, guest->inside);
}

/* ADDRESSES: gateway and guest in each family. */
static inline void topology_guest(struct topology *at, struct guest *guest, const char *name,
				  const char *const addresses[4], int bridge)
{
	unsigned char mac[6] = { 2, 0, 0, 0, 0, (unsigned char)name[3] };
	char text[64];

	topology_pair(at, guest, name, mac, bridge);
	for (int i = 0; i < 2; i++) {
		const char *length = i > 0 ? "64" : bridge ? "24" : "30";

		guest->gateways[i] = topology_address(addresses[2 * i]);
		guest->addresses[i] = topology_address(addresses[2 * i + 1]);
		if (!bridge) {
			snprintf(text, sizeof(text), "%s/%s", addresses[2 * i], length);
			place_address(&at->host, guest->link, text);
		}
		snprintf(text, sizeof(text), "%s/%s", addresses[2 * i + 1], length);
		place_address(&guest->place, guest->inside, text);
		place_route(&guest->place, i > 0 ? "::/0" : "0.0.0.0/0", addresses[2 * i]);
	}
	if (bridge) {
		struct link_port port = { .hairpin = LINK_ON };

		ck_assert_int_eq(link_port_set(&at->host.netlink, guest->link, &port), 0);
	}
	guest->machine = (struct firewall_machine){
		.link = (uint32_t)guest->link,
		.bridge = (uint32_t)bridge,
		.fixed = true,
		.nat = true,
		.addresses = guest->addresses,
		.address_count = 2,
		.gateways = guest->gateways,
		.gateway_count = 2,
		.pools = topology_pools,
		.pool_count = 2,
	};
	memcpy(guest->machine.mac, mac, 6);
}

static inline void topology_outside(struct topology *at)
{
	struct guest pair = {};

	topology_pair(at, &pair, "ext0", (const unsigned char[]){ 2, 0, 0, 0, 1, 0 }, 0);
	at->uplink = pair.link;
	at->outside = pair.place;
	place_address(&at->host, pair.link, HOST "/24");
	place_address(&at->host, pair.link, HOST6 "/64");
	place_address(&at->outside, pair.inside, OUTSIDE "/24");
	place_address(&at->outside, pair.inside, OUTSIDE6 "/64");
	place_address(&at->outside, 1, INTERNET);
	place_address(&at->outside, 1, INTERNET6);
	place_address(&at->outside, 1, METADATA);
	place_route(&at->host, "0.0.0.0/0", OUTSIDE);
	place_route(&at->host, "::/0", OUTSIDE6);
	/* A neighbour who tries to get in. */
	place_route(&at->outside, "10.213.0.0/16", HOST);
	place_route(&at->outside, "fd00:213::/48", HOST6);
}

static inline void topology_forward(struct topology *at)
{
	place_sysctl(&at->host, "/proc/sys/net/ipv4/ip_forward", "1");
	place_sysctl(&at->host, "/proc/sys/net/ipv6/conf/all/forwarding", "1");
}

/* Nothing is forwarded yet, no machine is added. */
static inline void topology_build(struct topology *at)
{
	struct link_want bridge = { .name = "vz-z", .up = LINK_ON };

	fixture_enter(CLONE_NEWNET);
	place_hurry();
	at->host = place_here();
	topology_outside(at);
	ck_assert_int_eq(link_make_bridge(&at->host.netlink, &at->bridge, &bridge), 0);
	place_address(&at->host, at->bridge, GATEWAY_Z "/24");
	place_address(&at->host, at->bridge, GATEWAY_Z6 "/64");
	topology_guest(at, &at->a, "ve-a",
		       (const char *const[]){ GATEWAY_A, GUEST_A, GATEWAY_A6, GUEST_A6 }, 0);
	topology_guest(at, &at->b, "ve-b",
		       (const char *const[]){ GATEWAY_B, GUEST_B, GATEWAY_B6, GUEST_B6 }, 0);
	topology_guest(at, &at->c, "vb-c",
		       (const char *const[]){ GATEWAY_Z, GUEST_C, GATEWAY_Z6, GUEST_C6 },
		       at->bridge);
	topology_guest(at, &at->d, "vb-d",
		       (const char *const[]){ GATEWAY_Z, GUEST_D, GATEWAY_Z6, GUEST_D6 },
		       at->bridge);
	place_go(&at->host);
	/* The kernel makes local routes of IPv6 a moment later. */
	usleep(50 * 1000);
}

/* ---- trying ---- */

struct sockaddr_storage;

static inline socklen_t place_sockaddr(struct sockaddr_storage *ret, const char *address,
				       uint16_t port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	char bare[INET6_ADDRSTRLEN];

	memset(ret, 0, sizeof(*ret));
	if (strchr(address, '%')) { /* fe80::1%host0: of the place where the caller is */
		six->sin6_scope_id = link_index(strchr(address, '%') + 1);
		snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(address, "%"), address);
		address = bare;
	}
	if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(port);
	ck_assert_int_eq(inet_pton(AF_INET, address, &four->sin_addr), 1);
	return sizeof(*four);
}

static inline int place_socket(const struct place *place, int family, int type)
{
	int fd, on = 1;

	place_go(place);
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	return fd;
}

/* A service of PLACE, at all of its addresses of the family of ADDRESS. */
static inline int place_listen(const struct place *place, const char *address, int type,
			       uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t size;
	int fd, on = 1;

	size = place_sockaddr(&at, strchr(address, ':') ? "::" : "0.0.0.0", port);
	fd = place_socket(place, at.ss_family, type);
	if (at.ss_family == AF_INET6) {
		ck_assert_int_eq(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
		ck_assert_int_eq(setsockopt(fd, SOL_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)), 0);
	} else {
		ck_assert_int_eq(setsockopt(fd, SOL_IP, IP_PKTINFO, &on, sizeof(on)), 0);
	}
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

/* Is FD ready before OTHER (negative: none) tells a failure, within WAIT_MS? */
static inline bool place_ready(int fd, short events, int other, int wait_ms)
{
	struct pollfd polls[2] = { { .fd = fd, .events = events }, { .fd = other } };

	return poll(polls, 2, wait_ms) > 0 && polls[0].revents & events;
}

static inline void place_print(char ret[INET6_ADDRSTRLEN], const struct sockaddr_storage *address)
{
	const void *bytes =
		address->ss_family == AF_INET6
			? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
			: (const void *)&((const struct sockaddr_in *)address)->sin_addr;

	ck_assert_ptr_nonnull(inet_ntop(address->ss_family, bytes, ret, INET6_ADDRSTRLEN));
}

/* Answer a datagram from the address that it was for. */
static inline bool place_echo(int server, struct sockaddr_storage *ret_peer)
{
	char word, control[128];
	struct iovec piece = { .iov_base = &word, .iov_len = 1 };
	struct msghdr message = { .msg_name = ret_peer,
				  .msg_namelen = sizeof(*ret_peer),
				  .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };

	if (recvmsg(server, &message, 0) != 1)
		return false;
	if (ret_peer->ss_family == AF_INET) {
		struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(CMSG_FIRSTHDR(&message));

		info->ipi_spec_dst = info->ipi_addr;
		info->ipi_ifindex = 0;
	} else {
		struct in6_pktinfo *info = (struct in6_pktinfo *)CMSG_DATA(CMSG_FIRSTHDR(&message));

		info->ipi6_ifindex = 0;
	}
	word = 'a';
	return sendmsg(server, &message, 0) == 1;
}

/* FD is connected or connecting, and SERVER is asked: words go both ways. */
static inline bool place_converse(int fd, int server, bool stream, int wait_ms,
				  struct sockaddr_storage *ret_peer)
{
	socklen_t size = sizeof(*ret_peer);
	char word = 0;
	bool talks;
	int other;

	if (!stream)
		return send(fd, "q", 1, MSG_NOSIGNAL) == 1 &&
		       place_ready(server, POLLIN, fd, wait_ms) && place_echo(server, ret_peer) &&
		       place_ready(fd, POLLIN, -1, wait_ms) && recv(fd, &word, 1, 0) == 1 &&
		       word == 'a';
	if (!place_ready(server, POLLIN, fd, wait_ms))
		return false;
	other = accept4(server, (struct sockaddr *)ret_peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	talks = other >= 0 && send(fd, "q", 1, MSG_NOSIGNAL) == 1 &&
		place_ready(other, POLLIN, -1, wait_ms) && recv(other, &word, 1, 0) == 1 &&
		send(other, "a", 1, MSG_NOSIGNAL) == 1 && place_ready(fd, POLLIN, -1, wait_ms) &&
		recv(fd, &word, 1, 0) == 1 && word == 'a';
	if (other >= 0)
		close(other);
	return talks;
}

/* Can FROM talk to ADDRESS, where SERVER (place_listen) is to answer? */
static inline bool place_talks(const struct place *from, const char *address, int type,
			       uint16_t port, int server, int wait_ms,
			       char ret_peer[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage at, peer = {};
	socklen_t size;
	bool talks;
	int fd;

	place_go(from);
	size = place_sockaddr(&at, address, port);
	fd = place_socket(from, at.ss_family, type);
	talks = (connect(fd, (struct sockaddr *)&at, size) == 0 || errno == EINPROGRESS) &&
		place_converse(fd, server, type == SOCK_STREAM, wait_ms, &peer);
	if (talks && ret_peer)
		place_print(ret_peer, &peer);
	close(fd);
	return talks;
}

/* The same where AT listens for it, in TCP and UDP; PEER: who AT must see then, NULL: refused. */
static inline void place_expect(const char *file, int line, const struct place *from,
				const char *address, uint16_t port, const struct place *at,
				uint16_t at_port, const char *want)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };

	for (int i = 0; i < 2; i++) {
		int server = place_listen(at, address, types[i], at_port);
		char peer[INET6_ADDRSTRLEN] = "nobody";
		const char *protocol = i > 0 ? "udp" : "tcp";

		(void)place_talks(from, address, types[i], port, server,
				  want ? TOPOLOGY_PATIENCE_MS : TOPOLOGY_WAIT_MS, peer);
		close(server);
		ck_assert_msg(strcmp(peer, want ? want : "nobody") == 0,
			      "%s:%d: %s %s %u: seen %s, not %s", file, line, protocol, address,
			      port, peer, want ? want : "nobody");
	}
}
#define EXPECT(from, address, port, at, at_port, peer) \
	place_expect(__FILE__, __LINE__, &(from), address, port, &(at), at_port, peer)
#define REFUSE(from, address, port, at, at_port) EXPECT(from, address, port, at, at_port, NULL)

/* The return value of main(): a case may take its time. */
static inline int topology_run(const char *module, const TTest *const *cases, size_t count)
{
	TCase *group = tcase_create(module);

	tcase_set_timeout(group, 60);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(group, cases[i]);
	return fixture_run(group, module);
}
#define TOPOLOGY_RUN(module, ...)                                     \
	topology_run((module), (const TTest *const[]){ __VA_ARGS__ }, \
		     sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(const TTest *))
