#include "engine/network-user.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "base/log.h"
#include "engine/container.h"
#include "engine/network-rules.h"
#include "format/link-names.h"
#include "kernel/netlink.h"
#include "kernel/route.h"
#include "net/config.h"
#include "net/pool.h"
#include "plan/network.h"
#include "plan/network-user.h"

/* ---- addresses ---- */

static void add(struct pooled *pooled, const struct route_prefix *guest,
		const struct route_prefix *host)
{
	const struct route_prefix *const from[] = { guest, host };
	struct ip_prefix *const to[] = { &pooled->guest[pooled->count],
					 &pooled->host[pooled->count] };

	if (guest->family == AF_UNSPEC)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		to[i]->ip.family = from[i]->family;
		to[i]->length = (uint8_t)from[i]->length;
		memcpy(to[i]->ip.bytes, from[i]->bytes, sizeof(to[i]->ip.bytes));
	}
	pooled->count++;
}

static int is_default(const struct route *route, void *context)
{
	bool *found = context;

	*found = route->to.length == 0 && (route->type == 0 || route->type == RTN_UNICAST);
	return *found;
}

/* As the program decides whether there is any. */
static bool leads_out(struct netlink *netlink, int family)
{
	bool found = false;

	(void)route_list(netlink, family, RT_TABLE_MAIN, is_default, &found);
	return found;
}

static void look_out(struct netlink *netlink, bool ret[2])
{
	ret[1] = leads_out(netlink, AF_INET6);
	ret[0] = leads_out(netlink, AF_INET) || !ret[1];
}

int network_user_leads(bool ret[2])
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	int r = netlink_open(&netlink, NETLINK_ROUTE);

	if (r < 0)
		return fail(r, "cannot ask the kernel for routes");
	look_out(&netlink, ret);
	return 0;
}

int network_user_look(struct arena *arena, struct pooled *ret, const struct spec *spec,
		      const struct host *host)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	struct pooled pooled = { .taken = true };
	struct pool_lease lease;
	struct config config;
	uint8_t mac[LINK_NAMES_MAC_SIZE];
	const struct pool_wish wish = {
		.machine = spec->machine,
		.mac = spec->addressing.mac_set ? spec->addressing.mac : mac,
		.host_id = host->machine_id,
		.config = &config,
	};
	bool leads[2];
	int r;

	if (!network_user_is_direct(spec, host) || spec->network_veth != TRISTATE_YES ||
	    network_address_mode(spec, false) == ADDRESSES_GIVEN)
		return 0;
	link_names_mac(mac, LINK_NAMES_MAC_GUEST, host->machine_id, spec->machine, 0);
	r = config_read(arena, &config, CONFIG_PATH);
	if (r < 0)
		return r;
	r = netlink_open(&netlink, NETLINK_ROUTE);
	if (r < 0)
		return fail(r, "cannot ask the kernel for routes");
	r = pool_look(arena, &lease, &netlink, &wish);
	if (r < 0)
		return r;
	look_out(&netlink, leads);
	if (leads[0])
		add(&pooled, &lease.guest, &lease.host);
	if (leads[1])
		add(&pooled, &lease.guest6, &lease.host6);
	*ret = pooled;
	return 0;
}

/* ---- the program ---- */

int network_user_note(struct network *network)
{
	struct facts *facts = &network->facts;

	facts->tag = network->container->resources.record.tag;
	facts->helper = (uint32_t)network->userspace.pid;
	facts->helper_start = network->userspace.start;
	return network_rules_note(network);
}

int network_user_start(struct network *network, const struct userspace_wish *wish)
{
	int r = userspace_check_ports(wish);

	if (r >= 0)
		r = userspace_start(&network->container->scratch, &network->userspace, wish);
	/* Noted before it does anything: it may outlive us. */
	return r < 0 ? r : network_user_note(network);
}

int network_user_go(struct network *network)
{
	int r = userspace_release(&network->userspace);

	return r < 0 ? r : userspace_await(&network->userspace);
}

struct userspace_wish network_user_wish(const struct network *network, const struct link_plan *link)
{
	const struct spec *spec = network->container->spec;
	struct userspace_wish wish = {
		.program = link->host,
		.pid = network->container->spawn.pid,
		.interface = link->name,
		.mac = link->mac,
		.gateway_mac = link->host_mac,
		.ports = spec->ports.items,
		.port_count = spec->ports.count,
		.outlives = spec->on_supervisor_death == ON_DEATH_KEEP,
	};

	memcpy(wish.guest, link->guest, sizeof(wish.guest));
	memcpy(wish.gateway, link->gateway, sizeof(wish.gateway));
	memcpy(wish.dns, link->dns, sizeof(wish.dns));
	return wish;
}

int network_user_make(struct network *network, const struct link_plan *link)
{
	const struct userspace_wish wish = network_user_wish(network, link);
	int r = network_user_start(network, &wish);

	return r < 0 ? r : network_user_go(network);
}

void network_user_resume(struct network *network)
{
	userspace_take_over(&network->userspace, (pid_t)network->facts.helper,
			    network->facts.helper_start);
}

void network_user_ended(struct network *network)
{
	const char *words = userspace_words(&network->userspace);

	log_warning("machine '%s' has no network any more: '%s' has ended%s%s%s, going on without",
		    network->container->spec->machine, USERSPACE_PROGRAM, *words ? " ('" : "",
		    words, *words ? "')" : "");
	userspace_end(&network->userspace, NULL);
}
