/* engine/limits - --property= where no service manager makes a scope with it.
 *
 * Set on the machine's own cgroup, above the payload's, before anything runs in it. A property that
 * cannot be honoured keeps the container from starting; a line of [X-Service] is a warning then.
 * Supervisor. Speaking.
 */
#pragma once
#include <stdbool.h>

struct resources;
struct spec;

/* After cgroups_take() chose (and, unless DRY, made) the cgroup. What was said about devices is
 * left in resources->limits, for devices_restrict(). */
int limits_take(struct resources *resources, const struct spec *spec, bool dry);
