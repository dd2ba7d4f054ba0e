/* engine/journal - --link-journal=: the host's view of the container's journal.
 *
 * Reference 9.3. Decided once the tree's machine id is known; the host side
 * (a symbolic link or a directory in /var/log/journal) is made before the
 * tree is assembled, the bind is a step of the plan. Speaking. Supervisor.
 */
#pragma once
#include "plan/plan.h"

struct arena;
struct root;

/* Fill host->journal_exists and host->journal_machine, refuse what cannot be. Does nothing, not
 * even a system call, when no link was asked for. May find that a "try" mode must be left out:
 * then *ret_skip is true. */
int journal_gather(struct arena *arena, struct host *host, bool *ret_skip, const struct spec *spec,
		   const struct root *root);

/* Host side of STEP_JOURNAL_LINK. *ret_bind: the host directory to bind at /var/log/journal/ID in
 * the container, or NULL when there is none (guest). */
int journal_link(struct arena *arena, const char **ret_bind, const struct spec *spec,
		 const struct root *root);
