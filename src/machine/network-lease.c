#include "machine/network-lease.h"

#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "kernel/link.h"
#include "machine/find.h"
#include "net/config.h"
#include "format/link-names.h"
#include "net/pool.h"

struct asking {
	const struct network_lease_wish *wish;
	network_lease_note_fn *note;
	void *context;
};

static bool is_alive(void *context, const char *name, const char *tag)
{
	autoarena struct arena scratch = { 0 };
	const struct asking *asking = context;
	struct machine machine;
	int r = machine_open(&scratch, &machine, asking->wish->runtime, name);

	fail_forget();
	return r >= 0 && text_equal(machine.content.tag, tag);
}

static int note(void *context, const char *path)
{
	const struct asking *asking = context;

	return asking->note(asking->context, path);
}

static struct ip_prefix prefix_of(const struct route_prefix *from)
{
	struct ip_prefix prefix = { .ip.family = from->family, .length = (uint8_t)from->length };

	memcpy(prefix.ip.bytes, from->bytes, sizeof(prefix.ip.bytes));
	return prefix;
}

static void add_pool(struct arena *arena, struct network_lease *lease,
		     const struct ip_prefix *prefix)
{
	struct ip_prefix *added = list_grow(arena, (void **)&lease->pools, &lease->pool_count,
					    sizeof(*added));

	*added = *prefix;
}

/* Where machines live, whoever they are: nobody else is hidden there. */
static void collect_pools(struct arena *arena, struct network_lease *lease,
			  const struct config *config)
{
	for (size_t i = 0; i < config->count; i++) {
		struct ip_prefix prefix = { .ip.family = AF_INET,
					    .length = (uint8_t)config->ranges[i].length };

		for (int j = 0; j < 4; j++)
			prefix.ip.bytes[j] = (uint8_t)(config->ranges[i].address >> (24 - 8 * j));
		add_pool(arena, lease, &prefix);
	}
	if (lease->count == 2) {
		struct ip_prefix prefix = { .ip.family = AF_INET6, .length = 48 };

		memcpy(prefix.ip.bytes, lease->guest[1].ip.bytes, 6);
		add_pool(arena, lease, &prefix);
	}
}

/* 0: it is not there yet. */
static int find_zone(struct netlink *netlink, const char *zone)
{
	struct link_facts facts;
	struct link_name name;

	if (zone != NULL && link_names_make(&name, LINK_NAMES_ZONE, zone) >= 0 &&
	    link_find(netlink, &facts, name.name) >= 0)
		return facts.index;
	return 0;
}

int network_lease_take(struct arena *arena, struct network_lease *ret, struct netlink *netlink,
		       const struct network_lease_wish *wish, network_lease_note_fn *note_,
		       void *context)
{
	struct asking asking = { wish, note_, context };
	const struct pool_caller caller = { is_alive, note, &asking };
	struct network_lease lease = { .count = 1 };
	struct config config;
	struct pool_lease pooled;
	const struct pool_wish pool_wish = {
		.machine = wish->machine,
		.tag = wish->tag,
		.zone = wish->zone,
		.zone_link = find_zone(netlink, wish->zone),
		.mac = wish->mac,
		.host_id = wish->host_id,
		.config = &config,
	};
	int r;

	r = config_read(arena, &config, CONFIG_PATH);
	if (r >= 0)
		r = pool_take(arena, &pooled, netlink, wish->runtime, &pool_wish, &caller);
	if (r < 0)
		return r;
	lease.guest[0] = prefix_of(&pooled.guest);
	lease.host[0] = prefix_of(&pooled.host);
	if (pooled.guest6.family == AF_INET6) {
		lease.guest[1] = prefix_of(&pooled.guest6);
		lease.host[1] = prefix_of(&pooled.host6);
		lease.count = 2;
	}
	collect_pools(arena, &lease, &config);
	*ret = lease;
	return 0;
}
