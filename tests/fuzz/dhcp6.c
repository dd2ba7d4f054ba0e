/* What a guest's DHCPv6 client sends, and each kind of answer to it. */
#include <assert.h>
#include <string.h>

#include "format/dhcp6.h"
#include "fuzz.h"

static void check_id(const uint8_t *id, size_t id_size, const uint8_t *data, size_t size)
{
	assert(id_size <= DHCP6_ID_MAX);
	if (id_size > 0)
		assert(id > data && id + id_size <= data + size);
}

static void answer(const struct dhcp6_query *query, enum dhcp6_type type, bool only_status)
{
	static const struct in6_addr dns[DHCP6_DNS_MAX];
	const struct dhcp6_answer answer = {
		.type = type,
		.address.s6_addr = { 0xfd, [15] = 2 },
		.lease_s = 3600,
		.only_status = only_status,
		.dns = dns,
		.dns_count = DHCP6_DNS_MAX,
		.domain = "machine",
		.rapid_commit = query->rapid_commit,
	};
	struct dhcp6_query again;
	uint8_t room[DHCP6_ANSWER_MAX];
	size_t size = dhcp6_write(room, query, &answer);

	assert(size <= sizeof(room));
	assert(dhcp6_read(&again, room, size) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[DHCP6_MAC] = { 2, 0, 0, 0, 0, 1 };
	struct dhcp6_query query = { .xid = 4242 };

	if (dhcp6_read(&query, data, size) < 0) {
		assert(query.xid == 4242 && query.client == NULL && query.server == NULL);
		return 0;
	}
	check_id(query.client, query.client_size, data, size);
	check_id(query.server, query.server_size, data, size);
	assert(query.wants_address || IN6_IS_ADDR_UNSPECIFIED(&query.address));
	if (query.server_size == 0)
		assert(dhcp6_is_for(&query, mac));
	else
		dhcp6_is_for(&query, mac);
	answer(&query, DHCP6_ADVERTISE, false);
	answer(&query, DHCP6_REPLY, true);
	return 0;
}
