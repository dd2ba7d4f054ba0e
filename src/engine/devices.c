#include "engine/devices.h"

#include <errno.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "kernel/device-filter.h"
#include "kernel/namespace.h"
#include "kernel/probe.h"
#include "machine/limits.h"
#include "plan/plan.h"
#include "spec/spec.h"

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

/* Where a service manager has them as well: what it allows, our own filter must allow, too. */
static int read_wishes(struct arena *arena, struct limits *ret, const struct spec *spec)
{
	const struct text_list *said[] = { &spec->service, &spec->properties };
	struct text_list wishes = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(said) && !spec->keep_unit; i++)
		for (size_t j = 0; j < said[i]->count; j++)
			if (text_after(said[i]->items[j], "Device") != NULL)
				text_list_add(arena, &wishes, said[i]->items[j]);
	return limits_read(arena, ret, &wishes);
}

int devices_restrict(const struct plan *plan, const struct spec *spec, int cgroup_fd)
{
	const char *rules = planned_rules(plan), *cause;
	autoarena struct arena arena = { 0 };
	struct limits wishes;
	int r;

	r = read_wishes(&arena, &wishes, spec);
	if (r < 0)
		return r;
	if (wishes.strict)
		rules = TERMINALS;
	else if (wishes.devices && rules == NULL)
		rules = CLOSED;
	if (rules == NULL)
		return 0;
	if (*wishes.device_rules != '\0')
		rules = arena_format(&arena, "%s, %s", rules, wishes.device_rules);
	r = device_filter_attach(cgroup_fd, rules);
	if (r >= 0)
		return 0;
	/* In a user namespace no file system of ours or of the tree has usable device nodes anyway.
	 * In a container without one, which may not use BPF, that container's own filter is asked
	 * about all that is in it. */
	if (r == -EPERM && !wishes.devices &&
	    (!namespace_is_initial_user() || device_filter_is_there()))
		return 0;
	fail(r, "cannot restrict which devices the container may open");
	cause = probe_cause(PROBE_DEVICE_FILTER, r);
	if (cause != NULL)
		fail_hint("%s", cause);
	return r;
}
