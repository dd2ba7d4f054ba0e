/* net/forward - published ports at the host's loopback addresses. Supervisor. Speaking.
 *
 * What is sent to 127.0.0.1 or ::1 cannot be led elsewhere by rules (class S53), so the supervisor
 * listens there and passes on what is said: TCP by splice(2), UDP with a socket for each caller.
 * The machine sees its gateway as the caller. Only for who is on the host: nobody else reaches
 * those addresses.
 *
 * All memory is taken when it is opened. What is too much waits (connections), or takes the place
 * of who was silent for longest (UDP). One descriptor for a poll loop; nothing blocks.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "net/firewall.h"

#define FORWARD_LISTENERS_MAX 128   /* one for each port, protocol and address */
#define FORWARD_CONNECTIONS_MAX 192 /* of TCP at one time */
#define FORWARD_CALLERS_MAX 128	    /* of UDP at one time */

struct arena;
struct forward_inside;

struct forward {
	int poll_fd; /* readable: forward_run() has something to do */
	struct forward_inside *inside;
};

#define FORWARD_EMPTY              \
	{                          \
		.poll_fd = -EBADF, \
	}

int forward_open(struct forward *ret, struct arena *arena);
void forward_close(struct forward *forward); /* accepts the empty one */
#define autoforward CLEANUP(forward_close)

/* Listen for a port of a machine that has ADDRESSES. Ports at other addresses of the host than
 * loopback ones need nothing: 0. -EADDRINUSE: another program listens there. -ENOSPC: too many
 * (a long range). After a failure none of it is there. */
int forward_add(struct forward *forward, const struct firewall_port *port,
		const struct firewall_address *addresses, size_t count);

/* Connections go on until they end. */
void forward_remove(struct forward *forward, const struct firewall_port *port);

/* Listen for these ports and no others; what is there already only leads to where the machine is
 * now. All is done that can be; the first failure is told, as by forward_add(). */
int forward_set(struct forward *forward, const struct firewall_port *ports, size_t port_count,
		const struct firewall_address *addresses, size_t count);

/* Pass on what is there; a bounded part of it. */
void forward_run(struct forward *forward);
