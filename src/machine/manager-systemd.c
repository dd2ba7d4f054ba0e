#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "bus/client.h"
#include "bus/systemd.h"
#include "machine/manager-kinds.h"
#include "machine/manager.h"

/* systemd ends each job when the unit's own time is over, and tells why: that may be any. */
#define JOB_MS (24 * 3600 * 1000)

static char *unit_of(struct arena *arena, const char *name)
{
	return arena_format(arena, "container@%s.service", name);
}

static int refuse(struct arena *arena, const struct manager *manager, int code, const char *verb,
		  const char *name)
{
	const char *unit = unit_of(arena, name);

	if (code == -ENOENT)
		return fail_plain(
			code,
			"cannot %s machine '%s': the host's systemd does not know the unit "
			"'" MANAGER_UNIT "' (try installing Redd)",
			verb, name);
	/* That is a condition's. */
	code = code == -ECANCELED ? -EIO : code;
	return fail_plain(code, "cannot %s machine '%s': %s (see systemctl %sstatus %s)", verb,
			  name, bus_error(manager->bus), geteuid() == 0 ? "" : "--user ", unit);
}

/* A NixOS container's unit is made from its conf by our generator, which systemd runs when it is
 * told to look again: if the conf is newer than that, it has to be. */
static int await_unit(struct arena *arena, const struct manager *manager, const char *name)
{
	const char *conf = manager_nixos_conf(arena, name);
	const char *unit = unit_of(arena, name);
	char *source, *changed;
	int r;

	if (conf == NULL)
		return 0;
	r = systemd_unit_property(arena, &source, manager->bus, unit, "SourcePath");
	if (r >= 0 && text_equal(source, conf))
		r = systemd_unit_property(arena, &changed, manager->bus, unit, "NeedDaemonReload");
	else
		changed = NULL;
	if (r >= 0 && text_equal(changed, "no"))
		return 0;
	return systemd_reload(manager->bus);
}

/* For systemd such a job is done. */
static int check_condition(struct arena *arena, const struct manager *manager, const char *name)
{
	const char *unit = unit_of(arena, name);
	char *met;

	if (systemd_unit_property(arena, &met, manager->bus, unit, "ConditionResult") < 0 ||
	    !text_equal(met, "no"))
		return 0;
	return fail_plain(-ECANCELED,
			  "cannot start machine '%s': a condition of '%s' is not met (see "
			  "systemctl status)",
			  name, unit);
}

int manager_systemd_start(struct arena *arena, const struct manager *manager, const char *name)
{
	int r = await_unit(arena, manager, name);

	if (r >= 0)
		r = systemd_start_unit(manager->bus, unit_of(arena, name), JOB_MS);
	return r < 0 ? refuse(arena, manager, r, "start", name)
		     : check_condition(arena, manager, name);
}

static bool is_active(struct arena *arena, const struct manager *manager, const char *unit)
{
	char *state;

	return systemd_unit_property(arena, &state, manager->bus, unit, "ActiveState") >= 0 &&
	       !text_equal(state, "inactive") && !text_equal(state, "failed");
}

static int stop(struct arena *arena, const struct manager *manager, const char *name, bool alone)
{
	const char *unit = unit_of(arena, name);
	int r;

	if (!is_active(arena, manager, unit))
		return -ENXIO;
	r = systemd_stop_unit(manager->bus, unit, alone, JOB_MS);
	return r < 0 ? refuse(arena, manager, r, "stop", name) : 0;
}

int manager_systemd_restart(struct arena *arena, const struct manager *manager, const char *name)
{
	const char *unit = unit_of(arena, name);
	int r;

	if (!is_active(arena, manager, unit))
		return -ENXIO;
	r = systemd_restart_unit_alone(manager->bus, unit, JOB_MS);
	return r < 0 ? refuse(arena, manager, r, "restart", name)
		     : check_condition(arena, manager, name);
}

int manager_systemd_stop(struct arena *arena, const struct manager *manager, const char *name)
{
	return stop(arena, manager, name, false);
}

int manager_systemd_stop_alone(struct arena *arena, const struct manager *manager, const char *name)
{
	return stop(arena, manager, name, true);
}

static void describe(struct arena *arena, struct text_list *lines,
		     const struct systemd_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct systemd_change *change = &changes->items[i];
		const char *link = change->link, *target = change->target;

		if (text_equal(change->type, "symlink"))
			text_list_add(arena, lines,
				      arena_format(arena, "Created symlink %s → %s.", link,
						   target));
		else if (text_equal(change->type, "unlink"))
			text_list_add(arena, lines, arena_format(arena, "Removed \"%s\".", link));
	}
}

int manager_systemd_enable(struct arena *arena, const struct manager *manager, const char *name,
			   struct text_list *ret_lines)
{
	const char *const target[] = { "machines.target" };
	const char *const unit[] = { unit_of(arena, name) };
	struct systemd_changes changes = { 0 };
	int r;

	/* Where the distribution does not have it, the unit is wanted by another target. */
	r = systemd_enable_units(arena, &changes, manager->bus, target, 1, false, false);
	if (r >= 0)
		describe(arena, ret_lines, &changes);
	r = systemd_enable_units(arena, &changes, manager->bus, unit, 1, false, false);
	if (r < 0)
		return refuse(arena, manager, r, "enable", name);
	describe(arena, ret_lines, &changes);
	r = systemd_reload(manager->bus);
	return r < 0 ? refuse(arena, manager, r, "enable", name) : 0;
}

int manager_systemd_disable(struct arena *arena, const struct manager *manager, const char *name,
			    struct text_list *ret_lines)
{
	const char *const unit[] = { unit_of(arena, name) };
	struct systemd_changes changes = { 0 };
	int r = systemd_disable_units(arena, &changes, manager->bus, unit, 1, false);

	if (r < 0)
		return refuse(arena, manager, r, "disable", name);
	describe(arena, ret_lines, &changes);
	r = systemd_reload(manager->bus);
	return r < 0 ? refuse(arena, manager, r, "disable", name) : 0;
}
