/* machine/network-list - what interfaces a running machine has, as they are now. Speaking. Any
 * process, as the host's root; nothing is changed.
 */
#pragma once
#include <stddef.h>

struct arena;
struct machine;

#define NETWORK_LIST_MAX 256 /* what a guest has beyond is not looked at */

struct network_list_item {
	const char *name; /* the guest's own choice */
	const char *kind; /* "zone:web", "veth", "macvlan"; of the guest's own as the kernel says */
	const char *host; /* the other end, what it stands on, or comes home as; NULL: none */
	char *addresses;  /* one a line */
};

/* Without its loopback interface, in the kernel's order. -EOPNOTSUPP: it has no network of its own.
 */
int network_list(struct arena *arena, struct network_list_item **ret, size_t *ret_count,
		 const struct machine *machine);
