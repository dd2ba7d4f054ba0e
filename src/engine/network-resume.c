#include "engine/network-resume.h"

#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/network-rules.h"
#include "engine/network-user.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "machine/find.h"
#include "machine/network-file.h"

static void resume_notes(struct container *container, const struct machine *machine,
			 enum record_kind kind, struct text_list *list)
{
	for (size_t i = 0; i < machine->content.count; i++)
		if (machine->content.notes[i].kind == kind)
			text_list_add(container->arena, list,
				      arena_text(container->arena,
						 machine->content.notes[i].value));
}

/* What a further start needs to have the same addresses again, and what the end gives back. */
static void resume_pool(struct container *container, const struct machine *machine,
			const struct facts *facts)
{
	struct resources *resources = &container->resources;
	struct pooled *pooled = &resources->taken.pooled;

	resume_notes(container, machine, RECORD_LEASE, &resources->leases);
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
		r = network_file_read_of(container->arena, ret, directory, name,
					 container->resources.record.tag);
	if (r < 0)
		return r;
	r = machine_open(container->arena, &machine, runtime, name);
	if (r < 0)
		return r;
	resume_pool(container, &machine, ret);
	resume_notes(container, &machine, RECORD_LINK, &container->network_notes);
	resume_notes(container, &machine, RECORD_ZONE, &container->network_notes);
	resume_notes(container, &machine, RECORD_INTERFACE, &container->network_notes);
	container->network = arena_new(container->arena, struct network);
	return 0;
}

static int resume(struct container *container)
{
	autoclose int process = -EBADF;
	struct network *network;
	struct facts facts;
	int r = read_facts(container, &facts);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	network = container->network;
	network->container = container;
	network->facts = facts;
	network->firewall = (struct firewall)FIREWALL_EMPTY;
	network->forwarding_fd = -EBADF;
	network->netns_fd = -EBADF;
	network_user_resume(network);
	process = namespace_open_process(container->spawn.pid);
	if (process >= 0)
		network->netns_fd = namespace_open(process, "net");
	return network_rules_resume(network, facts.dns_port != 0);
}

/* What is read is written again, so nobody may change it meanwhile. */
void network_resume(struct container *container)
{
	int record = container->resources.record.fd;
	int locked = network_file_lock(record), r = resume(container);

	if (locked >= 0)
		network_file_unlock(record);
	if (r < 0)
		log_warning("cannot serve the network of machine '%s' any more: %s, going on "
			    "without",
			    container->spec->machine,
			    fail_recorded()->code == 0 ? strerror(-r) : fail_recorded()->text);
	fail_forget();
}
