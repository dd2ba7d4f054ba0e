/* machine/network-host - what the host is, for machines' networks. Quiet. Any process. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The machine id of the host, that names and addresses are derived from. Without one they are the
 * same on all such hosts, which is no harm. */
void network_host_id(uint8_t ret[16]);

/* The host's own systemd-networkd runs: it looks after links like ours. */
bool network_host_has_networkd(void);
