/* format/dhcp6 - DHCP for IPv6 as a server of one address sees it (RFC 8415, 3646). Pure, quiet.
 *
 * One address of a client's first IA_NA, and the settings that come without an address. No
 * prefixes, no relays. What clients ask for by number is not looked at: all there is to tell is
 * sent.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP6_SERVER_PORT 547
#define DHCP6_CLIENT_PORT 546
#define DHCP6_MAC 6
#define DHCP6_QUERY_MAX 1500
#define DHCP6_ID_MAX 130
#define DHCP6_ANSWER_MAX 500
#define DHCP6_DNS_MAX 3

enum dhcp6_type {
	DHCP6_SOLICIT = 1,
	DHCP6_ADVERTISE,
	DHCP6_REQUEST,
	DHCP6_CONFIRM,
	DHCP6_RENEW,
	DHCP6_REBIND,
	DHCP6_REPLY,
	DHCP6_RELEASE,
	DHCP6_DECLINE,
	DHCP6_RECONFIGURE,
	DHCP6_INFORMATION_REQUEST,
};

enum dhcp6_status { DHCP6_SUCCESS, DHCP6_NOT_ON_LINK = 4 };

struct dhcp6_query {
	enum dhcp6_type type; /* one that clients send */
	uint32_t xid;
	bool rapid_commit;
	const uint8_t *client, *server;	 /* identifiers, inside of what was read */
	size_t client_size, server_size; /* 0: none */
	bool wants_address;		 /* there is an IA_NA */
	uint32_t association;		 /* its number */
	struct in6_addr address;	 /* the first that is named in it; else :: */
};

/* -EBADMSG: malformed, too long, without a client's identifier where there has to be one, or not
 * what a client sends. */
int dhcp6_read(struct dhcp6_query *ret, const uint8_t *data, size_t size);

/* Is it for the server that dhcp6_write() makes of MAC? Also if it is for all. */
bool dhcp6_is_for(const struct dhcp6_query *query, const uint8_t *mac);

struct dhcp6_answer {
	enum dhcp6_type type;	 /* DHCP6_ADVERTISE, DHCP6_REPLY */
	uint8_t mac[DHCP6_MAC];	 /* the server's */
	struct in6_addr address; /* for the IA_NA; ::: none */
	uint32_t lease_s;
	bool only_status; /* nothing but this: */
	enum dhcp6_status status;
	const struct in6_addr *dns;
	size_t dns_count;   /* up to DHCP6_DNS_MAX */
	const char *domain; /* to search; NULL or "": not told; nor if it does not fit */
	bool rapid_commit;  /* the answer to a DHCP6_SOLICIT is final */
};

/* Returns the size. RET has room for DHCP6_ANSWER_MAX. */
size_t dhcp6_write(uint8_t *ret, const struct dhcp6_query *query,
		   const struct dhcp6_answer *answer);
