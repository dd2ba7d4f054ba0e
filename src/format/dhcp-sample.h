/* format/dhcp-sample - for unit tests only: messages that clients send, and what is in answers. */
#pragma once
#include <check.h>
#include <string.h>

#include "format/dhcp.h"
#include "format/octets.h"

#define DHCP_SAMPLE_XID 0x12345678U
#define DHCP_SAMPLE_OPTIONS 240

static const uint8_t dhcp_sample_mac[DHCP_MAC] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

/* All but the options. */
static inline struct octets dhcp_sample_begin(uint8_t *room, size_t size)
{
	struct octets out = { .data = room, .room = size };

	octets_put32(&out, 0x01010600);
	octets_put32(&out, DHCP_SAMPLE_XID);
	octets_put_zeros(&out, 28 - 8);
	octets_put(&out, dhcp_sample_mac, DHCP_MAC);
	octets_put_zeros(&out, 236 - 28 - DHCP_MAC);
	octets_put32(&out, 0x63825363);
	return out;
}

static inline void dhcp_sample_option(struct octets *out, uint8_t option, const void *data,
				      uint8_t size)
{
	octets_put8(out, option);
	octets_put8(out, size);
	octets_put(out, data, size);
}

static inline size_t dhcp_sample_end(struct octets *out)
{
	octets_put8(out, 255);
	ck_assert(!out->full);
	return out->used;
}

/* TYPE and, where they are not NULL, a requested address and a server as four bytes. */
static inline size_t dhcp_sample(uint8_t *room, size_t size, uint8_t type, const void *requested,
				 const void *server)
{
	struct octets out = dhcp_sample_begin(room, size);

	dhcp_sample_option(&out, 53, &type, 1);
	if (requested != NULL)
		dhcp_sample_option(&out, 50, requested, 4);
	if (server != NULL)
		dhcp_sample_option(&out, 54, server, 4);
	return dhcp_sample_end(&out);
}

/* The option's data, behind its length; NULL: it is not there. */
static inline const uint8_t *dhcp_sample_find(const uint8_t *message, size_t size, uint8_t option)
{
	size_t at = DHCP_SAMPLE_OPTIONS;

	while (at < size && message[at] != 255) {
		if (message[at] == option)
			return message + at + 1;
		at += message[at] == 0 ? 1 : 2U + message[at + 1];
	}
	ck_assert_msg(at < size, "no end");
	return NULL;
}
