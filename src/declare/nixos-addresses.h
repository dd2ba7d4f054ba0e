/* declare/nixos-addresses - which pair of addresses a new NixOS container gets: 10.233.N.1 on the
 * host, 10.233.N.2 inside, with the smallest N from 1 to 254 that nobody has. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "format/ip.h"

struct nixos_addresses {
	bool taken[256]; /* by N */
};

struct nixos_pair {
	char host[IP_TEXT_ROOM], local[IP_TEXT_ROOM];
};

/* Somebody has what VALUE says: "10.233.3.1", or a whole network: "10.233.3.1/24". What is no such
 * text, and IPv6, takes nothing. */
void nixos_addresses_take(struct nixos_addresses *addresses, const char *value);

/* -EADDRNOTAVAIL: all are taken. */
int nixos_addresses_choose(const struct nixos_addresses *addresses, struct nixos_pair *ret);
