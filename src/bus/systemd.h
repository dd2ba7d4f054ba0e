/* bus/systemd - the host's service manager: units, their jobs and properties, a scope for a
 * machine.
 *
 * Each function that starts a job waits until the job is done or TIMEOUT_MS is over (-ETIMEDOUT;
 * the job goes on). -EPROTO: the job ended otherwise than "done"; bus_error() says how. -ENOENT: no
 * such unit. -EEXIST: one of this name is there. -EPERM: refused. Quiet; see bus_error().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct bus;

/* systemd is PID 1 of this host. No bus is needed to ask. */
bool systemd_is_running(void);

int systemd_start_unit(struct bus *bus, const char *unit, int timeout_ms);
/* ALONE: units that require it go on, since it is about to start again. Those that are bound to it
 * do so only if it restarts. */
int systemd_stop_unit(struct bus *bus, const char *unit, bool alone, int timeout_ms);
int systemd_restart_unit_alone(struct bus *bus, const char *unit, int timeout_ms);

/* What enabling changed on disk: LINK was made to point to TARGET, or was removed (TARGET ""). */
struct systemd_change {
	const char *type; /* "symlink", "unlink", or an error's name */
	const char *link, *target;
};

struct systemd_changes {
	struct systemd_change *items;
	size_t count;
	bool has_install; /* of enabling: the units have an [Install] section */
};

/* The service manager does not see the change before systemd_reload(). */
int systemd_enable_units(struct arena *arena, struct systemd_changes *ret, struct bus *bus,
			 const char *const *units, size_t count, bool runtime, bool force);
int systemd_disable_units(struct arena *arena, struct systemd_changes *ret, struct bus *bus,
			  const char *const *units, size_t count, bool runtime);
int systemd_reload(struct bus *bus);

/* PROPERTIES are texts for property_parse(). -EINVAL: one is not; bus_error() names it. RUNTIME:
 * until the next boot only. */
int systemd_set_properties(struct bus *bus, const char *unit, bool runtime,
			   const char *const *properties, size_t count);

/* Any property of the unit that is a string, a number or a boolean, as text: "ActiveState",
 * "ControlGroup", "MainPID", "MemoryCurrent". A unit that is not loaded is: "inactive" it is.
 * -ENOENT: no such property. */
int systemd_unit_property(struct arena *arena, char **ret, struct bus *bus, const char *unit,
			  const char *name);

/* Move a process of the caller's into SUBGROUP ("/payload") of the unit's delegated cgroup: a user
 * cannot do that from without the user's own part of the tree. */
int systemd_attach(struct bus *bus, const char *unit, const char *subgroup, pid_t pid);

struct systemd_scope {
	const char *name;	 /* "web.scope" */
	const char *slice;	 /* NULL: machine.slice */
	const char *description; /* NULL: the name */
	const pid_t *pids;	 /* alive, and not waited for until the answer is there */
	size_t pid_count;
	const char *const *properties; /* for property_parse(); the last one wins */
	size_t property_count;
	bool delegate;
};

/* Ask for the scope and return at once; the answer is for systemd_await_scope(). -EINVAL: a
 * property; bus_error() names it. */
int systemd_request_scope(struct bus *bus, const struct systemd_scope *scope);

/* Wait until the scope is there and the processes are in it. */
int systemd_await_scope(struct bus *bus, int timeout_ms);

/* For who asked for a scope, when bus_fd() is readable: 1: systemd wants it to stop, and waits for
 * us to end it. Never waits. Negative: the connection is lost. */
int systemd_stop_requested(struct bus *bus);
