/* format/uplink - the addresses between the namespace in the middle (machine/middle) and a program
 * that leads out of it: for each machine a small net of its own, told by its slot. Pure.
 *
 * IPv4 from a part of the link-local range (RFC 3927), IPv6 from a local net (RFC 4193) that is
 * called "Redd": neither leaves the middle, since what does has become the program's by then.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "format/ip.h"

#define UPLINK_SLOTS 4096

enum uplink_end { UPLINK_GATEWAY = 1, UPLINK_GUEST = 2 }; /* the program's, and ours */

/* With the length of the slot's net. */
struct ip_prefix uplink_address(uint32_t slot, bool six, enum uplink_end end);

/* Where those of all slots are. */
struct ip_prefix uplink_network(bool six);
