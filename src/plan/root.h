/* plan/root - the tree that becomes "/": owners, volatile and ephemeral forms, the directories
 * every tree must have, read-only. Pure. */
#pragma once

struct planner;

/* The locks and the copy, before the payload exists. */
void root_before(struct planner *p);

/* Everything up to the tree being as the container will see it, without what is mounted in it. */
int root_host(struct planner *p);
