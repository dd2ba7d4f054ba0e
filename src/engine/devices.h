/* engine/devices - without a user namespace: which device nodes the payload may open (class S34).
 * Runs in: supervisor, before the payload exists. Speaking. */
#pragma once

struct plan;
struct spec;

/* Attach the filter of STEP_DEVICE_FILTER, if the plan has one, with what --property= says of
 * devices, to the payload's cgroup.
 * 0, also when none is needed (no such step; inside of a user namespace of somebody else's that
 * forbids it); else a negative errno, with the sentence and its likely cause recorded. */
int devices_restrict(const struct plan *plan, const struct spec *spec, int cgroup_fd);
