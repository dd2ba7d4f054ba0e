#include "engine/answers.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/text.h"
#include "format/egress.h"
#include "format/hosts.h"
#include "format/uplink.h"
#include "io/fd.h"
#include "machine/hosts-file.h"
#include "machine/network-file.h"
#include "machine/record.h"
#include "machine/refusals.h"
#include "net/facts.h"
#include "net/firewall-log.h"
#include "net/firewall.h"
#include "net/forward.h"
#include "net/lease.h"
#include "format/link-names.h"
#include "net/resolver.h"

#define GRACE_S 2	/* a guest may use an answer in its last second */
#define REFUSALS_MAX 64 /* that are taken at one go */

struct answers {
	struct arena *arena; /* for as long as it is open */
	const char *runtime, *machine;
	const struct facts *facts;
	bool restricted;
	struct egress egress;
	struct firewall firewall; /* open only if restricted */
	struct firewall_machine part;
	struct resolver *resolver;
	struct lease lease;
	struct firewall_log log;
	struct refusals refusals;
	struct forward forward;
};

/* ---- names of machines ---- */

static int tell(struct resolver_address *ret, size_t room, const struct ip_prefix *list,
		size_t count, int family)
{
	size_t told = 0;

	for (size_t i = 0; i < count && told < room; i++) {
		if (list[i].ip.family != family)
			continue;
		ret[told].family = family;
		memcpy(ret[told].bytes, list[i].ip.bytes, sizeof(ret[told].bytes));
		told++;
	}
	return (int)told;
}

static bool is_in_zone(const struct facts *facts, const char *zone)
{
	bool found = zone != NULL && text_equal(facts->zone, zone);

	for (size_t i = 0; i < facts->part_count && zone != NULL; i++)
		found = found || text_equal(facts->parts[i].zone, zone);
	return found;
}

/* Another one of a zone that we are in: what it is called there. TAG: it has to be of that run of
 * it; NULL: whatever runs. */
static int tell_sibling(const struct answers *answers, struct resolver_address *ret, size_t room,
			const char *name, const char *tag, int family)
{
	autoarena struct arena scratch = { 0 };
	autoclose int directory = -EBADF;
	struct facts facts, *part = NULL;

	if ((answers->facts->zone == NULL && answers->facts->part_count == 0) ||
	    !name_is_machine(name))
		return -ENOENT;
	directory = record_open_runtime(answers->runtime, "machines");
	if (directory < 0 || network_file_read(&scratch, &facts, directory, name) < 0)
		return -ENOENT;
	if (is_in_zone(answers->facts, facts.zone))
		part = &facts;
	for (size_t i = 0; i < facts.part_count && part == NULL; i++)
		if (is_in_zone(answers->facts, facts.parts[i].zone))
			part = &facts.parts[i];
	/* Killed, and nobody has cleaned up after it yet. */
	if (part == NULL || (tag != NULL && !text_equal(facts.tag, tag)) ||
	    (facts.leader > 0 && kill((pid_t)facts.leader, 0) < 0 && errno == ESRCH))
		return -ENOENT;
	return tell(ret, room, part->addresses, part->address_count, family);
}

static int look_up(void *context, struct resolver_address *ret, size_t room, const char *name,
		   int family)
{
	const struct answers *answers = context;
	const struct facts *facts = answers->facts;

	if (text_equal(name, "_host") || text_equal(name, "_gateway"))
		return tell(ret, room, facts->gateways, facts->gateway_count, family);
	if (text_equal(name, answers->machine))
		return tell(ret, room, facts->addresses, facts->address_count, family);
	return tell_sibling(answers, ret, room, name, NULL, family);
}

/* Names= of definitions. */
static int look_up_further(void *context, struct resolver_address *ret, size_t room,
			   const char *name, int family)
{
	const struct answers *answers = context;
	const struct facts *facts = answers->facts;
	struct hosts_claim claim;

	if (hosts_file_claimed(&claim, answers->runtime, name) < 0)
		return -ENOENT;
	if (text_equal(claim.tag, facts->tag))
		return tell(ret, room, facts->addresses, facts->address_count, family);
	return tell_sibling(answers, ret, room, claim.machine, claim.tag, family);
}

static bool has(const struct ip_prefix *list, size_t count, int family, const uint8_t *bytes)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].ip.family == family &&
		    memcmp(list[i].ip.bytes, bytes, (size_t)ip_size(family)) == 0)
			return true;
	return false;
}

static int reverse(void *context, char *ret, size_t room, int family, const uint8_t *bytes)
{
	const struct answers *answers = context;
	const struct facts *facts = answers->facts;
	const char *name = NULL;

	if (has(facts->gateways, facts->gateway_count, family, bytes))
		name = "_gateway";
	else if (has(facts->addresses, facts->address_count, family, bytes))
		name = answers->machine;
	if (name == NULL || strlen(name) >= room)
		return -ENOENT;
	memcpy(ret, name, strlen(name) + 1);
	return 0;
}

/* ---- what may be reached ---- */

/* ADDRESS: what it leads to and must not; NULL: it is not even asked for. */
static void note_name(struct answers *answers, const char *name,
		      const struct resolver_address *address)
{
	struct refusal refusal = { 0 };

	snprintf(refusal.name, sizeof(refusal.name), "%s", name);
	if (address != NULL) {
		refusal.address.family = address->family;
		memcpy(refusal.address.bytes, address->bytes, sizeof(refusal.address.bytes));
	}
	refusals_add(&answers->refusals, &refusal);
}

static bool is_allowed(void *context, const char *name)
{
	struct answers *answers = context;
	bool allowed = egress_has_name(&answers->egress, name);

	if (!allowed)
		note_name(answers, name, NULL);
	return allowed;
}

static int open_ports(struct answers *answers, const struct egress_entry *entry,
		      const struct firewall_address *address, uint32_t seconds)
{
	uint16_t first = entry->port_first, last = first == 0 ? 0 : entry->port_last;
	int r = 0;

	assert(last - first < EGRESS_NAME_PORTS_MAX);

	for (uint32_t port = first; port <= last && r >= 0; port++)
		r = firewall_allow(&answers->firewall, &answers->part, address, (uint16_t)port,
				   (uint8_t)entry->protocol, seconds);
	return r;
}

/* Before the guest knows an address it may reach it, and not longer than the answer holds. */
static int open_address(struct answers *answers, const char *name, struct resolver_address *address)
{
	struct firewall_address to = { .family = (uint8_t)address->family,
				       .bits = address->family == AF_INET6 ? 128 : 32 };
	const struct egress_entry *entry;
	size_t at = 0;
	int r = 0;

	/* What is listed as an address is no secret of a name's; its ports may be others. */
	address->refused = egress_is_internal(address->family, address->bytes) &&
			   !egress_has_address(&answers->egress, address->family, address->bytes);
	if (address->refused)
		return 0;
	memcpy(to.bytes, address->bytes, sizeof(to.bytes));
	while (r >= 0 && (entry = egress_next_named(&answers->egress, &at, name)) != NULL)
		r = open_ports(answers, entry, &to, address->ttl + GRACE_S);
	address->refused = r == -EPERM;
	return address->refused ? 0 : r;
}

static int learn(void *context, const char *name, struct resolver_address *addresses, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		r = open_address(context, name, &addresses[i]);
		if (addresses[i].refused)
			note_name(context, name, &addresses[i]);
	}
	/* The guest is told in its own way, and goes on. */
	fail_forget();
	return r;
}

/* ---- packets that were refused ---- */

static int hear_refusals(struct answers *answers)
{
	struct firewall_refusal packet;
	int r = 1;

	for (int i = 0; i < REFUSALS_MAX && r > 0; i++) {
		struct refusal refusal = { 0 };

		r = firewall_log_read(&answers->log, &packet);
		if (r <= 0)
			break;
		refusal.protocol = packet.protocol;
		refusal.port = packet.port;
		refusal.address.family = packet.destination.family;
		memcpy(refusal.address.bytes, packet.destination.bytes,
		       sizeof(refusal.address.bytes));
		refusals_add(&answers->refusals, &refusal);
	}
	return r;
}

/* A kernel that tells nothing refuses all the same. */
static void open_log(struct answers *answers, struct facts *facts)
{
	if (firewall_log_open(&answers->log) >= 0) {
		facts->log_group = answers->log.group;
		return;
	}
	facts->log_group = 0;
	log_warning("no packet that machine '%s' is refused will be told of: %s, going on without",
		    answers->machine, fail_recorded()->text);
	fail_forget();
}

/* ---- opening ---- */

static int open_resolver(struct answers *answers, struct facts *facts)
{
	struct resolver_address listen[RESOLVER_LISTEN_MAX] = { 0 }, servers[2] = { 0 };
	struct resolver_prefix clients[RESOLVER_CLIENTS_MAX] = { 0 };
	struct resolver_config config = {
		.listen = listen,
		.port = facts->dns_port,
		.clients = clients,
		.domain = facts->zone == NULL ? NULL : text_after(facts->zone, "vz-"),
		.context = answers,
		.lookup = look_up,
		.further = look_up_further,
		.reverse = reverse,
		.allowed = answers->restricted ? is_allowed : NULL,
		.learned = answers->restricted ? learn : NULL,
	};
	int r;

	if (facts->middle != 0) {
		for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
			struct ip_prefix server = uplink_address(facts->slot, i == 1,
								 UPLINK_GATEWAY);

			servers[i].family = server.ip.family;
			memcpy(servers[i].bytes, server.ip.bytes, sizeof(servers[i].bytes));
		}
		config.servers = servers;
		config.server_count = ARRAY_SIZE(servers);
	}
	config.listen_count = MIN(facts->gateway_count, (size_t)RESOLVER_LISTEN_MAX);
	for (size_t i = 0; i < config.listen_count; i++) {
		listen[i].family = facts->gateways[i].ip.family;
		memcpy(listen[i].bytes, facts->gateways[i].ip.bytes, sizeof(listen[i].bytes));
	}
	config.client_count = MIN(facts->address_count, (size_t)RESOLVER_CLIENTS_MAX);
	for (size_t i = 0; i < config.client_count; i++) {
		const struct ip_prefix *address = &facts->addresses[i];
		bool net = address->ip.family == AF_INET6 && facts->zone == NULL;

		clients[i].family = address->ip.family;
		clients[i].length = net ? address->length : (unsigned)ip_length(address->ip.family);
		memcpy(clients[i].bytes, address->ip.bytes, sizeof(clients[i].bytes));
	}
	r = resolver_open(&answers->resolver, &config);
	if (r >= 0)
		facts->dns_port = resolver_port(answers->resolver);
	return r;
}

/* Of IPv6 nobody can tell but the router itself. */
static void set_routers(struct lease_config *config, const struct facts *facts)
{
	const struct ip *router = facts->router;

	if (facts->no_router)
		return;
	config->router = config->gateway;
	if (router[0].family != 0)
		memcpy(&config->router, router[0].bytes, sizeof(config->router));
	config->routes6 = router[1].family == 0 ||
			  has(facts->gateways, facts->gateway_count, AF_INET6, router[1].bytes);
}

/* What the container has already, for clients inside that insist on asking. */
static int open_lease(struct answers *answers)
{
	const struct facts *facts = answers->facts;
	struct lease_config config = { .ifindex = facts->link };
	const char *domain = facts->zone == NULL ? NULL : text_after(facts->zone, "vz-");

	memcpy(config.guest_mac, facts->mac, sizeof(config.guest_mac));
	memcpy(config.gateway_mac, facts->gateway_mac, sizeof(config.gateway_mac));
	config.link_local.s6_addr[0] = 0xfe;
	config.link_local.s6_addr[1] = 0x80;
	link_names_eui64(config.link_local.s6_addr + 8, facts->gateway_mac);
	for (size_t i = facts->address_count; i-- > 0;) {
		const struct ip_prefix *address = &facts->addresses[i];

		if (address->ip.family == AF_INET) {
			memcpy(&config.address, address->ip.bytes, sizeof(config.address));
			config.prefix_length = address->length;
		} else {
			memcpy(&config.address6, address->ip.bytes, sizeof(config.address6));
			memset(&config.prefix, 0, sizeof(config.prefix));
			if (address->length == 64)
				memcpy(&config.prefix, address->ip.bytes, 8);
		}
	}
	for (size_t i = facts->gateway_count; i-- > 0;) {
		const struct ip *gateway = &facts->gateways[i].ip;

		if (gateway->family == AF_INET) {
			memcpy(&config.gateway, gateway->bytes, sizeof(config.gateway));
			config.dns[0] = config.gateway;
			config.dns_count = facts->dns_port != 0;
		} else {
			memcpy(&config.dns6[0], gateway->bytes, sizeof(config.dns6[0]));
			config.dns6_count = facts->dns_port != 0;
		}
	}
	set_routers(&config, facts);
	snprintf(config.host_name, sizeof(config.host_name), "%s", answers->machine);
	snprintf(config.domain, sizeof(config.domain), "%s", domain == NULL ? "machine" : domain);
	return lease_open(&answers->lease, &config);
}

/* Another program may listen there on purpose: the port is reached from elsewhere all the same. */
static int set_forward(struct answers *answers)
{
	const struct firewall_machine *part = &answers->part;
	int r = 0;

	if (answers->forward.inside == NULL && part->port_count > 0)
		r = forward_open(&answers->forward, answers->arena);
	if (r < 0 || answers->forward.inside == NULL)
		return r;
	if (forward_set(&answers->forward, part->ports, part->port_count, part->addresses,
			part->address_count) < 0)
		log_warning("not all ports of machine '%s' are reached through the host's "
			    "localhost: %s, going on without",
			    answers->machine, fail_recorded()->text);
	fail_forget();
	return 0;
}

/* The list is kept where the facts are. */
static int set_restricted(struct answers *answers, struct arena *arena)
{
	const struct facts *facts = answers->facts;
	const char *bad;

	answers->restricted = facts->egress != NULL;
	answers->egress = (struct egress){ 0 };
	if (answers->restricted && egress_parse(arena, &answers->egress, facts->egress, &bad) < 0)
		return fail_input("cannot use '%s' as what the container may reach", facts->egress);
	return 0;
}

int answers_open(struct arena *arena, struct answers **ret, const struct answers_request *request)
{
	struct answers *answers = arena_new(arena, struct answers);
	struct facts *facts = request->facts;
	int r;

	answers->arena = arena;
	answers->firewall = (struct firewall)FIREWALL_EMPTY;
	answers->lease = (struct lease)LEASE_EMPTY;
	answers->log = (struct firewall_log)FIREWALL_LOG_EMPTY;
	answers->refusals = (struct refusals)REFUSALS_EMPTY;
	answers->refusals.runtime = request->runtime;
	answers->refusals.machine = request->machine;
	answers->forward = (struct forward)FORWARD_EMPTY;
	answers->arena = arena;
	answers->runtime = request->runtime;
	answers->machine = request->machine;
	answers->facts = facts;
	r = set_restricted(answers, arena);
	if (r < 0)
		return r;
	if (answers->restricted)
		r = firewall_open(&answers->firewall);
	if (r >= 0 && answers->restricted)
		open_log(answers, facts);
	if (r >= 0 && request->dns)
		r = open_resolver(answers, facts);
	if (r >= 0 && facts->gateway_count > 0)
		r = open_lease(answers);
	if (r >= 0)
		r = facts_machine(arena, &answers->part, facts);
	if (r >= 0)
		r = set_forward(answers);
	if (r < 0) {
		answers_done(&answers, NULL);
		return r;
	}
	*ret = answers;
	return 0;
}

void answers_renew(struct answers *answers, struct arena *arena)
{
	struct firewall_machine now = { 0 };

	(void)set_restricted(answers, arena);
	(void)facts_machine(arena, &now, answers->facts);
	answers->part = now;
	(void)set_forward(answers);
	fail_forget();
}

/* ---- other rules ---- */

int answers_prepare(struct answers *answers, struct facts *facts, bool dns)
{
	int r = 0;

	if (facts->egress == NULL)
		facts->log_group = 0;
	else if (answers->log.fd < 0)
		open_log(answers, facts);
	if (facts->egress != NULL && answers->firewall.filter.fd < 0)
		r = firewall_open(&answers->firewall);
	if (!dns)
		facts->dns_port = 0;
	else if (r >= 0 && answers->resolver == NULL)
		r = open_resolver(answers, facts);
	if (r < 0)
		answers_stay(answers);
	return r;
}

void answers_stay(struct answers *answers)
{
	if (answers->facts->dns_port == 0)
		resolver_done(&answers->resolver);
	if (!answers->restricted) {
		firewall_close(&answers->firewall);
		firewall_log_close(&answers->log);
	}
}

/* What it tells of name servers is what there is. */
static int renew_lease(struct answers *answers)
{
	const struct lease_config *told = &answers->lease.config;
	bool names = answers->facts->dns_port != 0;

	if ((told->dns_count > 0 || told->dns6_count > 0) == names)
		return 0;
	lease_done(&answers->lease, NULL);
	return answers->facts->gateway_count > 0 ? open_lease(answers) : 0;
}

int answers_turn(struct answers *answers, struct arena *arena)
{
	int r;

	answers_renew(answers, arena);
	answers_stay(answers);
	if (answers->resolver != NULL)
		resolver_restrict(answers->resolver, answers->restricted ? is_allowed : NULL,
				  answers->restricted ? learn : NULL);
	r = renew_lease(answers);
	return r < 0 ? fail_in(r, "cannot go on answering") : 0;
}

enum { ANSWERS_DNS, ANSWERS_LEASE, ANSWERS_FORWARD, ANSWERS_LOG };

int answers_fd(const struct answers *answers, size_t which)
{
	if (answers == NULL)
		return -EBADF;
	switch (which) {
	case ANSWERS_DNS:
		return answers->resolver == NULL ? -EBADF : resolver_poll_fd(answers->resolver);
	case ANSWERS_LEASE: return lease_poll_fd(&answers->lease);
	case ANSWERS_LOG: return answers->log.fd;
	case ANSWERS_FORWARD: return answers->forward.poll_fd;
	default: return -EBADF;
	}
}

void answers_serve(struct answers *answers, size_t which)
{
	switch (which) {
	case ANSWERS_DNS: resolver_serve(answers->resolver); break;
	case ANSWERS_LEASE: lease_serve(&answers->lease); break;
	case ANSWERS_FORWARD: forward_run(&answers->forward); break;
	case ANSWERS_LOG:
		if (hear_refusals(answers) < 0) {
			fail_forget();
			firewall_log_close(&answers->log);
		}
		break;
	default: break;
	}
}

void answers_done(struct answers **answers, struct later *later)
{
	if (*answers == NULL)
		return;
	resolver_done(&(*answers)->resolver);
	lease_done(&(*answers)->lease, later);
	forward_close(&(*answers)->forward);
	firewall_close(&(*answers)->firewall);
	firewall_log_close(&(*answers)->log);
	refusals_done(&(*answers)->refusals);
	*answers = NULL;
}
