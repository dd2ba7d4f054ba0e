/* engine/host - what the host is, as far as the spec asks.
 *
 * Nothing is looked at that no option of SPEC needs. Device numbers are the
 * kernel's assigned ones (Documentation/admin-guide/devices.txt), so no host
 * node is trusted or looked up for them. The journal's facts are filled by
 * engine/journal, once the machine id is known. Supervisor, before planning.
 */
#pragma once
#include "plan/plan.h"

struct arena;

/* ENVIRONMENT is NULL-terminated and must live as long as *ret. */
int host_gather(struct arena *arena, struct host *ret, const struct spec *spec,
		const char *const *environment);
