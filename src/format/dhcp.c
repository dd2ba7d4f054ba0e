#include "format/dhcp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "format/octets.h"

enum {
	FROM_CLIENT = 1,
	FROM_SERVER = 2,
	ETHERNET = 1,
	FLAG_BROADCAST = 0x8000,
	MAGIC = 0x63825363,
	HARDWARE_ROOM = 16,
	NAMES = 64 + 128, /* of a boot server and a file: not used */
	AT_FLAGS = 10,
	AT_CLIENT = 12,
	AT_RELAY = 24,
	AT_HARDWARE = 28,
	AT_MAGIC = AT_HARDWARE + HARDWARE_ROOM + NAMES,
	AT_OPTIONS = AT_MAGIC + 4,
	ANSWER_MIN = 300, /* of BOOTP; some drop shorter ones */
	ID_MIN = 2,
	PREFIX_ALL = 32,
};

enum option {
	PAD = 0,
	SUBNET_MASK = 1,
	ROUTER = 3,
	DNS = 6,
	HOST_NAME = 12,
	DOMAIN = 15,
	MTU = 26,
	BROADCAST_ADDRESS = 28,
	REQUESTED_ADDRESS = 50,
	LEASE_TIME = 51,
	MESSAGE_TYPE = 53,
	SERVER_ID = 54,
	RENEWAL_TIME = 58,
	REBINDING_TIME = 59,
	CLIENT_ID = 61,
	RAPID_COMMIT = 80,
	CLASSLESS_ROUTES = 121,
	END = 255,
};

/* ---- reading ---- */

static int read_type(enum dhcp_type *ret, const uint8_t *data, size_t size)
{
	if (size != 1)
		return -EBADMSG;
	switch (data[0]) {
	case DHCP_DISCOVER:
	case DHCP_REQUEST:
	case DHCP_DECLINE:
	case DHCP_RELEASE:
	case DHCP_INFORM: *ret = data[0]; return 0;
	default: return -EBADMSG;
	}
}

static int read_address(struct in_addr *ret, const uint8_t *data, size_t size)
{
	if (size != sizeof(*ret))
		return -EBADMSG;
	memcpy(ret, data, sizeof(*ret));
	return 0;
}

static int read_option(struct dhcp_query *query, int option, const uint8_t *data, size_t size)
{
	switch (option) {
	case MESSAGE_TYPE: return read_type(&query->type, data, size);
	case REQUESTED_ADDRESS: return read_address(&query->requested, data, size);
	case SERVER_ID: return read_address(&query->server, data, size);
	case RAPID_COMMIT: query->rapid_commit = true; return size == 0 ? 0 : -EBADMSG;
	case CLIENT_ID:
		query->id = data;
		query->id_size = size;
		return size >= ID_MIN && size <= DHCP_ID_MAX ? 0 : -EBADMSG;
	default: return 0;
	}
}

static int read_options(struct dhcp_query *query, const uint8_t *data, size_t size)
{
	while (size > 0 && data[0] != END) {
		size_t length;
		int r;

		if (data[0] == PAD) {
			data++;
			size--;
			continue;
		}
		if (size < 2 || data[1] > size - 2)
			return -EBADMSG;
		length = data[1];
		r = read_option(query, data[0], data + 2, length);
		if (r < 0)
			return r;
		data += 2 + length;
		size -= 2 + length;
	}
	return size > 0 ? 0 : -EBADMSG;
}

int dhcp_read(struct dhcp_query *ret, const uint8_t *data, size_t size)
{
	struct dhcp_query query = { 0 };
	int r;

	if (size < AT_OPTIONS || size > DHCP_QUERY_MAX)
		return -EBADMSG;
	if (data[0] != FROM_CLIENT || data[1] != ETHERNET || data[2] != DHCP_MAC ||
	    octets_get32(data + AT_RELAY) != 0 || octets_get32(data + AT_MAGIC) != MAGIC)
		return -EBADMSG;
	query.xid = octets_get32(data + 4);
	query.broadcast = (octets_get16(data + AT_FLAGS) & FLAG_BROADCAST) != 0;
	memcpy(&query.client, data + AT_CLIENT, sizeof(query.client));
	memcpy(query.mac, data + AT_HARDWARE, DHCP_MAC);
	r = read_options(&query, data + AT_OPTIONS, size - AT_OPTIONS);
	if (r < 0)
		return r;
	if (query.type == 0)
		return -EBADMSG;
	*ret = query;
	return 0;
}

/* ---- writing ---- */

static void put_option(struct octets *out, enum option option, const void *data, size_t size)
{
	octets_put8(out, (uint8_t)option);
	octets_put8(out, (uint8_t)size);
	octets_put(out, data, size);
}

static void put_number(struct octets *out, enum option option, uint32_t number)
{
	octets_put8(out, (uint8_t)option);
	octets_put8(out, sizeof(number));
	octets_put32(out, number);
}

static void put_address(struct octets *out, enum option option, struct in_addr address)
{
	put_option(out, option, &address, sizeof(address));
}

/* The guest can do without, so it is left out where it does not fit. */
static void put_text(struct octets *out, enum option option, const char *text)
{
	size_t length = text == NULL ? 0 : strlen(text);
	size_t end = 1;

	if (length > 0 && length <= UINT8_MAX && 2 + length + end <= out->room - out->used)
		put_option(out, option, text, length);
}

/* A gateway outside of the own network is on the link all the same. A client that knows this option
 * does not look at ROUTER. */
static void put_routes(struct octets *out, struct in_addr gateway)
{
	octets_put8(out, CLASSLESS_ROUTES);
	octets_put8(out, 1 + 4 + 4 + 1 + 4);
	octets_put8(out, PREFIX_ALL); /* the gateway: directly */
	octets_put(out, &gateway, sizeof(gateway));
	octets_put32(out, 0);
	octets_put8(out, 0); /* everything: by the gateway */
	octets_put(out, &gateway, sizeof(gateway));
}

static void put_header(struct octets *out, const struct dhcp_query *query, struct in_addr address)
{
	octets_put8(out, FROM_SERVER);
	octets_put8(out, ETHERNET);
	octets_put8(out, DHCP_MAC);
	octets_put8(out, 0);
	octets_put32(out, query->xid);
	octets_put16(out, 0);
	octets_put16(out, query->broadcast ? FLAG_BROADCAST : 0);
	octets_put(out, &query->client, sizeof(query->client));
	octets_put(out, &address, sizeof(address));
	octets_put_zeros(out, 4 + 4); /* next server, relay */
	octets_put(out, query->mac, DHCP_MAC);
	octets_put_zeros(out, HARDWARE_ROOM - DHCP_MAC + NAMES);
	octets_put32(out, MAGIC);
}

static void put_times(struct octets *out, uint32_t lease_s)
{
	put_number(out, LEASE_TIME, lease_s);
	put_number(out, RENEWAL_TIME, lease_s / 2);
	put_number(out, REBINDING_TIME, (uint32_t)((uint64_t)lease_s * 7 / 8));
}

static bool is_outside(const struct dhcp_answer *answer, uint32_t hosts)
{
	uint32_t apart = answer->address.s_addr ^ answer->gateway.s_addr;

	return answer->prefix_length == PREFIX_ALL ||
	       (answer->address.s_addr != 0 && (apart & htonl(~hosts)) != 0);
}

static void put_network(struct octets *out, const struct dhcp_answer *answer)
{
	uint32_t hosts = (uint32_t)(UINT64_C(0xffffffff) >> answer->prefix_length);
	struct in_addr last = { .s_addr = answer->address.s_addr | htonl(hosts) };

	put_number(out, SUBNET_MASK, ~hosts);
	/* Smaller networks have no such address. */
	if (answer->address.s_addr != 0 && hosts > 1)
		put_address(out, BROADCAST_ADDRESS, last);
	if (answer->gateway.s_addr == 0)
		return;
	put_address(out, ROUTER, answer->gateway);
	if (is_outside(answer, hosts))
		put_routes(out, answer->gateway);
}

static void put_settings(struct octets *out, const struct dhcp_answer *answer)
{
	assert(answer->prefix_length <= PREFIX_ALL && answer->dns_count <= DHCP_DNS_MAX);
	if (answer->rapid_commit)
		put_option(out, RAPID_COMMIT, NULL, 0);
	if (answer->address.s_addr != 0)
		put_times(out, answer->lease_s);
	put_network(out, answer);
	if (answer->dns_count > 0)
		put_option(out, DNS, answer->dns, answer->dns_count * sizeof(*answer->dns));
	if (answer->mtu != 0) {
		octets_put8(out, MTU);
		octets_put8(out, sizeof(answer->mtu));
		octets_put16(out, answer->mtu);
	}
	put_text(out, DOMAIN, answer->domain);
	put_text(out, HOST_NAME, answer->host_name);
}

size_t dhcp_write(uint8_t *ret, const struct dhcp_query *query, const struct dhcp_answer *answer)
{
	static const struct in_addr none;
	struct octets out = { .data = ret, .room = DHCP_ANSWER_MAX };
	bool refused = answer->type == DHCP_NAK;
	uint8_t type = (uint8_t)answer->type;

	put_header(&out, query, refused ? none : answer->address);
	put_option(&out, MESSAGE_TYPE, &type, sizeof(type));
	put_address(&out, SERVER_ID, answer->server);
	if (query->id_size > 0)
		put_option(&out, CLIENT_ID, query->id, query->id_size);
	if (!refused)
		put_settings(&out, answer);
	octets_put8(&out, END);
	if (out.used < ANSWER_MIN)
		octets_put_zeros(&out, ANSWER_MIN - out.used);
	assert(!out.full);
	return out.used;
}
