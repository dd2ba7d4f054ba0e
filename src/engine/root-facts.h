/* engine/root-facts - what planning needs to know about the tree.
 *
 * All is looked up below the tree's descriptor. Speaking. Supervisor.
 */
#pragma once
#include "plan/plan.h"

struct arena;

/* TOP_FD: what becomes "/" (the tree, or --pivot-root='s part of it). Leaves out path, program and
 * the snapshot's facts. */
int root_facts_gather(struct arena *arena, struct root_facts *facts, int top_fd,
		      const struct spec *spec, const struct host *host);

/* Is it an OS tree, for --boot by its os-release, else by /usr? PATH is for the sentence. */
int root_facts_check(int top_fd, const char *path, const struct spec *spec);
