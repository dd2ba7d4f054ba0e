#include "engine/devices.h"

#include <errno.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "kernel/device-filter.h"
#include "kernel/namespace.h"
#include "kernel/probe.h"
#include "machine/limits.h"
#include "plan/plan.h"

/* A container without its terminals could not even start. */
#define TERMINALS "c 5:2 rwm, c 136-143:* rw"

/* What DevicePolicy=closed leaves besides: null, zero, full, random, urandom, tty. */
#define CLOSED "c 1:3 rwm, c 1:5 rwm, c 1:7 rwm, c 1:8 rwm, c 1:9 rwm, c 5:0 rwm, " TERMINALS

static const char *planned_rules(const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].kind == STEP_DEVICE_FILTER)
			return plan->steps[i].data;
	return NULL;
}

int devices_restrict(const struct plan *plan, const struct limits *limits, int cgroup_fd)
{
	const char *rules = planned_rules(plan), *cause;
	autoarena struct arena arena = { 0 };
	int r;

	if (limits->strict)
		rules = TERMINALS;
	else if (limits->devices && rules == NULL)
		rules = CLOSED;
	if (limits->devices && *limits->device_rules != '\0')
		rules = arena_format(&arena, "%s, %s", rules, limits->device_rules);
	if (rules == NULL)
		return 0;
	r = device_filter_attach(cgroup_fd, rules);
	if (r >= 0)
		return 0;
	/* In a user namespace no file system of ours or of the tree has usable device nodes anyway.
	 */
	if (r == -EPERM && !limits->devices && !namespace_is_initial_user())
		return 0;
	fail(r, "cannot restrict which devices the container may open");
	cause = probe_cause(PROBE_DEVICE_FILTER, r);
	if (cause != NULL)
		fail_hint("%s", cause);
	return r;
}
