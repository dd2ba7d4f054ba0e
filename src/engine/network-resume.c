#include "engine/network-resume.h"

#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/network-rules.h"
#include "engine/network-uplink.h"
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

static void add_pooled(struct container *container, struct pooled *pooled,
		       const struct facts_pooled *from)
{
	struct ip_prefix *guest = pooled->guest, *host = pooled->host;
	size_t *count = &pooled->count;

	if (from->link > pooled->further_count)
		(void)list_grow(container->arena, (void **)&pooled->further, &pooled->further_count,
				sizeof(*pooled->further));
	if (from->link > 0) {
		struct pooled_link *link = &pooled->further[pooled->further_count - 1];

		guest = link->guest;
		host = link->host;
		count = &link->count;
	}
	if (*count == ARRAY_SIZE(pooled->guest))
		return;
	guest[*count] = from->guest;
	host[(*count)++] = from->host;
}

/* An older program did not note them; those of the first link stand first. */
static void add_first(struct container *container, struct pooled *pooled, const struct facts *facts)
{
	const size_t count = MIN(MIN(facts->address_count, facts->gateway_count), (size_t)2);

	for (size_t i = 0; i < count; i++) {
		const struct facts_pooled from = { 0, facts->addresses[i], facts->gateways[i] };

		if (i == 0 || from.guest.ip.family == AF_INET6)
			add_pooled(container, pooled, &from);
	}
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
	for (size_t i = 0; i < facts->pooled_count; i++)
		add_pooled(container, pooled, &facts->pooled[i]);
	if (facts->pooled_count == 0)
		add_first(container, pooled, facts);
}

static struct network *add_network(struct container *container)
{
	autoclose int process = namespace_open_process(container->spawn.pid);
	struct network *network = network_new(container);

	network->netns_fd = process < 0 ? -EBADF : namespace_open(process, "net");
	container->network = network;
	return network;
}

static int read_facts(struct arena *arena, struct facts *ret, const struct container *container)
{
	const struct record *record = &container->resources.record;
	autoclose int directory = record_open_runtime(record->runtime, "machines");

	return directory < 0 ? directory
			     : network_file_read_of(arena, ret, directory, container->spec->machine,
						    record->tag);
}

/* As before; or for a first link that was attached, whether it has been served so far or not. */
static bool wants_dns(const struct container *container, const struct facts *facts)
{
	bool attached = false;

	if (facts->names != FACTS_NAMES_STARTED)
		return facts->names == FACTS_NAMES_YES && facts->gateway_count > 0;
	for (size_t i = 0; i < facts->made_count; i++)
		attached = attached || (facts->made[i].attached && facts->link != 0 &&
					facts->made[i].outside == facts->link);
	return facts->dns_port != 0 || (attached && facts->gateway_count > 0 &&
					container->spec->addressing.dns == DNS_AUTO);
}

static int resume(struct container *container)
{
	struct network *network;
	struct machine machine;
	struct facts facts;
	int r = read_facts(container->arena, &facts, container);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = machine_open(container->arena, &machine, container->resources.record.runtime,
			 container->spec->machine);
	if (r < 0)
		return r;
	resume_pool(container, &machine, &facts);
	resume_notes(container, &machine, RECORD_LINK, &container->network_notes);
	resume_notes(container, &machine, RECORD_ZONE, &container->network_notes);
	resume_notes(container, &machine, RECORD_INTERFACE, &container->network_notes);
	network = add_network(container);
	network->facts = facts;
	network_user_resume(network);
	network_uplink_resume(network);
	r = network_rules_resume(network, wants_dns(container, &facts));
	network_watch_follow(network);
	return r;
}

/* Another first link than before, or the first that needs something. */
static int serve_anew(struct network *network)
{
	answers_done(&network->answers, NULL);
	arena_done(&network->serving);
	if (network->facts.gateway_count == 0 && network->facts.port_count == 0)
		return 0;
	return network_rules_resume(network, wants_dns(network->container, &network->facts));
}

/* What may be done is done even if not all of the rules could be made, or noted: names are asked
 * for by the new list then, but not by none if there was one, as the rules may still have it. */
static int turn(struct network *network, struct arena *arena, struct facts *facts, bool same)
{
	int r = network_rules_turn(network, facts), noted, more;
	struct failure failure = *fail_recorded();

	if (r < 0 && facts->egress == NULL)
		facts->egress = arena_text(arena, network->facts.egress);
	network->facts = *facts;
	noted = network_rules_note(network);
	if (r >= 0 && noted < 0)
		failure = *fail_recorded();
	/* In any case: what it has of the facts before goes away with them. */
	more = same ? answers_turn(network->answers, arena) : serve_anew(network);
	r = MIN(r, noted);
	if (r < 0)
		fail_adopt(&failure);
	return r < 0 ? r : more;
}

static int take_over(struct container *container, struct arena *arena, struct facts *facts)
{
	struct network *network = container->network;
	bool linked = network->facts.link == facts->link, same = linked && network->answers != NULL,
	     turns = linked && facts->link != 0 && network_rules_differ(&network->facts, facts);
	struct arena before = network->renewed;
	int r = turns && same
			? answers_prepare(network->answers, facts, wants_dns(container, facts))
			: 0;

	if (r < 0) {
		arena_done(arena);
		return r;
	}
	network->renewed = *arena;
	if (turns) {
		r = turn(network, &network->renewed, facts, same);
	} else {
		network->facts = *facts;
		if (same)
			answers_renew(network->answers, &network->renewed);
		else
			r = serve_anew(network);
	}
	arena_done(&before);
	network_watch_follow(network);
	return r;
}

static int renew(struct container *container)
{
	struct arena arena = { 0 };
	struct facts facts;
	int r = read_facts(&arena, &facts, container);

	if (r < 0) {
		arena_done(&arena);
		return r == -ENOENT ? 0 : r;
	}
	if (container->network == NULL)
		add_network(container);
	return take_over(container, &arena, &facts);
}

static void warn(const struct container *container, int r)
{
	if (r < 0)
		log_warning("cannot serve the network of machine '%s' any more: %s, going on "
			    "without",
			    container->spec->machine,
			    fail_recorded()->code == 0 ? strerror(-r) : fail_recorded()->text);
	fail_forget();
}

/* What is read is written again, so nobody may change it meanwhile; but a command that was stopped
 * must not keep names and ports from being served. */
void network_resume(struct container *container)
{
	int record = container->resources.record.fd;
	int lock = network_file_lock(record);

	warn(container, resume(container));
	if (lock >= 0)
		network_file_unlock(record);
}

/* Noted with the lock: so whoever changes it finds what was heard before, and waits for more.
 * Without it somebody may be writing what we would read and write again, so nothing is done: that
 * one tells us again, or says that we do not answer. */
void network_renew(struct container *container)
{
	int record = container->resources.record.fd;
	int r = network_file_lock(record);

	if (r < 0) {
		warn(container, fail(r, "cannot lock its record"));
		return;
	}
	r = renew(container);
	warn(container, r);
	warn(container, record_network(&container->resources.record, MIN(r, 0)));
	network_file_unlock(record);
}
