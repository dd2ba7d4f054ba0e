/* format/link-names - what interfaces of machines are called, and their hardware addresses, exactly
 * as systemd-nspawn has it (reference 7.1), so that both give the same machine the same. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define LINK_NAMES_ROOM 16 /* of the kernel: IFNAMSIZ */

/* PREFIX ("ve-") and NAME; true: it was too long and got a hash in place of its end. */
bool link_names_shorten(char ret[LINK_NAMES_ROOM], const char *prefix, const char *name);

enum link_mac {
	LINK_MAC_VETH_HOST,
	LINK_MAC_VETH_CONTAINER,
	LINK_MAC_EXTRA_HOST,
	LINK_MAC_EXTRA_CONTAINER,
	LINK_MAC_MACVLAN,
};

/* Derived from the host's machine id, the machine's name and, if there are several, INDEX. */
void link_names_mac(uint8_t ret[6], enum link_mac kind, const uint8_t host_id[16],
		    const char *machine, uint64_t index);
