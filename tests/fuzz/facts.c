/* What a machine's network file says: what is read is written as it was understood, and what is
 * understood has the limits that the packet filter counts on. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "fuzz.h"
#include "net/facts.h"
#include "net/firewall.h"

static void check_limits(const struct facts *facts)
{
	assert(facts->address_count <= FACTS_LIST_MAX && facts->gateway_count <= FACTS_LIST_MAX);
	assert(facts->pool_count <= FACTS_LIST_MAX && facts->interface_count <= FACTS_LIST_MAX);
	assert(facts->part_count <= FACTS_PARTS_MAX);
	assert(facts->made_count <= FACTS_LIST_MAX && facts->port_count <= FACTS_PORTS_MAX);
	for (size_t i = 0; i < facts->port_count; i++)
		assert(facts->ports[i].host > 0 && facts->ports[i].count > 0 &&
		       facts->ports[i].host + facts->ports[i].count - 1 <= UINT16_MAX);
}

static void check_machine(struct arena *arena, const struct facts *facts)
{
	struct firewall_machine machine;

	if (facts_machine(arena, &machine, facts) < 0)
		return;
	assert(machine.restricted == (facts->egress != NULL));
	for (size_t i = 0; i < machine.address_count; i++)
		assert(machine.addresses[i].bits <= 128);
	for (size_t i = 0; i < machine.target_count; i++)
		assert(machine.targets[i].first <= machine.targets[i].last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct facts facts = { .leader = 77 }, again;
	autoarena struct arena arena = {};
	char *text, *second;

	if (facts_parse(&arena, &facts, (const char *)data, size) < 0) {
		assert(facts.leader == 77 && facts.address_count == 0);
		return 0;
	}
	check_limits(&facts);
	check_machine(&arena, &facts);
	text = facts_print(&arena, &facts);
	/* Numbers may be written in several ways, so it may grow by a little. */
	if (strlen(text) > FACTS_SIZE_MAX)
		return 0;
	assert(facts_parse(&arena, &again, text, strlen(text)) == 0);
	second = facts_print(&arena, &again);
	assert(strcmp(text, second) == 0);
	return 0;
}
