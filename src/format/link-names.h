/* format/link-names - what a machine's links are called, and their hardware addresses
 * (reference 7.1).
 *
 * Both are derived, not chosen: a machine has the same ones at every start, and the same as under
 * the program of this name in the systemd project, so that leases and rules of the host that were
 * made there stay true. Pure, quiet.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define LINK_NAMES_LINK_ROOM 16		/* the kernel's IFNAMSIZ */
#define LINK_NAMES_ALTERNATIVE_ROOM 128 /* and ALTIFNAMSIZ */
#define LINK_NAMES_MAC_SIZE 6
#define LINK_NAMES_MAC_ROOM 18 /* as text */
#define LINK_NAMES_GUEST "host0"

enum link_names_kind {
	LINK_NAMES_VETH,    /* ve-MACHINE: the host's end, alone */
	LINK_NAMES_BRIDGED, /* vb-MACHINE: the host's end, in a bridge or zone */
	LINK_NAMES_ZONE,    /* vz-ZONE: the bridge of a zone */
	LINK_NAMES_MACVLAN, /* mv-INTERFACE: the guest's end */
	LINK_NAMES_IPVLAN,  /* iv-INTERFACE */
	LINK_NAMES_KINDS
};

struct link_name {
	char name[LINK_NAMES_LINK_ROOM];
	/* The whole name where that had to be shortened, to be set as the link's alternative name;
	 * else "". A kernel that refuses it does no harm. */
	char alternative[LINK_NAMES_ALTERNATIVE_ROOM];
};

/* OF: the machine, zone or interface. -EINVAL: no interface can be called after it; zones are
 * never shortened. */
int link_names_make(struct link_name *ret, enum link_names_kind kind, const char *of);

enum link_names_mac_kind {
	LINK_NAMES_MAC_HOST,	    /* of --network-veth, bridges and zones: index 0 */
	LINK_NAMES_MAC_GUEST,	    /* the other end of it: index 0 */
	LINK_NAMES_MAC_EXTRA_HOST,  /* of the index-th --network-veth-extra=, counted from 0 */
	LINK_NAMES_MAC_EXTRA_GUEST, /* the other end of it */
	LINK_NAMES_MAC_MACVLAN,	    /* of the index-th --network-macvlan= */
	LINK_NAMES_MAC_ZONE, /* of a zone's bridge, whose name is given for the machine's; our own,
			      * so that the gateway does not change with who joins */
	LINK_NAMES_MAC_KINDS
};

/* HOST_ID is the host's machine id. */
void link_names_mac(uint8_t ret[LINK_NAMES_MAC_SIZE], enum link_names_mac_kind kind,
		    const uint8_t host_id[16], const char *machine, uint64_t index);

/* "02:00:5e:10:00:01" */
void link_names_mac_text(char ret[LINK_NAMES_MAC_ROOM], const uint8_t mac[LINK_NAMES_MAC_SIZE]);

/* The last half of the address that an interface with this hardware address gives itself. */
void link_names_eui64(uint8_t ret[8], const uint8_t mac[LINK_NAMES_MAC_SIZE]);
