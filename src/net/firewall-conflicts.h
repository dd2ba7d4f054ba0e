/* net/firewall-conflicts - who else drops what machines send or get. Speaking.
 *
 * What one table accepts another may still drop, and it is not ours to change another's. So it is
 * found out who does, and which command has to be run once. Where that was done, one finds the word
 * "redd", or the names of machines' interfaces or their network, in that table's rules.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "net/firewall.h"

#define FIREWALL_CONFLICTS_MAX 8
#define FIREWALL_REMEDY_SIZE 512

struct firewall_conflict {
	char who[96];	 /* "Docker", "ufw", "the chain 'forward' of the table 'filter'" */
	bool forwarding; /* other networks, published ports */
	bool input;	 /* the host itself: names, addresses by DHCP */
	char remedy[FIREWALL_REMEDY_SIZE]; /* for a shell, as root */
};

/* Returns how many, at most FIREWALL_CONFLICTS_MAX. POOLS are the machines' networks. */
int firewall_conflicts(struct firewall *firewall, const struct firewall_address *pools,
		       size_t pool_count, struct firewall_conflict ret[FIREWALL_CONFLICTS_MAX]);
