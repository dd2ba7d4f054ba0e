#include "net/lease-answer.h"

#include <string.h>

#include "format/dhcp.h"
#include "format/dhcp6.h"
#include "format/frame.h"
#include "format/ndp.h"
#include "net/lease.h"

/* Longer than any pause of ours: it is still right if the supervisor dies and the machine lives. */
#define ROUTER_SECONDS 9000

static const struct in6_addr all_nodes = { .s6_addr = { 0xff, 0x02, [15] = 1 } };
static const struct in6_addr all_servers = { .s6_addr = { 0xff, 0x02, [13] = 1, 0, 2 } };
static const struct in6_addr all_routers = { .s6_addr = { 0xff, 0x02, [15] = 2 } };

/* ---- DHCP ---- */

/* 0: silence. */
static enum dhcp_type decide(const struct lease_config *config, const struct dhcp_query *query)
{
	in_addr_t wanted = query->requested.s_addr;

	switch (query->type) {
	case DHCP_DISCOVER: return query->rapid_commit ? DHCP_ACK : DHCP_OFFER;
	case DHCP_INFORM: return DHCP_ACK;
	case DHCP_REQUEST: break;
	default: return 0;
	}
	/* It has chosen another server. */
	if (query->server.s_addr != 0 && query->server.s_addr != config->gateway.s_addr)
		return 0;
	if (wanted == 0)
		wanted = query->client.s_addr;
	if (wanted == 0)
		return 0;
	return wanted == config->address.s_addr ? DHCP_ACK : DHCP_NAK;
}

/* Where the client hears us (RFC 2131 4.1). */
static struct in_addr hears_at(const struct dhcp_answer *answer, const struct dhcp_query *query)
{
	static const struct in_addr everybody = { .s_addr = INADDR_BROADCAST };

	if (answer->type == DHCP_NAK)
		return everybody;
	if (query->client.s_addr != 0)
		return query->client;
	return query->broadcast || answer->address.s_addr == 0 ? everybody : answer->address;
}

static size_t write_dhcp(uint8_t *ret, const struct lease_config *config,
			 const struct dhcp_query *query, const struct dhcp_answer *answer)
{
	struct frame frame = {
		.kind = FRAME_UDP4,
		.to4 = hears_at(answer, query),
		.from4 = config->gateway,
		.to_port = DHCP_CLIENT_PORT,
		.from_port = DHCP_SERVER_PORT,
	};

	memcpy(frame.to_mac, config->guest_mac, FRAME_MAC);
	memcpy(frame.from_mac, config->gateway_mac, FRAME_MAC);
	frame.payload_size = dhcp_write(ret + frame_headers(FRAME_UDP4), query, answer);
	return frame_write(ret, &frame);
}

static size_t answer_dhcp(uint8_t *ret, const struct lease_config *config,
			  const struct frame *frame)
{
	struct dhcp_answer answer = {
		.server = config->gateway,
		.address = config->address,
		.lease_s = config->lease_s != 0 ? config->lease_s : LEASE_SECONDS,
		.prefix_length = config->prefix_length,
		.gateway = config->router,
		.dns = config->dns,
		.dns_count = config->dns_count,
		.mtu = config->mtu,
		.host_name = config->host_name,
		.domain = config->domain,
	};
	struct dhcp_query query;

	if (config->address.s_addr == 0 || frame->to_port != DHCP_SERVER_PORT)
		return 0;
	if (frame->to4.s_addr != INADDR_BROADCAST && frame->to4.s_addr != config->gateway.s_addr)
		return 0;
	if (dhcp_read(&query, frame->payload, frame->payload_size) < 0 ||
	    memcmp(query.mac, config->guest_mac, DHCP_MAC) != 0)
		return 0;
	answer.type = decide(config, &query);
	if (answer.type == 0)
		return 0;
	answer.rapid_commit = query.type == DHCP_DISCOVER && answer.type == DHCP_ACK;
	if (query.type == DHCP_INFORM)
		answer.address.s_addr = 0;
	return write_dhcp(ret, config, &query, &answer);
}

/* ---- DHCP for IPv6 ---- */

static bool has6(const struct lease_config *config)
{
	return !IN6_IS_ADDR_UNSPECIFIED(&config->prefix) ||
	       !IN6_IS_ADDR_UNSPECIFIED(&config->address6);
}

/* What the machine makes itself of the prefix: RFC 4291, appendix A. */
static struct in6_addr own_address6(const struct lease_config *config)
{
	struct in6_addr address = config->prefix;
	uint8_t *id = address.s6_addr + 8;

	memcpy(id, config->guest_mac, 3);
	memcpy(id + 5, config->guest_mac + 3, 3);
	id[0] ^= 0x02;
	id[3] = 0xff;
	id[4] = 0xfe;
	return address;
}

static struct in6_addr address6(const struct lease_config *config)
{
	return IN6_IS_ADDR_UNSPECIFIED(&config->address6) ? own_address6(config) : config->address6;
}

/* Else it would have another one beside that which it was given, and talk from there. */
static bool makes_its_address(const struct lease_config *config)
{
	struct in6_addr own = own_address6(config), given = address6(config);

	return IN6_ARE_ADDR_EQUAL(&own, &given);
}

/* False: silence. */
static bool decide6(struct dhcp6_answer *answer, const struct dhcp6_query *query)
{
	answer->type = DHCP6_REPLY;
	switch (query->type) {
	case DHCP6_SOLICIT:
		answer->rapid_commit = query->rapid_commit;
		if (!query->rapid_commit)
			answer->type = DHCP6_ADVERTISE;
		return query->wants_address;
	case DHCP6_REQUEST:
	case DHCP6_RENEW:
	case DHCP6_REBIND: return query->wants_address;
	case DHCP6_CONFIRM:
		answer->only_status = true;
		if (!IN6_ARE_ADDR_EQUAL(&query->address, &answer->address))
			answer->status = DHCP6_NOT_ON_LINK;
		return !IN6_IS_ADDR_UNSPECIFIED(&query->address);
	case DHCP6_RELEASE:
	case DHCP6_DECLINE: answer->only_status = true; return true;
	case DHCP6_INFORMATION_REQUEST: return true;
	default: return false;
	}
}

static size_t write_dhcp6(uint8_t *ret, const struct lease_config *config,
			  const struct frame *question, const struct dhcp6_query *query,
			  const struct dhcp6_answer *answer)
{
	struct frame frame = {
		.kind = FRAME_UDP6,
		.to6 = question->from6,
		.from6 = config->link_local,
		.to_port = DHCP6_CLIENT_PORT,
		.from_port = DHCP6_SERVER_PORT,
	};

	memcpy(frame.to_mac, config->guest_mac, FRAME_MAC);
	memcpy(frame.from_mac, config->gateway_mac, FRAME_MAC);
	frame.payload_size = dhcp6_write(ret + frame_headers(FRAME_UDP6), query, answer);
	return frame_write(ret, &frame);
}

static size_t answer_dhcp6(uint8_t *ret, const struct lease_config *config,
			   const struct frame *frame)
{
	struct dhcp6_answer answer = {
		.address = address6(config),
		.lease_s = config->lease_s != 0 ? config->lease_s : LEASE_SECONDS,
		.dns = config->dns6,
		.dns_count = config->dns6_count,
		.domain = config->domain,
	};
	struct dhcp6_query query;

	memcpy(answer.mac, config->gateway_mac, DHCP6_MAC);
	if (!has6(config) || frame->to_port != DHCP6_SERVER_PORT)
		return 0;
	if (!IN6_ARE_ADDR_EQUAL(&frame->to6, &all_servers) || !IN6_IS_ADDR_LINKLOCAL(&frame->from6))
		return 0;
	if (dhcp6_read(&query, frame->payload, frame->payload_size) < 0 ||
	    !dhcp6_is_for(&query, answer.mac) || !decide6(&answer, &query))
		return 0;
	return write_dhcp6(ret, config, frame, &query, &answer);
}

/* ---- router advertisements ---- */

static size_t write_advertisement(uint8_t *ret, const struct lease_config *config,
				  const struct in6_addr *to)
{
	/* The prefix is the machine's as long as it runs. */
	struct ndp_advertisement advertisement = {
		/* Nobody can advertise another router than himself. */
		.router_s = config->routes6 ? ROUTER_SECONDS : 0,
		.managed = !makes_its_address(config),
		.autonomous = makes_its_address(config),
		.mtu = config->mtu,
		.prefix = config->prefix,
		.prefix_length = IN6_IS_ADDR_UNSPECIFIED(&config->prefix) ? 0 : 64,
		.valid_s = NDP_FOREVER,
		.preferred_s = NDP_FOREVER,
		.dns = config->dns6,
		.dns_count = config->dns6_count,
		.domain = config->domain,
		.dns_s = ROUTER_SECONDS,
	};
	struct frame frame = {
		.kind = FRAME_ICMP6,
		.to6 = *to,
		.from6 = config->link_local,
		.hops = NDP_HOPS,
	};

	memcpy(advertisement.mac, config->gateway_mac, NDP_MAC);
	/* Also what is for all nodes goes to this one (RFC 6085). */
	memcpy(frame.to_mac, config->guest_mac, FRAME_MAC);
	memcpy(frame.from_mac, config->gateway_mac, FRAME_MAC);
	frame.payload_size = ndp_write_advertisement(ret + frame_headers(FRAME_ICMP6),
						     &advertisement);
	return frame_write(ret, &frame);
}

static size_t answer_solicitation(uint8_t *ret, const struct lease_config *config,
				  const struct frame *frame)
{
	bool from_nobody = IN6_IS_ADDR_UNSPECIFIED(&frame->from6);

	if (!has6(config) || frame->hops != NDP_HOPS)
		return 0;
	if (!IN6_ARE_ADDR_EQUAL(&frame->to6, &all_routers) &&
	    !IN6_ARE_ADDR_EQUAL(&frame->to6, &config->link_local))
		return 0;
	if (ndp_read_solicitation(frame->payload, frame->payload_size, from_nobody) < 0)
		return 0;
	return write_advertisement(ret, config,
				   IN6_IS_ADDR_LINKLOCAL(&frame->from6) ? &frame->from6
									: &all_nodes);
}

size_t lease_advertisement(uint8_t *ret, const struct lease_config *config)
{
	return has6(config) ? write_advertisement(ret, config, &all_nodes) : 0;
}

size_t lease_answer(uint8_t *ret, const struct lease_config *config, const uint8_t *data,
		    size_t size)
{
	struct frame frame;

	if (frame_read(&frame, data, size) < 0 ||
	    memcmp(frame.from_mac, config->guest_mac, FRAME_MAC) != 0)
		return 0;
	switch (frame.kind) {
	case FRAME_UDP4: return answer_dhcp(ret, config, &frame);
	case FRAME_UDP6: return answer_dhcp6(ret, config, &frame);
	case FRAME_ICMP6: return answer_solicitation(ret, config, &frame);
	}
	return 0;
}
