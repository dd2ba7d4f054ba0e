#include "engine/network-pool.h"

#include <linux/netlink.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "engine/resources.h"
#include "kernel/netlink.h"
#include "machine/network-lease.h"
#include "format/link-names.h"
#include "net/pool.h"
#include "plan/network.h"
#include "spec/spec.h"

static int note(void *context, const char *path)
{
	struct resources *resources = context;

	text_list_add(resources->arena, &resources->leases, arena_text(resources->arena, path));
	return record_note(&resources->record, RECORD_LEASE, path);
}

struct taking {
	struct resources *resources;
	struct netlink *netlink;
	const struct spec *spec;
	const struct host *host;
};

static int take(const struct taking *taking, struct network_lease *ret, const char *zone,
		const uint8_t *mac)
{
	struct resources *resources = taking->resources;
	struct pooled *pooled = &resources->taken.pooled;
	const struct network_lease_wish wish = {
		.runtime = resources->record.runtime,
		.machine = taking->spec->machine,
		.tag = resources->record.tag,
		.zone = zone,
		.mac = mac,
		.host_id = taking->host->machine_id,
	};
	int r = network_lease_take(resources->arena, ret, taking->netlink, &wish, note, resources);

	if (r < 0)
		return r;
	if (pooled->pool_count < ret->pool_count) {
		pooled->pools = ret->pools;
		pooled->pool_count = ret->pool_count;
	}
	return 0;
}

static int take_first(const struct taking *taking)
{
	const struct spec *spec = taking->spec;
	struct pooled *pooled = &taking->resources->taken.pooled;
	uint8_t mac[LINK_NAMES_MAC_SIZE];
	struct network_lease lease;
	int r;

	link_names_mac(mac, LINK_NAMES_MAC_GUEST, taking->host->machine_id, spec->machine, 0);
	r = take(taking, &lease, spec->network_zone,
		 spec->addressing.mac_set ? spec->addressing.mac : mac);
	if (r < 0)
		return r;
	pooled->taken = true;
	pooled->count = lease.count;
	memcpy(pooled->guest, lease.guest, sizeof(pooled->guest));
	memcpy(pooled->host, lease.host, sizeof(pooled->host));
	return 0;
}

/* Each has a net of its own. */
static int take_further(const struct taking *taking, const struct extra_link *link)
{
	struct resources *resources = taking->resources;
	struct pooled *pooled = &resources->taken.pooled;
	uint8_t mac[LINK_NAMES_MAC_SIZE];
	struct network_lease lease;
	struct pooled_link *added;
	int r;

	network_further_mac(mac, taking->spec, taking->host->machine_id, link);
	r = take(taking, &lease, NULL, mac);
	if (r < 0)
		return r;
	added = list_grow(resources->arena, (void **)&pooled->further, &pooled->further_count,
			  sizeof(*added));
	added->count = lease.count;
	memcpy(added->guest, lease.guest, sizeof(added->guest));
	memcpy(added->host, lease.host, sizeof(added->host));
	return 0;
}

int network_pool_take(struct resources *resources, const struct spec *spec, const struct host *host)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	const struct taking taking = { resources, &netlink, spec, host };
	bool first = network_address_mode(spec, host->networkd) == ADDRESSES_AUTO, any = first;
	int r;

	for (size_t i = 0; i < spec->extra_links.count; i++)
		any = any || spec->extra_links.items[i].addressing.mode == ADDRESSES_AUTO;
	if (!any)
		return 0;
	r = netlink_open(&netlink, NETLINK_ROUTE);
	if (r < 0)
		return fail(r, "cannot ask the kernel for routes");
	if (first)
		r = take_first(&taking);
	for (size_t i = 0; i < spec->extra_links.count && r >= 0; i++)
		if (spec->extra_links.items[i].addressing.mode == ADDRESSES_AUTO)
			r = take_further(&taking, &spec->extra_links.items[i]);
	return MIN(r, 0);
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
