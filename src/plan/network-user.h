/* plan/network-user - the network of a container that a normal user starts. Pure.
 *
 * Interfaces of the host are root's. What a user gets in the place of a veth is an interface that
 * leads to a program of his (net/userspace), which sends on what comes from the container.
 *
 * Where others are behind the same bridge, or the container may not send what it likes, the program
 * is one step farther away: its interface is in a network namespace of the user's, and there is all
 * that root's containers have on the host (machine/middle).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "format/ip.h"

struct host;
struct link_plan;
struct planner;
struct spec;

/* The network is made by who is not root of the host, or of a container that may do all. */
bool network_user_is(const struct host *host);

/* And there is a namespace in the middle. */
bool network_user_has_middle(const struct spec *spec, const struct host *host);

/* The container's own interface leads to the program. */
bool network_user_is_direct(const struct spec *spec, const struct host *host);

/* -EPERM: links that only root can make; -ENOPKG: the program is missing; -EINVAL. */
int network_user_check(const struct planner *p);

/* The container's interface, in the place of its veth. */
struct link_plan *network_user_link(struct planner *p, const char *name);

/* The interface in the middle. */
void network_user_uplink(struct planner *p);

/* What a DHCP client inside is told: its own addresses and the gateways, of either kind one. */
void network_user_tell(struct planner *p, struct link_plan *link, const struct ip_prefix *guest,
		       size_t count, const struct ip gateway[2]);
