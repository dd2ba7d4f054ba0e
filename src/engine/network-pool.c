#include "engine/network-pool.h"

#include <linux/netlink.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
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

int network_pool_take(struct resources *resources, const struct spec *spec, const struct host *host)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	struct pooled *pooled = &resources->taken.pooled;
	struct network_lease lease;
	uint8_t mac[LINK_NAMES_MAC_SIZE];
	const struct network_lease_wish wish = {
		.runtime = resources->record.runtime,
		.machine = spec->machine,
		.tag = resources->record.tag,
		.zone = spec->network_zone,
		.mac = spec->addressing.mac_set ? spec->addressing.mac : mac,
		.host_id = host->machine_id,
	};
	int r;

	if (network_address_mode(spec, host->networkd) != ADDRESSES_AUTO)
		return 0;
	link_names_mac(mac, LINK_NAMES_MAC_GUEST, host->machine_id, spec->machine, 0);
	r = netlink_open(&netlink, NETLINK_ROUTE);
	if (r < 0)
		return fail(r, "cannot ask the kernel for routes");
	r = network_lease_take(resources->arena, &lease, &netlink, &wish, note, resources);
	if (r < 0)
		return r;
	pooled->taken = true;
	pooled->count = lease.count;
	memcpy(pooled->guest, lease.guest, sizeof(pooled->guest));
	memcpy(pooled->host, lease.host, sizeof(pooled->host));
	pooled->pools = lease.pools;
	pooled->pool_count = lease.pool_count;
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
