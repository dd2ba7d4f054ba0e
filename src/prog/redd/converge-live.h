/* prog/redd/converge-live - what can be changed in a machine while it runs: resource limits, ports,
 * names, credentials, the host's part of the network, binds that are added. Speaking. */
#pragma once
#include <stdbool.h>

struct arena;
struct compare;
struct definition;
struct machine;
struct text_list;

/* All of it can. Quiet. */
bool converge_live_can(const struct compare *changes);

/* It gives up ports or names, which another machine may take. Quiet. */
bool converge_live_frees(const struct compare *changes);

/* Before converge_live(): ports and names that it has no more. */
int converge_live_free(struct arena *arena, const struct machine *machine,
		       const struct definition *had, const struct definition *wanted,
		       const struct compare *changes);

/* From HAD to WANTED, of which an interrupted one may have done any part. LIMITED: limits are set
 * even if no other ones are wanted. */
int converge_live(struct arena *arena, const struct machine *machine, const struct definition *had,
		  const struct definition *wanted, const struct compare *changes, bool limited);

/* Limits of the running machine that are not what its definition says: for each its name, what was
 * said, and what is. MENDABLE: only those that converge_live() brings back. */
int converge_live_drift(struct arena *arena, struct text_list *ret, const struct machine *machine,
			const struct definition *had, bool mendable);
