/* engine/network-links - the links of a container are made, as its plan says. What has to be undone
 * is noted before. Speaking. Runs in: supervisor, as engine/network.
 */
#pragma once
#include <stddef.h>

#include "kernel/netlink.h"
#include "net/facts.h"

struct container;
struct link_plan;
struct network;

/* What one round of making needs. */
struct network_making {
	struct container *container;
	struct network *network;
	struct netlink host, guest;
	int netns_fd, zone_lock;
	/* by the order of STEP_LINK: indexes of both ends */
	struct network_made {
		const struct link_plan *link;
		int here, there;
	} made[FACTS_LIST_MAX];
	size_t count;
};

/* All of them, and the zone that they are in. */
int network_links_make(struct network_making *m);

/* Those that a program serves, not before they have their addresses: the other end answers so fast
 * that the kernel would have made them itself, for a time. */
int network_links_up(struct network_making *m);
