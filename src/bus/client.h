/* bus/client - the host's D-Bus, where there is one.
 *
 * sd-bus is loaded when the first connection is made, from whichever library has it (libsystemd,
 * libelogind, libbasu); without one, or in a static program, there simply is no bus. Every call
 * has a deadline and none asks a person. Quiet; what the other side said about the last failure is
 * kept for a sentence. Any process; one connection belongs to one thread of control.
 */
#pragma once
#include <stdbool.h>

#include "base/macros.h"

struct bus;

enum bus_scope {
	BUS_SYSTEM,
	BUS_USER, /* the caller's own: $DBUS_SESSION_BUS_ADDRESS or below $XDG_RUNTIME_DIR */
};

#define BUS_TIMEOUT_MS 25000

/* Connect and wait until the connection is usable. -ENOPKG: no library. -ENOENT: no bus. */
int bus_open(struct bus **ret, enum bus_scope scope, int timeout_ms);

/* Accepts NULL. A child that inherited the connection only closes its descriptor. */
struct bus *bus_close(struct bus *bus);
static inline void bus_close_at(struct bus **bus)
{
	*bus = bus_close(*bus);
}
#define autobus CLEANUP(bus_close_at)

/* The connection's descriptor, to be kept open; -EBADF for NULL. */
int bus_fd(const struct bus *bus);

/* Why the last call failed, for after a colon: "Unit web.service not found." Never NULL; what came
 * over the bus is made safe for a terminal. Valid until the next call. */
const char *bus_error(const struct bus *bus);

/* Somebody has the name; or would be started for it when CAN_START. -ENOENT: nobody. */
int bus_has_name(struct bus *bus, const char *name, bool can_start);
