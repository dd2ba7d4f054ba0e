/* engine/adopt - a new supervisor for a machine whose own has died: see engine/keep.
 * Runs in: the new supervisor. Speaking. */
#pragma once

struct container;

/* CONTAINER is fresh; its network is served when we return. After a failure the machine is as it
 * was. */
int adopt(struct container *container, const char *runtime, const char *name,
	  const char *const *environment);
