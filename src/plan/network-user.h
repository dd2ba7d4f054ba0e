/* plan/network-user - the network of a container that a normal user starts. Pure.
 *
 * Interfaces of the host are root's. What a user gets in the place of a veth is an interface that
 * leads to a program of his (net/userspace), which sends on what comes from the container.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "format/ip.h"

struct host;
struct link_plan;
struct planner;

/* The network is made by who is not root of the host, or of a container that may do all. */
bool network_user_is(const struct host *host);

/* -EPERM: links that only root can make; -ENOPKG: the program is missing; -EINVAL. */
int network_user_check(const struct planner *p);

/* The container's interface, in the place of its veth. */
struct link_plan *network_user_link(struct planner *p, const char *name);

/* What a DHCP client inside is told: its own addresses and the gateways, of either kind one. */
void network_user_tell(struct planner *p, struct link_plan *link, const struct ip_prefix *guest,
		       size_t count, const struct ip gateway[2]);
