#include "engine/devices.h"

#include <errno.h>

#include "base/fail.h"
#include "kernel/device-filter.h"
#include "kernel/namespace.h"
#include "kernel/probe.h"
#include "plan/plan.h"

int devices_restrict(const struct plan *plan, int cgroup_fd)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct step *step = &plan->steps[i];
		const char *cause;
		int r;

		if (step->kind != STEP_DEVICE_FILTER)
			continue;
		r = device_filter_attach(cgroup_fd, step->data);
		if (r >= 0)
			return 0;
		/* In a user namespace no file system of ours or of the tree has usable device nodes
		 * anyway. */
		if (r == -EPERM && !namespace_is_initial_user())
			return 0;
		fail(r, "cannot restrict which devices the container may open");
		cause = probe_cause(PROBE_DEVICE_FILTER, r);
		if (cause != NULL)
			fail_hint("%s", cause);
		return r;
	}
	return 0;
}
