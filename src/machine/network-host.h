/* machine/network-host - what the host is, for machines' networks. Quiet. Any process. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct arena;

/* The machine id of the host, that names and addresses are derived from. Without one they are the
 * same on all such hosts, which is no harm. */
void network_host_id(uint8_t ret[16]);

/* The host's own systemd-networkd runs, and looks after LINK, which is a KIND: "veth" or "bridge".
 */
bool network_host_has_networkd(struct arena *arena, const char *link, const char *kind);
