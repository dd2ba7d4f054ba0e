#include "format/frame.h"

#include <errno.h>
#include <string.h>

#include "base/unit.h"
#include "format/octets.h"

#define PAYLOAD "what it carries" /* of odd size */
#define SIZE (sizeof(PAYLOAD) - 1)

static struct frame sample(enum frame_kind kind)
{
	return (struct frame){
		.kind = kind,
		.to_mac = { 2, 1, 1, 1, 1, 1 },
		.from_mac = { 2, 2, 2, 2, 2, 2 },
		.to4.s_addr = htonl(0x0a000002),
		.from4.s_addr = htonl(0x0a000001),
		.to6.s6_addr = { 0xfe, 0x80, [15] = 2 },
		.from6.s6_addr = { 0xfe, 0x80, [15] = 1 },
		.to_port = 68,
		.from_port = 67,
		.hops = 255,
		.payload_size = SIZE,
	};
}

static size_t write_sample(uint8_t *room, enum frame_kind kind)
{
	struct frame frame = sample(kind);

	memcpy(room + frame_headers(kind), PAYLOAD, SIZE);
	return frame_write(room, &frame);
}

START_TEST(what_is_written_can_be_read)
{
	for (enum frame_kind kind = FRAME_UDP4; kind <= FRAME_ICMP6; kind++) {
		struct frame frame, expected = sample(kind);
		uint8_t room[FRAME_HEADERS_MAX + SIZE + 6] = { 0 };
		size_t size = write_sample(room, kind);

		ck_assert_uint_eq(size, frame_headers(kind) + SIZE);
		/* Short frames are padded on the wire. */
		ck_assert_int_eq(frame_read(&frame, room, size + 6), 0);
		ck_assert_int_eq(frame.kind, kind);
		ck_assert_mem_eq(frame.to_mac, expected.to_mac, FRAME_MAC);
		ck_assert_mem_eq(frame.from_mac, expected.from_mac, FRAME_MAC);
		ck_assert_uint_eq(frame.hops, 255);
		ck_assert_ptr_eq(frame.payload, room + frame_headers(kind));
		ck_assert_uint_eq(frame.payload_size, SIZE);
		if (kind == FRAME_UDP4) {
			ck_assert_uint_eq(frame.to4.s_addr, expected.to4.s_addr);
			ck_assert_uint_eq(frame.from4.s_addr, expected.from4.s_addr);
		} else {
			ck_assert_mem_eq(&frame.to6, &expected.to6, 16);
			ck_assert_mem_eq(&frame.from6, &expected.from6, 16);
		}
		if (kind != FRAME_ICMP6) {
			ck_assert_uint_eq(frame.to_port, 68);
			ck_assert_uint_eq(frame.from_port, 67);
		}
	}
}
END_TEST

/* Sums up to all ones, as the receiver adds it. */
static bool adds_up(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += (uint32_t)data[i] << (i % 2 == 0 ? 8 : 0);
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return sum == UINT16_MAX;
}

START_TEST(checksums_add_up)
{
	uint8_t room[FRAME_HEADERS_MAX + SIZE];
	size_t size;

	size = write_sample(room, FRAME_UDP4);
	ck_assert(adds_up(0, room + 14, 20));
	/* The addresses of the pseudo header stand right before the payload of IP. */
	ck_assert(adds_up(IPPROTO_UDP + 8 + SIZE, room + 26, size - 26));
	size = write_sample(room, FRAME_UDP6);
	ck_assert(adds_up(IPPROTO_UDP + 8 + SIZE, room + 22, size - 22));
	size = write_sample(room, FRAME_ICMP6);
	ck_assert(adds_up(IPPROTO_ICMPV6 + SIZE, room + 22, size - 22));
}
END_TEST

START_TEST(no_checksum_of_udp_is_zero)
{
	uint8_t room[FRAME_HEADERS_MAX + 2];
	struct frame frame = sample(FRAME_UDP4);
	uint8_t *payload = room + frame_headers(FRAME_UDP4);
	uint16_t sum;

	frame.payload_size = 2;
	memset(payload, 0, 2);
	frame_write(room, &frame);
	sum = octets_get16(room + 40);
	memcpy(payload, room + 40, 2);
	frame_write(room, &frame);
	ck_assert_uint_ne(sum, 0);
	ck_assert_uint_eq(octets_get16(room + 40), UINT16_MAX);
}
END_TEST

/* One byte of a good frame changed. */
struct change {
	enum frame_kind kind;
	size_t at;
	uint8_t to;
	int result;
};

START_TEST(other_and_broken_frames_are_told_apart)
{
	static const struct change changes[] = {
		{ FRAME_UDP4, 12, 0x81, -EPROTONOSUPPORT }, /* a VLAN */
		{ FRAME_UDP4, 14, 0x65, -EBADMSG },	    /* version */
		{ FRAME_UDP4, 14, 0x44, -EBADMSG },	    /* header's size */
		{ FRAME_UDP4, 14, 0x4f, -EBADMSG },
		{ FRAME_UDP4, 16, 0xff, -EBADMSG }, /* size */
		{ FRAME_UDP4, 17, 0x13, -EBADMSG },
		{ FRAME_UDP4, 20, 0x20, -EPROTONOSUPPORT }, /* more fragments */
		{ FRAME_UDP4, 21, 0x01, -EPROTONOSUPPORT },
		{ FRAME_UDP4, 23, 6, -EPROTONOSUPPORT },
		{ FRAME_UDP4, 38, 0x01, -EBADMSG }, /* UDP's size */
		{ FRAME_UDP4, 39, 0x07, -EBADMSG },
		{ FRAME_UDP6, 14, 0x40, -EBADMSG },
		{ FRAME_UDP6, 18, 0x01, -EBADMSG },
		{ FRAME_UDP6, 19, 0x07, -EBADMSG },
		{ FRAME_UDP6, 20, 0, -EPROTONOSUPPORT },  /* hop-by-hop options */
		{ FRAME_UDP6, 20, 44, -EPROTONOSUPPORT }, /* a fragment */
		{ FRAME_UDP6, 59, 0x07, -EBADMSG },
		{ FRAME_ICMP6, 19, 0x03, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		struct frame frame = { .payload_size = 77 };
		uint8_t room[FRAME_HEADERS_MAX + SIZE];
		size_t size = write_sample(room, changes[i].kind);

		room[changes[i].at] = changes[i].to;
		ck_assert_msg(frame_read(&frame, room, size) == changes[i].result, "case %zu", i);
		ck_assert_uint_eq(frame.payload_size, 77);
	}
}
END_TEST

START_TEST(frames_that_are_cut_short_or_too_long_are_refused)
{
	uint8_t room[FRAME_SIZE_MAX + 1] = { 0 };
	struct frame frame;

	for (enum frame_kind kind = FRAME_UDP4; kind <= FRAME_ICMP6; kind++) {
		size_t size = write_sample(room, kind);

		for (size_t cut = 0; cut < size; cut++)
			ck_assert_int_eq(frame_read(&frame, room, cut), -EBADMSG);
		ck_assert_int_eq(frame_read(&frame, room, FRAME_SIZE_MAX), 0);
		ck_assert_int_eq(frame_read(&frame, room, FRAME_SIZE_MAX + 1), -EBADMSG);
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/frame", what_is_written_can_be_read, checksums_add_up,
			no_checksum_of_udp_is_zero, other_and_broken_frames_are_told_apart,
			frames_that_are_cut_short_or_too_long_are_refused);
}
