/* net/lease-sample - for unit tests only: a machine to answer, and frames that it sends. */
#pragma once
#include <check.h>
#include <string.h>

#include "format/dhcp-sample.h"
#include "format/dhcp6.h"
#include "format/frame.h"
#include "format/ndp.h"
#include "net/lease.h"

#define LEASE_SAMPLE_ADDRESS "\12\325\0\2"
#define LEASE_SAMPLE_GATEWAY "\12\325\0\1"

/* The guest's MAC address is dhcp_sample_mac; 10.213.0.0/30; fd00:ed::/64. */
static inline struct lease_config lease_sample(void)
{
	struct lease_config config = {
		.gateway_mac = { 2, 0xee, 0, 0, 0, 1 },
		.prefix_length = 30,
		.routes6 = true,
		.dns_count = 1,
		.prefix.s6_addr = { 0xfd, 0, 0, 0xed },
		.link_local.s6_addr = { 0xfe, 0x80, [8] = 0, 0xee, 0, 0xff, 0xfe, 0, 0, 1 },
		.dns6_count = 1,
		.mtu = 1400,
		.host_name = "web",
		.domain = "machine",
	};

	memcpy(config.guest_mac, dhcp_sample_mac, LEASE_MAC);
	memcpy(&config.address, LEASE_SAMPLE_ADDRESS, 4);
	memcpy(&config.gateway, LEASE_SAMPLE_GATEWAY, 4);
	config.router = config.dns[0] = config.gateway;
	config.dns6[0] = config.prefix;
	config.dns6[0].s6_addr[15] = 1;
	return config;
}

/* As a client sends it that has no address. */
static inline struct frame lease_sample_udp(void)
{
	struct frame frame = {
		.kind = FRAME_UDP4,
		.to_mac = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.to4.s_addr = INADDR_BROADCAST,
		.to_port = DHCP_SERVER_PORT,
		.from_port = DHCP_CLIENT_PORT,
	};

	memcpy(frame.from_mac, dhcp_sample_mac, FRAME_MAC);
	return frame;
}

#define LEASE_SAMPLE_ROOM 600

/* A DHCP message in FRAME. */
static inline size_t lease_sample_dhcp(uint8_t *room, struct frame frame, uint8_t type,
				       const void *requested, const void *server)
{
	size_t headers = frame_headers(FRAME_UDP4);

	frame.payload_size = dhcp_sample(room + headers, LEASE_SAMPLE_ROOM - headers, type,
					 requested, server);
	return frame_write(room, &frame);
}

static inline struct frame lease_sample_icmp(void)
{
	struct frame frame = {
		.kind = FRAME_ICMP6,
		.to_mac = { 0x33, 0x33, 0, 0, 0, 2 },
		.to6.s6_addr = { 0xff, 2, [15] = 2 },
		.from6.s6_addr = { 0xfe, 0x80, [15] = 7 },
		.hops = NDP_HOPS,
	};

	memcpy(frame.from_mac, dhcp_sample_mac, FRAME_MAC);
	return frame;
}

static inline size_t lease_sample_solicitation(uint8_t *room, struct frame frame)
{
	uint8_t *message = room + frame_headers(FRAME_ICMP6);

	frame.payload_size = 8;
	memset(message, 0, 8);
	message[0] = NDP_SOLICITATION;
	return frame_write(room, &frame);
}

/* A DHCPv6 message as it is given. */
static inline size_t lease_sample_dhcp6(uint8_t *room, const void *message, size_t size)
{
	struct frame frame = lease_sample_icmp();

	frame.kind = FRAME_UDP6;
	frame.to_mac[3] = 1;
	frame.to6.s6_addr[13] = 1;
	frame.to_port = DHCP6_SERVER_PORT;
	frame.from_port = DHCP6_CLIENT_PORT;
	frame.hops = 1;
	frame.payload_size = size;
	memcpy(room + frame_headers(FRAME_UDP6), message, size);
	return frame_write(room, &frame);
}
