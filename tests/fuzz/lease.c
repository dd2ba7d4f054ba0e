/* Whatever a machine sends: the answer fits, and goes to it and nobody else. */
#include <assert.h>
#include <string.h>

#include "format/frame.h"
#include "fuzz.h"
#include "net/lease-answer.h"
#include "net/lease.h"

static struct lease_config machine(void)
{
	return (struct lease_config){
		.guest_mac = { 2, 0x11, 0x22, 0x33, 0x44, 0x55 },
		.gateway_mac = { 2, 0xee, 0, 0, 0, 1 },
		.address.s_addr = htonl(0x0ad50002),
		.gateway.s_addr = htonl(0x0ad50001),
		.prefix_length = 30,
		.dns_count = 1,
		.prefix.s6_addr = { 0xfd, 0, 0, 0xed },
		.link_local.s6_addr = { 0xfe, 0x80, [15] = 1 },
		.dns6_count = 1,
		.host_name = "web",
		.domain = "machine",
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t room[FRAME_SIZE_MAX + 100], answer[LEASE_FRAME_MAX];
	const struct lease_config config = machine();
	struct frame frame;

	if (size > sizeof(room))
		return 0;
	memcpy(room, data, size);
	/* The fuzzer need not guess it. */
	if (size >= 12)
		memcpy(room + FRAME_MAC, config.guest_mac, FRAME_MAC);
	size = lease_answer(answer, &config, room, size);
	if (size == 0)
		return 0;
	assert(size <= sizeof(answer));
	assert(frame_read(&frame, answer, size) == 0);
	assert(memcmp(frame.to_mac, config.guest_mac, FRAME_MAC) == 0);
	assert(memcmp(frame.from_mac, config.gateway_mac, FRAME_MAC) == 0);
	if (frame.kind == FRAME_UDP4)
		assert(frame.from4.s_addr == config.gateway.s_addr);
	else
		assert(IN6_ARE_ADDR_EQUAL(&frame.from6, &config.link_local));
	return 0;
}
