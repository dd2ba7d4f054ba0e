/* format/ndp - how a router tells IPv6 hosts about a link (RFC 4861, 8106). Pure, quiet.
 *
 * ICMPv6 messages without their checksum, which format/frame knows.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NDP_SOLICITATION 133 /* types of ICMPv6 */
#define NDP_ADVERTISEMENT 134
#define NDP_HOPS 255 /* with fewer, it came from another link */
#define NDP_MAC 6
#define NDP_SOLICITATION_MAX 1500
#define NDP_ADVERTISEMENT_MAX 400
#define NDP_DNS_MAX 3
#define NDP_FOREVER UINT32_MAX

/* Is it a well-formed router solicitation? FROM_NOBODY: its sender has no address yet, and may
 * not tell its MAC address. -EBADMSG: no. */
int ndp_read_solicitation(const uint8_t *data, size_t size, bool from_nobody);

struct ndp_advertisement {
	uint8_t mac[NDP_MAC];	       /* the router's */
	uint16_t router_s;	       /* how long it is the default router; 0: it is none */
	bool managed, other;	       /* DHCPv6 has addresses; has other things */
	uint32_t mtu;		       /* 0: not told */
	struct in6_addr prefix;	       /* on the link */
	bool autonomous;	       /* hosts make their address of it */
	unsigned int prefix_length;    /* 0: none */
	uint32_t valid_s, preferred_s; /* of the prefix */
	const struct in6_addr *dns;
	size_t dns_count;   /* up to NDP_DNS_MAX */
	const char *domain; /* to search; NULL or "": not told; nor if it does not fit */
	uint32_t dns_s;	    /* how long the last two are good */
};

/* Returns the size. RET has room for NDP_ADVERTISEMENT_MAX. */
size_t ndp_write_advertisement(uint8_t *ret, const struct ndp_advertisement *advertisement);
