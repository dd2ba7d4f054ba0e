/* engine/scope - on a systemd host, a unit of its own for the payload.
 *
 * systemd is asked for the scope as soon as there is a payload to put into it, and makes it while
 * the tree is assembled; only then its answer is waited for. Where there is no scope to be had, the
 * payload goes below the caller's own cgroup, unless the user asked for what only a scope can give.
 * Runs in: supervisor. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct resources;
struct spec;

/* Whether there will be one: its path in *RET, below the v2 hierarchy, and a connection that is
 * begun (not with DRY). 0: there is none for us. */
int scope_plan(struct resources *resources, const char **ret, const struct spec *spec,
	       unsigned int uid, bool dry);

/* Ask for it; a failure is kept for scope_enter(). */
void scope_request(struct resources *resources, const struct spec *spec, pid_t pid);

/* The connection that systemd knows as the scope's controller, to be kept open: it asks us, and not
 * the payload, for an orderly end. -EBADF: there is none. */
int scope_connection(const struct resources *resources);

/* When that is readable. 1: the scope of MACHINE is to stop, and systemd waits for us to end it.
 * Negative: the connection is lost. Quiet. */
int scope_hear(struct resources *resources, const char *machine);

/* Wait for it, and make the payload's cgroup in it, with PID inside. */
int scope_enter(struct resources *resources, const struct spec *spec, pid_t pid);
