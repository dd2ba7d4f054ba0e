/* net/names - what a machine's links are called, and their hardware addresses (reference 7.1).
 *
 * Both are derived, not chosen: a machine has the same ones at every start, and the same as under
 * the program of this name in the systemd project, so that leases and rules of the host that were
 * made there stay true. Pure, quiet.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define NAMES_LINK_ROOM 16	   /* the kernel's IFNAMSIZ */
#define NAMES_ALTERNATIVE_ROOM 128 /* and ALTIFNAMSIZ */
#define NAMES_MAC_SIZE 6
#define NAMES_MAC_ROOM 18 /* as text */
#define NAMES_GUEST "host0"

enum names_kind {
	NAMES_VETH,    /* ve-MACHINE: the host's end, alone */
	NAMES_BRIDGED, /* vb-MACHINE: the host's end, in a bridge or zone */
	NAMES_ZONE,    /* vz-ZONE: the bridge of a zone */
	NAMES_MACVLAN, /* mv-INTERFACE: the guest's end */
	NAMES_IPVLAN,  /* iv-INTERFACE */
	NAMES_KINDS
};

struct names_link {
	char name[NAMES_LINK_ROOM];
	/* The whole name where that had to be shortened, to be set as the link's alternative name;
	 * else "". A kernel that refuses it does no harm. */
	char alternative[NAMES_ALTERNATIVE_ROOM];
};

/* OF: the machine, zone or interface. -EINVAL: no interface can be called after it; zones are
 * never shortened. */
int names_link(struct names_link *ret, enum names_kind kind, const char *of);

enum names_mac_kind {
	NAMES_MAC_HOST,	       /* of --network-veth, bridges and zones: index 0 */
	NAMES_MAC_GUEST,       /* the other end of it: index 0 */
	NAMES_MAC_EXTRA_HOST,  /* of the index-th --network-veth-extra=, counted from 0 */
	NAMES_MAC_EXTRA_GUEST, /* the other end of it */
	NAMES_MAC_MACVLAN,     /* of the index-th --network-macvlan= */
	NAMES_MAC_ZONE, /* of a zone's bridge, whose name is given for the machine's; our own,
			 * so that the gateway does not change with who joins */
	NAMES_MAC_KINDS
};

/* HOST_ID is the host's machine id. */
void names_mac(uint8_t ret[NAMES_MAC_SIZE], enum names_mac_kind kind, const uint8_t host_id[16],
	       const char *machine, uint64_t index);

/* "02:00:5e:10:00:01" */
void names_mac_text(char ret[NAMES_MAC_ROOM], const uint8_t mac[NAMES_MAC_SIZE]);

/* The last half of the address that an interface with this hardware address gives itself. */
void names_eui64(uint8_t ret[8], const uint8_t mac[NAMES_MAC_SIZE]);
