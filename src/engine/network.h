/* engine/network - the container's links, and their addresses.
 *
 * Runs in: supervisor, in the host's network namespace. network_make() after the payload has made
 * its network namespace and before its program runs; what is planned for SIDE_NETWORK is done there
 * in order. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/answers.h"

struct container;
struct network;

#define NETWORK_SERVED (ANSWERS_FDS + 3)

/* After the plan: make all of it. Does nothing without links. */
int network_make(struct container *container);

/* The program runs, and we are back in the host's mount namespace: what needs that. */
void network_settle(struct container *container);

/* Of one start: interfaces go home, links and rules away; also those that others added while it
 * ran. Leaves container->network NULL. */
void network_end(struct container *container);

/* What it holds while the container runs; -EBADF: nothing. */
int network_fd(const struct network *network);

/* For the supervisor's loop. */
int network_served_fd(const struct network *network, size_t which);
void network_serve(struct network *network, size_t which);

/* The indexes of the host's interfaces that lead to the container, as systemd-machined wants to
 * know them: for a link in a bridge the bridge's. RET has room for FACTS_LIST_MAX. */
size_t network_interfaces(const struct network *network, uint32_t *ret);
