/* What a guest's DHCP client sends, and each kind of answer to it. */
#include <assert.h>
#include <string.h>

#include "format/dhcp.h"
#include "fuzz.h"

static void check_query(const struct dhcp_query *query, const uint8_t *data, size_t size)
{
	assert(query->type != DHCP_OFFER && query->type != DHCP_ACK && query->type != DHCP_NAK);
	assert(query->type >= DHCP_DISCOVER && query->type <= DHCP_INFORM);
	assert(query->id_size <= DHCP_ID_MAX);
	if (query->id_size > 0)
		assert(query->id > data && query->id + query->id_size < data + size);
}

static void answer(const struct dhcp_query *query, enum dhcp_type type, unsigned int prefix_length)
{
	static const struct in_addr dns[DHCP_DNS_MAX];
	const struct dhcp_answer answer = {
		.type = type,
		.server.s_addr = htonl(0x0a000001),
		.address.s_addr = htonl(0x0a000002),
		.lease_s = 3600,
		.prefix_length = prefix_length,
		.gateway.s_addr = htonl(0x0a000001),
		.dns = dns,
		.dns_count = DHCP_DNS_MAX,
		.mtu = 1500,
		.host_name = "web",
		.domain = "machine",
		.rapid_commit = query->rapid_commit,
	};
	struct dhcp_query again;
	uint8_t room[DHCP_ANSWER_MAX];
	size_t size = dhcp_write(room, query, &answer);

	assert(size <= sizeof(room));
	/* Nobody takes an answer for a question. */
	assert(dhcp_read(&again, room, size) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dhcp_query query = { .xid = 4242 };

	if (dhcp_read(&query, data, size) < 0) {
		assert(query.xid == 4242 && query.id == NULL);
		return 0;
	}
	check_query(&query, data, size);
	answer(&query, DHCP_OFFER, 30);
	answer(&query, DHCP_ACK, 32);
	answer(&query, DHCP_NAK, 24);
	return 0;
}
