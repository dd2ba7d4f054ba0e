/* A datagram of the kernel's: messages, and in them attributes within attributes. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/route.h"

#define NESTS_MAX 8

static void walk(struct netlink_reader reader, int depth)
{
	struct netlink_attribute at;
	char text[32];

	while (depth < NESTS_MAX && netlink_next(&reader, &at)) {
		if (netlink_text(&at, text, sizeof(text)))
			assert(strlen(text) < sizeof(text) && strlen(text) <= at.value.size);
		if (at.value.size < sizeof(uint64_t))
			assert(netlink_u64(&at) == 0);
		walk(at.value, depth + 1);
	}
}

static void check_link(const struct netlink_answer *answer)
{
	struct link_facts facts;

	if (!link_from_answer(&facts, answer))
		return;
	assert(memchr(facts.name, '\0', sizeof(facts.name)));
	assert(memchr(facts.kind, '\0', sizeof(facts.kind)));
	assert(facts.altname_count <= LINK_ALTNAMES_MAX);
	for (size_t i = 0; i < facts.altname_count; i++)
		assert(memchr(facts.altnames[i], '\0', LINK_ALTNAME_SIZE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct netlink_reader datagram = { .bytes = data, .size = size };
	struct netlink_message message;
	struct route_address address;
	struct route route;

	while (netlink_next_message(&datagram, &message)) {
		struct netlink_answer answer = { message.type, message.flags, message.body };

		assert(message.body.size <= size);
		walk(message.body, 0);
		check_link(&answer);
		if (route_address_from_answer(&address, &answer))
			assert(address.local.family != 0);
		if (route_from_answer(&route, &answer))
			assert(route.to.family != 0);
	}
	return 0;
}
