/* engine/network-user - the network of a container that a normal user starts.
 *
 * Runs in: supervisor, in a user namespace of its own and in the host's network namespace.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct host;
struct link_plan;
struct network;
struct pooled;
struct spec;
struct userspace_wish;

/* Before the plan: the container's addresses, which nobody has to give back; and whether the host
 * reaches others by IPv4, by IPv6, or both, as the container will. Does nothing for root. Speaking.
 */
int network_user_look(struct arena *arena, struct pooled *ret, const struct spec *spec,
		      const struct host *host);

/* The container's interface is there when it returns; still down, and without an address. Speaking.
 */
int network_user_make(struct network *network, const struct link_plan *link);

/* For the one in the middle (engine/network-uplink): by which protocols (IPv4, IPv6) the host
 * reaches others, at least one; the program's process, which waits, and is noted; and until its
 * interface is there. */
int network_user_leads(bool ret[2]);
struct userspace_wish network_user_wish(const struct network *network,
					const struct link_plan *link);
int network_user_start(struct network *network, const struct userspace_wish *wish);
int network_user_note(struct network *network);
int network_user_go(struct network *network);

/* What the program of an earlier supervisor is. Quiet. */
void network_user_resume(struct network *network);

/* The program has ended, and should not have. Warns. */
void network_user_ended(struct network *network);
