/* Start, stop, and whether it runs.
 *
 * Who starts a container holds its lock, so that nobody changes or removes it meanwhile. Who ends
 * one needs none: a start that hangs could not be ended otherwise.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "bus/client.h"
#include "bus/systemd.h"
#include "declare/nixos-started.h"
#include "io/fd.h"
#include "io/settings.h"
#include "machine/detach.h"
#include "machine/find.h"
#include "machine/power.h"
#include "prog/nixos-container/build.h"
#include "prog/nixos-container/nixos-container.h"
#include "prog/nixos-container/power.h"

#define BUS_OPEN_MS 5000

static int open_manager(const struct context *context, struct manager *ret)
{
	return manager_open(context->arena, ret, context->runtime, context->program.environment);
}

/* Names are anybody's: what makes a machine this container is its tree, or where that was left
 * alone the one that it began as, or the unit. One that is just starting may not have noted any. */
static bool is_its(struct arena *arena, const struct machine *machine,
		   const struct nixos *container)
{
	const char *unit = arena_format(arena, "container@%s.service", container->name);
	const char *origin = machine_note(machine, RECORD_ORIGIN), *root = container->root;
	char real[PATH_MAX];

	if (realpath(container->root, real) != NULL)
		root = real;
	if (origin != NULL && strchr(origin, ' ') != NULL)
		origin = strchr(origin, ' ') + 1;
	return text_empty(machine->root) || text_equal(machine->root, root) ||
	       text_equal(machine->root, container->root) || text_equal(origin, root) ||
	       text_equal(machine->unit, unit);
}

/* -ENXIO (nothing recorded): it does not run. -EEXIST: another one of its name does. */
static int open_machine(const struct context *context, struct machine *ret,
			const struct nixos *container)
{
	int r = machine_open(context->arena, ret, context->runtime, container->name);

	if (r == -ENXIO)
		fail_forget();
	if (r >= 0 && !is_its(context->arena, ret, container))
		return fail_plain(-EEXIST,
				  "cannot go on with container '%s': the machine of that name that "
				  "runs is another one, from '%s' (stop that with machinectl)",
				  container->name, ret->root);
	return r;
}

/* ---- what it does ---- */

int power_is_running(const struct context *context, const struct nixos *container)
{
	struct machine machine;
	int r = open_machine(context, &machine, container);

	return r == -ENXIO ? 0 : r < 0 ? r : 1;
}

int power_refuse_stranger(const struct context *context)
{
	int r = power_is_running(context, &context->container);

	return r < 0 ? r : 0;
}

static bool is_up(const struct context *context, const struct nixos *container)
{
	struct machine machine;

	if (open_machine(context, &machine, container) < 0) {
		fail_forget();
		return false;
	}
	/* Who supervises it has not heard yet that it is ready. */
	if (machine.state == MACHINE_OPENING ||
	    detach_is_ready(context->runtime, container->name) == 0)
		return false;
	return machine_note(&machine, RECORD_STOPPING) == NULL;
}

/* "active"; NULL: no systemd tells. Nobody has to be root to ask. */
static char *state_of_unit(const struct context *context, const char *name)
{
	const char *unit = arena_format(context->arena, "container@%s.service", name);
	struct bus *bus = NULL;
	char *state = NULL;

	if (systemd_is_running() && bus_open(&bus, BUS_SYSTEM, BUS_OPEN_MS) >= 0)
		(void)systemd_unit_property(context->arena, &state, bus, unit, "ActiveState");
	(void)bus_close(bus);
	return state;
}

const char *power_status(const struct context *context, const struct nixos *container)
{
	const char *state = state_of_unit(context, container->name);

	if (state != NULL && !text_equal(state, "inactive"))
		return text_equal(state, "active") ? "up" : "down";
	/* What runs is noted where only root may read. */
	if (geteuid() != 0)
		return state != NULL ? "down" : NULL;
	return is_up(context, container) ? "up" : "down";
}

int power_refuse_running(const struct context *context, const char *verb)
{
	int r = power_is_running(context, &context->container);

	if (r <= 0)
		return r;
	return fail_plain(-EBUSY, "cannot %s container '%s': it is running (try 'stop %s')", verb,
			  context->name, context->name);
}

/* ---- its end ---- */

/* By whoever started it; by hand: nobody to ask but the machine itself. */
static int stop(const struct context *context)
{
	struct manager manager CLEANUP(manager_done) = { 0 };
	struct machine machine;
	int r = power_refuse_stranger(context);

	if (r >= 0)
		r = open_manager(context, &manager);
	if (r < 0)
		return r;
	r = manager_stop(context->arena, &manager, context->name);
	if (r != -ENXIO)
		return r;
	r = open_machine(context, &machine, &context->container);
	if (r == -ENXIO)
		return 0;
	return r < 0 ? r : power_stop(context->arena, &machine, context->program.environment);
}

/* Its service has failed by that, and would be started again: it is stopped as well. The supervisor
 * of our own only has to be waited for. */
static int end_service(const struct context *context)
{
	struct manager manager CLEANUP(manager_done) = { 0 };
	int r = open_manager(context, &manager);

	if (r >= 0) {
		r = manager_stop(context->arena, &manager, context->name);
		if (r == -ENXIO)
			r = 0;
	}
	return r < 0 ? r : 0;
}

int power_end(const struct context *context)
{
	struct machine machine;
	int r = open_machine(context, &machine, &context->container);

	if (r == -ENXIO)
		return end_service(context);
	if (r >= 0)
		r = power_terminate(context->arena, &machine);
	return r < 0 ? r : end_service(context);
}

/* ---- at boot ---- */

static int set_at_boot(const struct context *context, const struct manager *manager, bool start)
{
	struct text_list unused = { 0 };

	if (manager->kind == MANAGER_SYSTEMD)
		return systemd_reload(manager->bus);
	return start ? manager_enable(context->arena, manager, context->name, &unused)
		     : manager_disable(context->arena, manager, context->name, &unused);
}

void power_at_boot(const struct context *context, bool start)
{
	struct manager manager CLEANUP(manager_done) = { 0 };
	int r = open_manager(context, &manager);

	if (r >= 0)
		r = set_at_boot(context, &manager, start);
	if (r < 0) {
		fail_in(r, "cannot tell whoever starts container '%s' at boot", context->name);
		log_warning("%s, going on without", fail_recorded()->text);
		fail_forget();
	}
}

/* ---- verbs ---- */

/* A flake that was never built: a service has less time, and none for a lock that is ours. */
static int build_first(const struct context *context)
{
	const struct nixos *container = &context->container;
	struct stat st;
	int r;

	if (nixos_conf_value(&container->conf, NIXOS_CONF_FLAKE) == NULL ||
	    nixos_conf_value(&container->conf, NIXOS_CONF_SYSTEM_PATH) != NULL ||
	    lstat(container->system, &st) == 0)
		return 0;
	r = build_make_places(context, container);
	return r < 0 ? r : build(context, container, false);
}

static int start(const struct context *context)
{
	struct manager manager CLEANUP(manager_done) = { 0 };
	int running = power_is_running(context, &context->container);
	int r = running;

	if (r >= 0)
		r = nixos_refuse_applied(context->arena, &context->container, "start");
	if (r >= 0)
		r = nixos_check(context->arena, &context->container);
	if (r >= 0)
		r = build_first(context);
	if (r >= 0)
		r = open_manager(context, &manager);
	if (r < 0)
		return r;
	if (manager.kind != MANAGER_SYSTEMD && running > 0)
		return 0;
	return manager_start(context->arena, &manager, context->name);
}

int power_restart(const struct context *context)
{
	int r = stop(context);

	return r < 0 ? r : start(context);
}

int power_strategy(const struct context *context)
{
	const char *wanted = context->options.strategy;
	struct nixos_started_difference differs;
	struct settings companion;
	int r;

	if (text_equal(wanted, "none"))
		return POWER_NOTHING;
	if (text_equal(wanted, "restart"))
		return POWER_RESTART;
	if (text_equal(wanted, "reload"))
		return POWER_RELOAD;
	r = nixos_companion(context->arena, &companion, &context->container);
	if (r < 0)
		return r;
	if (!nixos_started_differs(context->arena, &differs, &context->container, &companion,
				   context->runtime))
		return POWER_RELOAD;
	log_info("%s of '%s' is not what container '%s' was started with", differs.what,
		 differs.path, context->name);
	return POWER_RESTART;
}

int verb_start(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	autoclose int held = -EBADF;
	int r = context_lock(context, &held);

	(void)words;
	return r < 0 ? r : start(context);
}

int verb_stop(void *context, const struct text_list *words)
{
	(void)words;
	return stop(context);
}

int verb_restart(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	autoclose int held = -EBADF;
	int r = context_lock(context, &held);

	(void)words;
	return r < 0 ? r : power_restart(context);
}

int verb_terminate(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	int r = power_is_running(context, &context->container);

	(void)words;
	if (r == 0)
		return fail_plain(-ENXIO, "cannot terminate container '%s': it is not running",
				  context->name);
	return r < 0 ? r : power_end(context);
}
