/* Frames of a guest: what can be read says the same when it is written again. */
#include <assert.h>
#include <string.h>

#include "format/frame.h"
#include "fuzz.h"

static void write_again(const struct frame *frame)
{
	uint8_t room[FRAME_HEADERS_MAX + FRAME_SIZE_MAX];
	size_t headers = frame_headers(frame->kind);
	struct frame again;
	size_t size;

	memcpy(room + headers, frame->payload, frame->payload_size);
	size = frame_write(room, frame);
	assert(size == headers + frame->payload_size);
	assert(frame_read(&again, room, size) == 0);
	assert(again.kind == frame->kind && again.payload_size == frame->payload_size);
	assert(memcmp(again.to_mac, frame->to_mac, FRAME_MAC) == 0);
	assert(memcmp(again.from_mac, frame->from_mac, FRAME_MAC) == 0);
	assert(again.to4.s_addr == frame->to4.s_addr && again.from4.s_addr == frame->from4.s_addr);
	assert(IN6_ARE_ADDR_EQUAL(&again.to6, &frame->to6));
	assert(IN6_ARE_ADDR_EQUAL(&again.from6, &frame->from6));
	assert(again.to_port == frame->to_port && again.from_port == frame->from_port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame = { .payload_size = 4242 };

	if (frame_read(&frame, data, size) < 0) {
		assert(frame.payload_size == 4242 && frame.payload == NULL);
		return 0;
	}
	assert(frame.payload >= data && frame.payload + frame.payload_size <= data + size);
	write_again(&frame);
	return 0;
}
