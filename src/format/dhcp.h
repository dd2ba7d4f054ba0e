/* format/dhcp - DHCP for IPv4 as a server of one address sees it. Pure, quiet.
 *
 * RFC 2131 and 2132; classless routes (3442), rapid commit (4039), and the client's identifier,
 * which is sent back (6842). Nothing that a client asks for by number is looked at: all that there
 * is to tell is sent, and fits.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68
#define DHCP_MAC 6
#define DHCP_QUERY_MAX 1500
#define DHCP_ID_MAX 140	    /* of a client's identifier: type, IAID and the longest DUID */
#define DHCP_ANSWER_MAX 548 /* what every client must take */
#define DHCP_DNS_MAX 3

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM,
};

struct dhcp_query {
	enum dhcp_type type; /* one that clients send */
	uint32_t xid;
	bool broadcast; /* the client cannot hear what is sent to its future address */
	bool rapid_commit;
	uint8_t mac[DHCP_MAC];
	struct in_addr client;		  /* the address it has already; else 0.0.0.0 */
	struct in_addr requested, server; /* 0.0.0.0: not said */
	const uint8_t *id;		  /* inside of what was read */
	size_t id_size;			  /* 0: none */
};

/* -EBADMSG: malformed, too long, not for Ethernet, through a relay, or not what a client sends. */
int dhcp_read(struct dhcp_query *ret, const uint8_t *data, size_t size);

struct dhcp_answer {
	enum dhcp_type type;	/* DHCP_OFFER, DHCP_ACK, DHCP_NAK: of the rest only the server */
	struct in_addr server;	/* who answers */
	struct in_addr address; /* 0.0.0.0: the client has one, and wants only the rest */
	uint32_t lease_s;	/* not told without an address */
	unsigned int prefix_length;
	struct in_addr gateway; /* 0.0.0.0: none; outside of its net, routes say that it is there */
	const struct in_addr *dns;
	size_t dns_count;		/* up to DHCP_DNS_MAX */
	uint16_t mtu;			/* 0: not told */
	const char *host_name, *domain; /* NULL or "": not told; nor if they do not fit */
	bool rapid_commit;		/* the answer to a DHCP_DISCOVER is final */
};

/* Returns the size. RET has room for DHCP_ANSWER_MAX. */
size_t dhcp_write(uint8_t *ret, const struct dhcp_query *query, const struct dhcp_answer *answer);
