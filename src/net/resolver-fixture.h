/* net/resolver-fixture - for unit tests only: a guest, a responder and the host's resolvers, all on
 * the loopback of a network namespace of the case. */
#pragma once
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "format/dns-wire.h"
#include "format/dns-write.h"
#include "format/dns.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/network.h"
#include "net/resolver-state.h"
#include "net/resolver.h"

#undef fail /* an old macro of Check */

#define CONF "/mnt/resolv.conf"
#define TIMEOUT_US 3000000 /* where a case does not wait for it */
#define SHORT_US 100000

struct message {
	uint8_t data[2 + DNS_MESSAGE_MAX];
	size_t size;
};

/* A query for NAME: with EDNS if UDP_SIZE is not 0. */
static inline void message_ask(struct message *message, uint16_t id, const char *name,
			       uint16_t type, uint16_t udp_size)
{
	uint8_t *at = message->data;
	int length;

	memset(at, 0, DNS_HEADER_SIZE);
	dns_put16(at, id);
	dns_put16(at + DNS_FLAGS_AT, DNS_FLAG_RECURSE);
	dns_put16(at + DNS_COUNTS_AT, 1);
	at += DNS_HEADER_SIZE;
	length = dns_name_write(at, name);
	ck_assert_int_gt(length, 0);
	dns_put16(at + length, type);
	dns_put16(at + length + 2, DNS_IN);
	at += length + 4;
	if (udp_size > 0) {
		memset(at, 0, DNS_OPT_SIZE);
		dns_put16(at + 1, DNS_OPT);
		dns_put16(at + 3, udp_size);
		at += DNS_OPT_SIZE;
		message->data[11] = 1;
	}
	message->size = (size_t)(at - message->data);
}

/* The reply to ASKED, without its records. */
static inline void message_reply(struct message *message, const struct message *asked, int code)
{
	size_t taken = 0;
	uint8_t wire[DNS_NAME_WIRE_MAX];

	ck_assert_int_gt(dns_name_read(wire, &taken, asked->data, asked->size, DNS_HEADER_SIZE), 0);
	message->size = DNS_HEADER_SIZE + taken + 4;
	memcpy(message->data, asked->data, message->size);
	dns_put16(message->data + DNS_FLAGS_AT,
		  DNS_FLAG_REPLY | DNS_FLAG_RECURSES | (unsigned int)code);
	dns_put16(message->data + 10, 0);
}

/* One more record, named as the question if NAME is NULL. */
static inline void message_record(struct message *message, enum dns_section section,
				  const char *name, uint16_t type, uint32_t ttl, const void *data,
				  size_t size)
{
	uint8_t *at = message->data + message->size;
	uint8_t *count = message->data + DNS_COUNTS_AT + 2 * DNS_COUNT_OF(section);

	dns_put16(count, dns_get16(count) + 1U);
	dns_put16(at, DNS_POINTER | DNS_HEADER_SIZE);
	at += name != NULL ? dns_name_write(at, name) : 2;
	dns_put16(at, type);
	dns_put16(at + 2, DNS_IN);
	dns_put32(at + 4, ttl);
	dns_put16(at + 8, (unsigned int)size);
	memcpy(at + DNS_RECORD_SIZE, data, size);
	message->size = (size_t)(at - message->data) + DNS_RECORD_SIZE + size;
}

static inline void message_address(struct message *message, const char *name, const char *address)
{
	bool six = strchr(address, ':') != NULL;
	uint8_t bytes[16];

	ck_assert_int_eq(inet_pton(six ? AF_INET6 : AF_INET, address, bytes), 1);
	message_record(message, DNS_ANSWER, name, six ? DNS_AAAA : DNS_A, 300, bytes, six ? 16 : 4);
}

static inline void message_alias(struct message *message, const char *name, const char *target)
{
	uint8_t wire[DNS_NAME_WIRE_MAX];
	int length = dns_name_write(wire, target);

	message_record(message, DNS_ANSWER, name, DNS_CNAME, 300, wire, (size_t)length);
}

/* "NOERROR web.example 10.0.0.1 10.0.0.2", "+tc" after the code if truncated. */
static inline const char *message_show(const struct message *message)
{
	static const char *const codes[] = { "NOERROR",	 "FORMERR", "SERVFAIL",
					     "NXDOMAIN", "NOTIMP",  "REFUSED" };
	static char text[4096];
	struct dns_record record;
	struct dns_reader reader;
	size_t length;

	ck_assert_uint_ge(message->size, DNS_HEADER_SIZE);
	length = (size_t)snprintf(text, sizeof(text), "%s%s", codes[dns_reply_code(message->data)],
				  dns_reply_truncated(message->data) ? "+tc" : "");
	ck_assert_int_eq(dns_reader_init(&reader, message->data, message->size), 0);
	while (dns_reader_next(&reader, &record) > 0) {
		char address[INET6_ADDRSTRLEN];

		if (record.type != DNS_CNAME)
			inet_ntop(record.type == DNS_A ? AF_INET : AF_INET6, record.address,
				  address, sizeof(address));
		length += (size_t)snprintf(text + length, sizeof(text) - length, " %s",
					   record.type == DNS_CNAME ? record.target : address);
	}
	return text;
}

/* The world. */

static struct resolver *resolver;

static inline void world_enter(const char *conf)
{
	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(network_loopback_up(), 0);
	fixture_write(CONF, conf);
}

static inline void world_open(const struct resolver_config *config)
{
	static const struct resolver_address listen[] = {
		{ .family = AF_INET, .bytes = { 127, 0, 0, 1 } },
		{ .family = AF_INET6, .bytes = { [15] = 1 } },
	};
	struct resolver_config copy = *config;

	copy.listen = listen;
	copy.listen_count = ARRAY_SIZE(listen);
	copy.resolv_conf = CONF;
	if (copy.timeout_us == 0)
		copy.timeout_us = TIMEOUT_US;
	ck_assert_int_eq(resolver_open(&resolver, &copy), 0);
}

/* Serve until FD is ready, or for so long; false: it is not. */
static inline bool world_serve(int fd, int milliseconds)
{
	uint64_t end = clock_monotonic_us() + (uint64_t)milliseconds * 1000;

	for (;;) {
		struct pollfd polls[] = {
			{ .fd = resolver_poll_fd(resolver), .events = POLLIN },
			{ .fd = fd, .events = POLLIN },
		};
		uint64_t now = clock_monotonic_us();

		ck_assert_int_ge(poll(polls, 2, now < end ? (int)((end - now) / 1000) + 1 : 0), 0);
		if (polls[0].revents != 0)
			resolver_serve(resolver);
		if (polls[1].revents != 0)
			return true;
		if (now >= end)
			return false;
	}
}

/* A socket bound to HOST (any port: 0), or connected to the responder if HOST is NULL. */
static inline int world_socket(const char *host, uint16_t port, int type)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET, host != NULL ? host : "127.0.0.1", &address.sin_addr),
			 1);
	ck_assert_int_ge(fd, 0);
	if (host == NULL) {
		address.sin_port = htons(resolver_port(resolver));
		ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		return fd;
	}
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
	ck_assert_msg(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "bind %s: %s",
		      host, strerror(errno));
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

static inline int world_guest(void)
{
	return world_socket(NULL, 0, SOCK_DGRAM);
}

static inline int world_server(const char *host)
{
	return world_socket(host, 53, SOCK_DGRAM);
}

static inline void world_send(int fd, const struct message *message)
{
	ck_assert_int_eq(send(fd, message->data, message->size, 0), (ssize_t)message->size);
}

static inline void world_ask(int guest, uint16_t id, const char *name, uint16_t type)
{
	struct message message;

	message_ask(&message, id, name, type, 0);
	world_send(guest, &message);
}

/* What comes for a guest or a server; *from may be NULL. */
static inline void world_receive(int fd, struct message *ret, struct sockaddr_in *from)
{
	socklen_t size = sizeof(*from);
	ssize_t n;

	ck_assert_msg(world_serve(fd, 5000), "nothing came");
	n = recvfrom(fd, ret->data, sizeof(ret->data), 0, (struct sockaddr *)from,
		     from != NULL ? &size : NULL);
	ck_assert_msg(n >= 0, "recv: %s", strerror(errno));
	ret->size = (size_t)n;
}

static inline const char *world_answer(int guest)
{
	static struct message message;

	world_receive(guest, &message, NULL);
	return message_show(&message);
}

static inline const char *world_ask_and_answer(int guest, const char *name, uint16_t type)
{
	world_ask(guest, 7, name, type);
	return world_answer(guest);
}

static inline void world_send_to(int server, const struct sockaddr_in *to,
				 const struct message *message)
{
	ck_assert_int_eq(sendto(server, message->data, message->size, 0,
				(const struct sockaddr *)to, sizeof(*to)),
			 (ssize_t)message->size);
}

/* The server answers the next query with one address. */
static inline void world_serve_address(int server, const char *address)
{
	static struct message asked, reply;
	struct sockaddr_in from;

	world_receive(server, &asked, &from);
	message_reply(&reply, &asked, DNS_NOERROR);
	message_address(&reply, NULL, address);
	world_send_to(server, &from, &reply);
}

static inline void world_serve_code(int server, int code)
{
	static struct message asked, reply;
	struct sockaddr_in from;

	world_receive(server, &asked, &from);
	message_reply(&reply, &asked, code);
	world_send_to(server, &from, &reply);
}
