/* engine/network - the container's links, their addresses, and what the host does for them.
 *
 * Runs in: supervisor, in the host's network namespace. network_make() after the payload has made
 * its network namespace and before its program runs; what is planned for SIDE_NETWORK is done there
 * in order. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct container;
struct network;
struct resources;
struct spec;

#define NETWORK_LINKS_MAX 64

/* After the plan: make all of it. Does nothing without links. */
int network_make(struct container *container);

/* Of one start: interfaces go home, links and rules away. Accepts NULL, which it leaves. */
void network_end(struct network **network);

/* What it holds while the container runs; -EBADF: nothing. */
enum network_fd { NETWORK_FD_NAMESPACE, NETWORK_FDS };
int network_fd(const struct network *network, enum network_fd which);

/* The indexes of the host's interfaces that lead to the container, as systemd-machined wants to
 * know them: for a link in a bridge the bridge's. */
size_t network_interfaces(const struct network *network, const int **ret);
