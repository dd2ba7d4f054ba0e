/* plan/network - links, addresses and rules of a container's network (reference, section 7, and
 * [X-Network]). Pure. */
#pragma once
#include <stdint.h>

#include "format/link-names.h"
#include "spec/spec.h"

struct planner;

/* All of SIDE_NETWORK. -EINVAL: two interfaces of the container would have one name, or what it may
 * reach shall be limited where we do not know its addresses. */
int network_links(struct planner *p);

/* Where the addresses of the first link come from, once it is known whether the host's own
 * systemd-networkd looks after our links. */
enum address_mode network_address_mode(const struct spec *spec, bool networkd);

/* The hardware address of the container's end of a further link. */
void network_further_mac(uint8_t ret[LINK_NAMES_MAC_SIZE], const struct spec *spec,
			 const uint8_t *host_id, const struct extra_link *link);

/* The name server that is ours to give: an address of the host's end, or what was asked for; none:
 * not ours. IPV6: the other kind. */
struct ip network_name_server(const struct planner *p, bool ipv6);
