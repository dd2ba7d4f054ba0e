#include "engine/network-pool.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/resources.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "machine/find.h"
#include "net/config.h"
#include "net/names.h"
#include "net/pool.h"
#include "plan/network.h"
#include "spec/spec.h"

static bool is_alive(void *context, const char *name, const char *tag)
{
	autoarena struct arena scratch = { 0 };
	struct resources *resources = context;
	struct machine machine;
	int r = machine_open(&scratch, &machine, resources->record.runtime, name);

	fail_forget();
	return r >= 0 && text_equal(machine.content.tag, tag);
}

static int note(void *context, const char *path)
{
	struct resources *resources = context;

	text_list_add(resources->arena, &resources->leases, arena_text(resources->arena, path));
	return record_note(&resources->record, RECORD_LEASE, path);
}

static struct ip_prefix prefix_of(const struct route_prefix *from)
{
	struct ip_prefix prefix = { .ip.family = from->family, .length = (uint8_t)from->length };

	memcpy(prefix.ip.bytes, from->bytes, sizeof(prefix.ip.bytes));
	return prefix;
}

static void add_pool(struct resources *resources, const struct ip_prefix *prefix)
{
	struct pooled *pooled = &resources->taken.pooled;
	struct ip_prefix *added = list_grow(resources->arena, (void **)&pooled->pools,
					    &pooled->pool_count, sizeof(*added));

	*added = *prefix;
}

/* Where machines live, whoever they are: nobody else is hidden there. */
static void collect_pools(struct resources *resources, const struct config *config,
			  const struct pool_lease *lease)
{
	for (size_t i = 0; i < config->count; i++) {
		struct ip_prefix prefix = { .ip.family = AF_INET,
					    .length = (uint8_t)config->ranges[i].length };

		for (int j = 0; j < 4; j++)
			prefix.ip.bytes[j] = (uint8_t)(config->ranges[i].address >> (24 - 8 * j));
		add_pool(resources, &prefix);
	}
	if (lease->guest6.family == AF_INET6) {
		struct ip_prefix prefix = { .ip.family = AF_INET6, .length = 48 };

		memcpy(prefix.ip.bytes, lease->guest6.bytes, 6);
		add_pool(resources, &prefix);
	}
}

static int find_zone(struct netlink *netlink, const struct spec *spec, int *ret)
{
	struct names_link zone;
	struct link_facts facts;

	*ret = 0;
	if (spec->network_zone == NULL)
		return 0;
	if (names_link(&zone, NAMES_ZONE, spec->network_zone) >= 0 &&
	    link_find(netlink, &facts, zone.name) >= 0)
		*ret = facts.index;
	return 0;
}

int network_pool_take(struct resources *resources, const struct spec *spec, const struct host *host)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	struct pool_caller caller = { .is_alive = is_alive, .note = note, .context = resources };
	struct pooled *pooled = &resources->taken.pooled;
	struct pool_lease lease;
	struct config config;
	uint8_t mac[NAMES_MAC_SIZE];
	struct pool_wish wish = {
		.machine = spec->machine,
		.tag = resources->record.tag,
		.zone = spec->network_zone,
		.mac = spec->addressing.mac_set ? spec->addressing.mac : mac,
		.host_id = host->machine_id,
		.config = &config,
	};
	int r;

	if (network_address_mode(spec, host->networkd) != ADDRESSES_AUTO)
		return 0;
	names_mac(mac, NAMES_MAC_GUEST, host->machine_id, spec->machine, 0);
	r = config_read(resources->arena, &config, CONFIG_PATH);
	if (r < 0)
		return r;
	r = netlink_open(&netlink, NETLINK_ROUTE);
	if (r < 0)
		return fail(r, "cannot ask the kernel for routes");
	r = find_zone(&netlink, spec, &wish.zone_link);
	if (r >= 0)
		r = pool_take(resources->arena, &lease, &netlink, resources->record.runtime, &wish,
			      &caller);
	if (r < 0)
		return r;
	pooled->taken = true;
	pooled->guest[0] = prefix_of(&lease.guest);
	pooled->host[0] = prefix_of(&lease.host);
	pooled->count = 1;
	if (lease.guest6.family == AF_INET6) {
		pooled->guest[1] = prefix_of(&lease.guest6);
		pooled->host[1] = prefix_of(&lease.host6);
		pooled->count = 2;
	}
	collect_pools(resources, &config, &lease);
	return 0;
}

void network_pool_release(struct resources *resources)
{
	for (size_t i = 0; i < resources->leases.count; i++) {
		int r = pool_release(resources->leases.items[i], resources->record.tag);

		if (r < 0)
			log_warning("cannot give '%s' back: %s, going on without",
				    resources->leases.items[i], strerror(-r));
	}
	text_list_clear(&resources->leases);
}
