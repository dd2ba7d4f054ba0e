#include "engine/network-resume.h"

#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/network-rules.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "machine/find.h"
#include "machine/network-file.h"

/* What a further start needs to have the same addresses again, and what the end gives back. */
static void resume_pool(struct container *container, const struct machine *machine,
			const struct facts *facts)
{
	struct resources *resources = &container->resources;
	struct pooled *pooled = &resources->taken.pooled;

	for (size_t i = 0; i < machine->content.count; i++)
		if (machine->content.notes[i].kind == RECORD_LEASE)
			text_list_add(container->arena, &resources->leases,
				      arena_text(container->arena,
						 machine->content.notes[i].value));
	if (resources->leases.count == 0)
		return;
	pooled->taken = true;
	pooled->pools = facts->pools;
	pooled->pool_count = facts->pool_count;
	pooled->count = MIN(MIN(facts->address_count, facts->gateway_count), (size_t)2);
	for (size_t i = 0; i < pooled->count; i++) {
		pooled->guest[i] = facts->addresses[i];
		pooled->host[i] = facts->gateways[i];
	}
}

static int read_facts(struct container *container, struct facts *ret)
{
	const char *runtime = container->resources.record.runtime;
	const char *name = container->spec->machine;
	autoclose int directory = record_open_runtime(runtime, "machines");
	struct machine machine;
	int r = directory;

	if (r >= 0)
		r = network_file_read(container->arena, ret, directory, name);
	if (r < 0)
		return r;
	r = machine_open(container->arena, &machine, runtime, name);
	if (r < 0)
		return r;
	resume_pool(container, &machine, ret);
	container->network = arena_new(container->arena, struct network);
	return 0;
}

void network_resume(struct container *container)
{
	autoclose int process = -EBADF;
	struct network *network;
	struct facts facts;
	int r = read_facts(container, &facts);

	if (r == -ENOENT)
		return;
	if (r >= 0) {
		network = container->network;
		network->container = container;
		network->facts = facts;
		network->firewall = (struct firewall)FIREWALL_EMPTY;
		network->netns_fd = -EBADF;
		process = namespace_open_process(container->spawn.pid);
		if (process >= 0)
			network->netns_fd = namespace_open(process, "net");
		r = network_rules_resume(network, facts.dns_port != 0);
	}
	if (r < 0)
		log_warning("cannot serve the network of machine '%s' any more: %s, going on "
			    "without",
			    container->spec->machine,
			    fail_recorded()->code == 0 ? strerror(-r) : fail_recorded()->text);
	fail_forget();
}
