/* format/frame - Ethernet frames that carry UDP or ICMPv6, with all their headers. Pure, quiet.
 *
 * For packet sockets, where nobody else looks at the headers. What is read comes from a guest and
 * may be anything; its checksums are not looked at: on a virtual link nothing is damaged, and what
 * the guest's kernel sends has none yet. What is written has all of them.
 */
#pragma once
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAC 6
#define FRAME_SIZE_MAX 2048 /* of one that is read */

enum frame_kind { FRAME_UDP4, FRAME_UDP6, FRAME_ICMP6 };

struct frame {
	enum frame_kind kind;
	uint8_t to_mac[FRAME_MAC], from_mac[FRAME_MAC];
	struct in_addr to4, from4;   /* of FRAME_UDP4 */
	struct in6_addr to6, from6;  /* of the others */
	uint16_t to_port, from_port; /* of UDP; as numbers */
	uint8_t hops;		     /* that are left; when written, 0: as usual */
	const uint8_t *payload;	     /* when read: inside of what was read */
	size_t payload_size;
};

/* -EPROTONOSUPPORT: something else (fragments and extension headers too). -EBADMSG: too long, cut
 * short, or its lengths contradict each other. Padding behind the packet is not part of it. */
int frame_read(struct frame *ret, const uint8_t *data, size_t size);

#define FRAME_HEADERS_MAX 62

/* How much stands before the payload when a frame is written. */
size_t frame_headers(enum frame_kind kind);

/* Write the headers; the payload stands behind them already. Returns the size of the whole. */
size_t frame_write(uint8_t *data, const struct frame *frame);
