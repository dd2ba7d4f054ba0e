#include "engine/network-rules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/network-uplink.h"
#include "io/fd.h"
#include "kernel/later.h"
#include "kernel/namespace.h"
#include "machine/hosts-file.h"
#include "machine/network-file.h"
#include "machine/network-repair.h"
#include "net/firewall-conflicts.h"
#include "net/firewall-forwarding.h"
#include "net/firewall-guard.h"

struct network *network_new(struct container *container)
{
	struct arena own = { 0 };
	struct network *network = arena_new(&own, struct network);

	network->own = own;
	network->container = container;
	network->firewall = (struct firewall)FIREWALL_EMPTY;
	network->netns_fd = network->forwarding_fd = -EBADF;
	network->watch = (struct network_watch)NETWORK_WATCH_EMPTY;
	network->userspace = (struct userspace)USERSPACE_EMPTY;
	return network;
}

static const struct step *planned(const struct network *network, enum step_kind kind,
				  const char *data)
{
	const struct plan *plan = &network->container->plan;

	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].kind == kind &&
		    (data == NULL || text_equal(plan->steps[i].data, data)))
			return &plan->steps[i];
	return NULL;
}

static int collect_addresses(struct network *network)
{
	const struct plan *plan = &network->container->plan;
	struct arena *arena = &network->own;
	struct facts *facts = &network->facts;
	int r = 0;

	for (size_t i = 0; i < plan->count && r >= 0; i++) {
		const struct step *step = &plan->steps[i];

		if (step->kind != STEP_ADDRESS)
			continue;
		if (step->number == LINK_OF_HOST)
			r = facts_add_prefix(arena, &facts->gateways, &facts->gateway_count,
					     &step->address);
		else
			r = facts_add_prefix(arena, &facts->addresses, &facts->address_count,
					     &step->address);
	}
	return r;
}

static int note_pooled(struct network *network, uint32_t link, const struct ip_prefix *guest,
		       const struct ip_prefix *host, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		const struct facts_pooled pooled = { link, guest[i], host[i] };

		r = facts_add_pooled(&network->own, &network->facts, &pooled);
	}
	return r;
}

static int collect_pooled(struct network *network)
{
	const struct pooled *pooled = &network->container->resources.taken.pooled;
	struct facts *facts = &network->facts;
	int r = note_pooled(network, 0, pooled->guest, pooled->host, pooled->count);

	for (size_t i = 0; i < pooled->further_count && r >= 0; i++)
		r = note_pooled(network, (uint32_t)i + 1, pooled->further[i].guest,
				pooled->further[i].host, pooled->further[i].count);
	for (size_t i = 0; i < pooled->pool_count && r >= 0; i++)
		r = facts_add_prefix(&network->own, &facts->pools, &facts->pool_count,
				     &pooled->pools[i]);
	return r;
}

/* Numbers and texts outlive the plan, so they are copied. */
static int collect(struct network *network)
{
	struct container *container = network->container;
	const struct spec *spec = container->spec;
	const struct step *egress = planned(network, STEP_EGRESS, NULL);
	struct arena *arena = &network->own;
	struct facts *facts = &network->facts;
	int r = collect_addresses(network);

	facts->tag = container->resources.record.tag;
	facts->leader = (uint32_t)container->spawn.pid;
	facts->further = spec->names;
	if (namespace_own_number(&facts->namespace, "net") < 0)
		facts->namespace = 0;
	facts->nat = planned(network, STEP_MASQUERADE, NULL) != NULL;
	facts->fixed = facts->gateway_count > 0;
	facts->no_router = spec->addressing.no_gateway;
	memcpy(facts->router, spec->addressing.gateway, sizeof(facts->router));
	facts->chosen = facts->link != 0 && facts->address_count == 0;
	if (egress != NULL)
		facts->egress = text_equal(egress->data, "nothing")
					? ""
					: arena_text(arena, egress->data);
	if (r >= 0)
		r = collect_pooled(network);
	for (size_t i = 0; i < spec->ports.count && r >= 0; i++) {
		struct port port = spec->ports.items[i];

		if (facts->middle != 0)
			network_uplink_turn(facts, &port);
		r = facts_add_port(arena, facts, &port);
	}
	return r == -E2BIG ? fail_plain(r, "cannot keep so many addresses and ports") : r;
}

/* By descriptor: in the private mount namespace the container's tree covers the directory. Whoever
 * took over is not there, and has none. */
int network_rules_records(const struct container *container)
{
	const struct record *record = &container->resources.record;
	int fd;

	if (record->dir_fd < 0)
		return record_open_runtime(record->runtime, "machines");
	fd = openat(record->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void claim(struct network *network)
{
	const struct container *container = network->container;
	const char *machine = container->spec->machine;
	const struct text_list *names = &network->facts.further;
	autoclose int records = -EBADF;

	if (names->count == 0)
		return;
	records = network_rules_records(container);
	for (size_t i = 0; i < names->count; i++) {
		int r = hosts_file_claim(container->resources.record.runtime, records, machine,
					 network->facts.tag, names->items[i]);

		if (r < 0)
			log_warning("machine '%s' is not found as '%s': %s, going on without",
				    machine, names->items[i],
				    r == -EEXIST ? "another one is" : strerror(-r));
	}
}

/* For libnss_redd: who asks for the machine's name on the host. */
static int publish(struct network *network)
{
	const char *name = network->container->spec->machine;
	int r;

	claim(network);
	if (network->facts.address_count == 0)
		return 0;
	/* By its tag it is found without a note. */
	r = hosts_file_publish(network->container->resources.record.runtime, name, &network->facts);
	if (r < 0)
		log_warning("cannot tell the host the addresses of machine '%s': %s, going on "
			    "without",
			    name, strerror(-r));
	return 0;
}

/* The host is no router by nature. */
static void forward(struct network *network, const struct firewall_machine *machine)
{
	int r = firewall_forwarding_on(&network->firewall, machine);

	if (r < 0)
		log_warning("machine '%s' does not reach other networks: %s, going on without",
			    network->container->spec->machine, fail_recorded()->text);
	if (r >= 0 && network->forwarding_fd < 0)
		(void)firewall_forwarding_watch(&network->forwarding_fd);
	fail_forget();
}

void network_rules_forward(struct network *network)
{
	autoarena struct arena scratch = { 0 };
	struct firewall_machine *machines;
	size_t count;

	(void)firewall_forwarding_refresh(&network->firewall, network->forwarding_fd);
	if (facts_machines(&scratch, &machines, &count, &network->facts) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (machines[i].address_count > 0)
			forward(network, &machines[i]);
}

/* Nothing that was asked for by name depends on it. */
static bool may_lack(const struct facts *facts, int r)
{
	return firewall_is_missing(r) && facts->egress == NULL && facts->port_count == 0;
}

/* Without the tables there may have been machines nevertheless: somebody flushed them. */
static void repair_others(struct network *network, const struct firewall_machine *own,
			  size_t own_count)
{
	struct container *container = network->container;
	autoclose int records = network_rules_records(container);
	int r = records;

	if (r >= 0)
		r = network_repair_others(&container->scratch, &network->firewall, records, own,
					  own_count);
	if (r < 0) {
		log_warning("cannot look after the host's rules for other machines: %s, going on "
			    "without",
			    strerror(-r));
		fail_forget();
	}
}

/* Commands have a look at the host's rules from now on; in the middle they see none. */
static void mark(const struct network *network)
{
	if (network->facts.middle == 0)
		(void)network_repair_mark(network->container->resources.record.runtime);
}

static int filter(struct network *network)
{
	struct container *container = network->container;
	struct firewall_machine *machines;
	size_t count;
	int r = facts_machines(&network->own, &machines, &count, &network->facts);

	if (r < 0)
		return fail_input("cannot use '%s' as what the container may reach",
				  network->facts.egress);
	if (count == 0)
		return 0;
	r = network->firewall.filter.fd >= 0 ? 0 : firewall_open(&network->firewall);
	if (r >= 0)
		mark(network);
	for (size_t i = 0; i < count && r >= 0; i++) {
		r = firewall_add(&network->firewall, &machines[i]);
		if (r >= 0 && machines[i].restricted)
			r = firewall_guard(&network->firewall, &machines[i]);
		if (r >= 0 && machines[i].address_count > 0)
			forward(network, &machines[i]);
	}
	if (r >= 0 && network->firewall.made)
		repair_others(network, machines, count);
	if (may_lack(&network->facts, r)) {
		log_warning("this kernel has not the packet filter that is needed (nf_tables): "
			    "machine '%s' reaches no other network, finds no names, and may use "
			    "others' addresses, going on without",
			    container->spec->machine);
		fail_forget();
		return 0;
	}
	if (r == -EADDRINUSE)
		return fail_in(r, "cannot forward the ports of machine '%s'",
			       container->spec->machine);
	return r;
}

static int move(struct network *network, struct arena *arena, const struct facts *before,
		const struct facts *after)
{
	struct firewall *firewall = &network->firewall;
	struct firewall_machine old, now;
	int r = facts_machine(arena, &old, before);

	if (r >= 0)
		r = facts_machine(arena, &now, after);
	if (r < 0)
		return fail(r, "cannot use its addresses");
	if (facts_has_rules(after)) {
		r = firewall_change(firewall, &old, &now);
	} else {
		r = firewall_remove(firewall, &old, false);
		return r < 0 ? r : MIN(firewall_drop_if_empty(firewall), 0);
	}
	if ((r >= 0 || r == -EADDRINUSE) && now.address_count > 0)
		forward(network, &now);
	return r;
}

int network_rules_move(struct network *network, const struct facts *before,
		       const struct facts *after)
{
	autoarena struct arena scratch = { 0 };
	int r = network->firewall.filter.fd >= 0 ? 0 : firewall_open(&network->firewall);

	if (r >= 0)
		mark(network);
	if (r >= 0)
		r = move(network, &scratch, before, after);
	/* That was said at the start. */
	return may_lack(&network->facts, r) ? 0 : r;
}

/* ---- other rules ---- */

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : text_equal(a, b);
}

static const char *egress_of(const struct facts *facts, uint32_t link)
{
	for (size_t i = 0; i < facts->part_count; i++)
		if (facts->parts[i].link == link)
			return facts->parts[i].egress;
	return facts->egress;
}

static bool same_egress(const struct facts *before, const struct facts *after, uint32_t link)
{
	return same_text(egress_of(before, link), egress_of(after, link));
}

bool network_rules_differ(const struct facts *before, const struct facts *after)
{
	bool differ = after->turning || before->nat != after->nat ||
		      before->names != after->names || before->part_count != after->part_count ||
		      !same_egress(before, after, after->link);

	for (size_t i = 0; i < after->part_count && !differ; i++)
		differ = !same_egress(before, after, after->parts[i].link);
	return differ;
}

/* Guarded as long as there is a list. */
static int turn_part(struct network *network, const struct firewall_machine *before,
		     const struct firewall_machine *after, bool same)
{
	struct firewall *firewall = &network->firewall;
	int r = after->restricted ? firewall_guard(firewall, after) : 0;

	if (r >= 0)
		r = same ? firewall_change(firewall, before, after)
			 : firewall_restrict(firewall, before, after);
	if (r >= 0 && before->restricted && !after->restricted)
		r = firewall_unguard(firewall, after);
	if (r >= 0 && after->address_count > 0)
		forward(network, after);
	return r;
}

static bool has_link(const struct firewall_machine *machines, size_t count, uint32_t link)
{
	for (size_t i = 0; i < count; i++)
		if (machines[i].link == link)
			return true;
	return false;
}

/* Of links that came or went meanwhile who did that has made the rules. But they are guarded by us,
 * as what guards them ends with who has made it. */
static int guard_others(struct network *network, const struct firewall_machine *old,
			size_t old_count, const struct firewall_machine *now, size_t now_count)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < now_count; i++)
		if (now[i].restricted && !has_link(old, old_count, now[i].link))
			r = firewall_guard(&network->firewall, &now[i]);
	for (size_t i = 0; r >= 0 && i < old_count; i++)
		if (old[i].restricted && !has_link(now, now_count, old[i].link))
			r = firewall_unguard(&network->firewall, &old[i]);
	return r;
}

/* Where nobody knows how far who began it came, whatever there may be of a part gives way. */
static int turn_parts(struct network *network, const struct facts *before,
		      const struct facts *after)
{
	autoarena struct arena scratch = { 0 };
	struct firewall_machine *old, *now;
	size_t old_count, now_count;
	int r = facts_traces(&scratch, &old, &old_count, before);

	if (r >= 0)
		r = facts_machines(&scratch, &now, &now_count, after);
	if (r < 0)
		return fail_input("cannot use '%s' as what the container may reach",
				  after->egress == NULL ? before->egress : after->egress);
	if (network->firewall.filter.fd < 0)
		r = firewall_open(&network->firewall);
	if (r >= 0)
		r = guard_others(network, old, old_count, now, now_count);
	for (size_t i = 0; r >= 0 && i < old_count; i++)
		for (size_t j = 0; r >= 0 && j < now_count; j++)
			if (old[i].link == now[j].link)
				r = turn_part(network, &old[i], &now[j],
					      !before->turning &&
						      same_egress(before, after, now[j].link));
	return may_lack(after, r) ? 0 : r;
}

static int note(struct network *network, const struct facts *facts)
{
	struct container *container = network->container;
	autoclose int directory = network_rules_records(container);
	autoarena struct arena scratch = { 0 };
	int r = directory;

	if (r >= 0)
		r = network_file_write(&scratch, directory, container->spec->machine, facts);
	if (r < 0)
		return fail(r, "cannot note the network of machine '%s'", container->spec->machine);
	return 0;
}

int network_rules_note(struct network *network)
{
	return note(network, &network->facts);
}

int network_rules_turn(struct network *network, struct facts *after)
{
	const struct facts *before = &network->facts;
	uint16_t port = after->dns_port, either = port != 0 ? port : before->dns_port;
	int r;

	mark(network);
	/* Noted before it is made, so whoever comes next finds what leads to our port, too. */
	after->turning = true;
	after->dns_port = either;
	r = note(network, after);
	if (r >= 0) {
		after->dns_port = port;
		r = turn_parts(network, before, after);
	}
	after->turning = r < 0;
	if (r < 0)
		after->dns_port = either;
	return r;
}

/* The supervisor before us was told, and nobody knows how far it came. */
static int finish_turning(struct network *network, bool dns)
{
	struct facts before = network->facts;
	int r;

	if (!before.turning)
		return 0;
	if (!dns)
		network->facts.dns_port = 0;
	r = turn_parts(network, &before, &network->facts);
	if (r < 0) {
		network->facts.dns_port = before.dns_port;
		return r;
	}
	network->facts.turning = false;
	return network_rules_note(network);
}

int network_rules_resume(struct network *network, bool dns)
{
	struct container *container = network->container;
	struct answers_request request = {
		.runtime = container->resources.record.runtime,
		.machine = container->spec->machine,
		.facts = &network->facts,
		.dns = dns,
	};
	int r = 0;

	/* Without root, whether the program lives or not. */
	if (network->facts.helper != 0 && network->facts.middle == 0)
		return network_rules_note(network);
	if (network->facts.gateway_count > 0 || network->facts.port_count > 0)
		r = answers_open(&network->serving, &network->answers, &request);
	if (r >= 0)
		r = network_rules_note(network);
	if (r >= 0)
		r = publish(network);
	if (r >= 0)
		r = finish_turning(network, dns);
	if (r >= 0)
		r = filter(network);
	return r;
}

/* Who had its addresses before may have reached more. */
static int begin_anew(struct network *network)
{
	autoarena struct arena scratch = { 0 };
	struct firewall_machine *machines;
	size_t count;
	int r;

	if (network->firewall.filter.fd < 0)
		return 0;
	r = facts_machines(&scratch, &machines, &count, &network->facts);
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = firewall_begin_anew(&network->firewall, &machines[i]);
	return r;
}

int network_rules(struct network *network)
{
	int r = collect(network);

	if (r >= 0)
		r = network_rules_resume(network, planned(network, STEP_ANSWER, "DNS") != NULL);
	return r < 0 ? r : begin_anew(network);
}

void network_rules_look(struct network *network)
{
	struct firewall_conflict conflicts[FIREWALL_CONFLICTS_MAX];
	autoarena struct arena scratch = { 0 };
	struct firewall_machine machine;
	int count;

	if (network->firewall.filter.fd < 0 ||
	    facts_machine(&scratch, &machine, &network->facts) < 0)
		return;
	firewall_settle(&network->firewall, &machine);
	count = firewall_conflicts(&network->firewall, machine.pools, machine.pool_count,
				   conflicts);
	for (int i = 0; i < count; i++)
		log_notice("%s on this host drops what machine '%s' %s; this lets it through: %s",
			   conflicts[i].who, network->container->spec->machine,
			   conflicts[i].forwarding ? "exchanges with other networks"
						   : "asks of its supervisor",
			   conflicts[i].remedy);
	fail_forget();
}

static int remove_rules(struct arena *arena, struct firewall *firewall, const struct facts *facts,
			struct later *later)
{
	struct firewall_machine *machines;
	size_t count;
	int r = facts_traces(arena, &machines, &count, facts), first = 0;

	if (r < 0 || count == 0)
		return r;
	if (firewall->filter.fd < 0)
		r = firewall_open(firewall);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		r = firewall_remove(firewall, &machines[i], false);
		if (first == 0)
			first = MIN(r, 0);
	}
	r = firewall_drop_if_empty(firewall);
	/* Whoever closes it waits until the kernel has let go of all that was removed so far, by
	 * anybody; so it was kept open until now. */
	later_close(later, &firewall->filter.fd);
	return first < 0 ? first : r;
}

void network_rules_end(struct container *container, const struct facts *facts, struct later *later)
{
	struct firewall own = FIREWALL_EMPTY, *firewall = &own;

	if (container->network != NULL) {
		answers_done(&container->network->answers, later);
		firewall = &container->network->firewall;
	}
	if (remove_rules(&container->scratch, firewall, facts, later) < 0) {
		log_warning("cannot take the rules of machine '%s' away: %s, going on without",
			    container->spec->machine, fail_recorded()->text);
		fail_forget();
	}
	firewall_close(firewall);
}
