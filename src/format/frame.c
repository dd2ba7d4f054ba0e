#include "format/frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "format/octets.h"

enum {
	ETHERNET = 14,
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_IP6 = 0x86dd,
	IP4 = 20,
	IP4_FRAGMENT = 0x3fff, /* all of the offset, and "more follow" */
	IP4_WHOLE = 0x4000,    /* "do not fragment" */
	IP6 = 40,
	UDP = 8,
	ICMP6 = 4,
	HOPS = 64,
};

/* ---- reading ---- */

static int read_udp(struct frame *frame, const uint8_t *data, size_t size)
{
	size_t length;

	if (size < UDP)
		return -EBADMSG;
	length = octets_get16(data + 4);
	if (length < UDP || length > size)
		return -EBADMSG;
	frame->from_port = octets_get16(data);
	frame->to_port = octets_get16(data + 2);
	frame->payload = data + UDP;
	frame->payload_size = length - UDP;
	return 0;
}

static int read_ip4(struct frame *frame, const uint8_t *data, size_t size)
{
	size_t header, length;

	if (size < IP4 || data[0] >> 4 != 4)
		return -EBADMSG;
	header = (size_t)(data[0] & 0x0f) * 4;
	length = octets_get16(data + 2);
	if (header < IP4 || length < header || length > size)
		return -EBADMSG;
	if ((octets_get16(data + 6) & IP4_FRAGMENT) != 0 || data[9] != IPPROTO_UDP)
		return -EPROTONOSUPPORT;
	frame->kind = FRAME_UDP4;
	frame->hops = data[8];
	memcpy(&frame->from4, data + 12, sizeof(frame->from4));
	memcpy(&frame->to4, data + 16, sizeof(frame->to4));
	return read_udp(frame, data + header, length - header);
}

static int read_ip6(struct frame *frame, const uint8_t *data, size_t size)
{
	size_t length;

	if (size < IP6 || data[0] >> 4 != 6)
		return -EBADMSG;
	length = octets_get16(data + 4);
	if (length > size - IP6)
		return -EBADMSG;
	frame->hops = data[7];
	memcpy(&frame->from6, data + 8, sizeof(frame->from6));
	memcpy(&frame->to6, data + 24, sizeof(frame->to6));
	if (data[6] == IPPROTO_UDP) {
		frame->kind = FRAME_UDP6;
		return read_udp(frame, data + IP6, length);
	}
	if (data[6] != IPPROTO_ICMPV6)
		return -EPROTONOSUPPORT;
	if (length < ICMP6)
		return -EBADMSG;
	frame->kind = FRAME_ICMP6;
	frame->payload = data + IP6;
	frame->payload_size = length;
	return 0;
}

int frame_read(struct frame *ret, const uint8_t *data, size_t size)
{
	struct frame frame = { 0 };
	int r = -EPROTONOSUPPORT;

	if (size < ETHERNET || size > FRAME_SIZE_MAX)
		return -EBADMSG;
	memcpy(frame.to_mac, data, FRAME_MAC);
	memcpy(frame.from_mac, data + FRAME_MAC, FRAME_MAC);
	if (octets_get16(data + 12) == ETHERTYPE_IP4)
		r = read_ip4(&frame, data + ETHERNET, size - ETHERNET);
	else if (octets_get16(data + 12) == ETHERTYPE_IP6)
		r = read_ip6(&frame, data + ETHERNET, size - ETHERNET);
	if (r < 0)
		return r;
	*ret = frame;
	return 0;
}

/* ---- writing ---- */

/* RFC 1071, in parts: all but the last of even size. */
static uint32_t add(uint32_t sum, const uint8_t *data, size_t size)
{
	for (; size > 1; data += 2, size -= 2)
		sum += octets_get16(data);
	return size > 0 ? sum + (uint32_t)(data[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_checksum(uint8_t *place, uint16_t checksum)
{
	place[0] = (uint8_t)(checksum >> 8);
	place[1] = (uint8_t)checksum;
}

static size_t transport_header(enum frame_kind kind)
{
	return kind == FRAME_ICMP6 ? 0 : UDP;
}

size_t frame_headers(enum frame_kind kind)
{
	return ETHERNET + (kind == FRAME_UDP4 ? IP4 : IP6) + transport_header(kind);
}

static void put_ip4(struct octets *out, const struct frame *frame, size_t length)
{
	uint8_t *header = out->data + out->used;

	octets_put16(out, 0x4500); /* version, words of the header */
	octets_put16(out, (uint16_t)(IP4 + length));
	octets_put16(out, 0);
	octets_put16(out, IP4_WHOLE);
	octets_put8(out, frame->hops != 0 ? frame->hops : HOPS);
	octets_put8(out, IPPROTO_UDP);
	octets_put16(out, 0);
	octets_put(out, &frame->from4, sizeof(frame->from4));
	octets_put(out, &frame->to4, sizeof(frame->to4));
	put_checksum(header + 10, fold(add(0, header, IP4)));
}

static void put_ip6(struct octets *out, const struct frame *frame, size_t length)
{
	octets_put32(out, 6U << 28);
	octets_put16(out, (uint16_t)length);
	octets_put8(out, frame->kind == FRAME_UDP6 ? IPPROTO_UDP : IPPROTO_ICMPV6);
	octets_put8(out, frame->hops != 0 ? frame->hops : HOPS);
	octets_put(out, &frame->from6, sizeof(frame->from6));
	octets_put(out, &frame->to6, sizeof(frame->to6));
}

/* Of what transport protocols add to their own checksum: addresses, length and number. */
static uint32_t pseudo_header(const struct frame *frame, size_t length)
{
	uint32_t sum = (uint32_t)length;

	if (frame->kind == FRAME_UDP4) {
		sum = add(sum, (const uint8_t *)&frame->from4, sizeof(frame->from4));
		sum = add(sum, (const uint8_t *)&frame->to4, sizeof(frame->to4));
		return sum + IPPROTO_UDP;
	}
	sum = add(sum, (const uint8_t *)&frame->from6, sizeof(frame->from6));
	sum = add(sum, (const uint8_t *)&frame->to6, sizeof(frame->to6));
	return sum + (frame->kind == FRAME_UDP6 ? IPPROTO_UDP : IPPROTO_ICMPV6);
}

static void put_transport_checksum(uint8_t *start, const struct frame *frame, size_t length)
{
	uint8_t *place = start + (frame->kind == FRAME_ICMP6 ? 2 : 6);
	uint16_t checksum;

	put_checksum(place, 0);
	checksum = fold(add(pseudo_header(frame, length), start, length));
	/* In UDP, none would mean that there is no checksum. */
	if (checksum == 0 && frame->kind != FRAME_ICMP6)
		checksum = UINT16_MAX;
	put_checksum(place, checksum);
}

size_t frame_write(uint8_t *data, const struct frame *frame)
{
	struct octets out = { .data = data, .room = frame_headers(frame->kind) };
	size_t length = transport_header(frame->kind) + frame->payload_size;

	assert(length <= UINT16_MAX - IP4);
	assert(frame->kind != FRAME_ICMP6 || length >= ICMP6);
	octets_put(&out, frame->to_mac, FRAME_MAC);
	octets_put(&out, frame->from_mac, FRAME_MAC);
	octets_put16(&out, frame->kind == FRAME_UDP4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
	if (frame->kind == FRAME_UDP4)
		put_ip4(&out, frame, length);
	else
		put_ip6(&out, frame, length);
	if (frame->kind != FRAME_ICMP6) {
		octets_put16(&out, frame->from_port);
		octets_put16(&out, frame->to_port);
		octets_put16(&out, (uint16_t)length);
		octets_put16(&out, 0);
	}
	assert(!out.full);
	put_transport_checksum(data + out.room - transport_header(frame->kind), frame, length);
	return out.room + frame->payload_size;
}
