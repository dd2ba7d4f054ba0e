/* net/lease - tells one machine its addresses, if it asks: DHCP and router advertisements.
 *
 * For guests that configure their interface themselves; they get exactly what the supervisor gave
 * it before. One packet socket on the host's end of the machine's link, which may be the port of a
 * bridge: the machine's frames are seen there before bridge and firewall, and answers go to its MAC
 * address and past them. Nobody else is heard or answered.
 *
 * A machine that sends without end wakes its supervisor a bounded number of times a second.
 *
 * Runs in: supervisor, in the host's network namespace. One thread. Allocates nothing. The
 * interface may go down or vanish at any time: then nothing is heard any more, which is no error.
 */
#pragma once
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEASE_MAC 6
#define LEASE_DNS_MAX 3
#define LEASE_NAME_ROOM 65
#define LEASE_SECONDS 43200	    /* a lease; clients ask again after half of it */
#define LEASE_ADVERTISE_SECONDS 600 /* from one unasked advertisement to the next */
#define LEASE_ANSWERS_MAX 16	    /* in a second */

struct later;

struct lease_config {
	unsigned int ifindex;		 /* the host's end of the link */
	uint8_t guest_mac[LEASE_MAC];	 /* of the machine's end */
	uint8_t gateway_mac[LEASE_MAC];	 /* of the host's end, or of the bridge */
	struct in_addr address, gateway; /* address 0.0.0.0: no DHCP */
	struct in_addr router;		 /* 0.0.0.0: not told; mostly the gateway, who answers */
	unsigned int prefix_length;	 /* 1 to 32 */
	struct in_addr dns[LEASE_DNS_MAX];
	size_t dns_count;
	struct in6_addr prefix;	    /* of 64 bits; ::: not told */
	struct in6_addr address6;   /* ::: what the machine makes of the prefix; without any of
				     * the two no advertisements, no DHCPv6 */
	struct in6_addr link_local; /* the gateway's, fe80::… */
	bool routes6;		    /* the gateway is the router */
	struct in6_addr dns6[LEASE_DNS_MAX];
	size_t dns6_count;
	uint16_t mtu;			 /* 0: not told */
	char host_name[LEASE_NAME_ROOM]; /* "": not told */
	char domain[LEASE_NAME_ROOM];	 /* to search; "": not told */
	uint32_t lease_s;		 /* 0: LEASE_SECONDS */
};

struct lease {
	struct lease_config config;
	int epoll_fd, socket_fd, timer_fd;
	uint64_t advertise_us; /* when next */
	uint64_t second_us;    /* the running second began */
	unsigned int answers;  /* looked at in it */
	bool deaf;	       /* until it is over */
};

#define LEASE_EMPTY                                                          \
	{                                                                    \
		.epoll_fd = -EBADF, .socket_fd = -EBADF, .timer_fd = -EBADF, \
	}

/* Hears from now on, and sends an advertisement. Needs CAP_NET_RAW in the network namespace. The
 * interface need not be up yet. */
int lease_open(struct lease *lease, const struct lease_config *config);

/* Readable when lease_serve() has something to do. */
int lease_poll_fd(const struct lease *lease);

/* Never blocks. */
void lease_serve(struct lease *lease);

/* An advertisement now: the machine's end has come up, say. */
void lease_advertise(struct lease *lease);

/* The socket is left to LATER (NULL: waits for the kernel, some 16 ms). Accepts the empty one. */
void lease_done(struct lease *lease, struct later *later);
