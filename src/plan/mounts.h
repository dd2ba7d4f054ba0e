/* plan/mounts - the user's --bind*, --tmpfs, --overlay* and --inaccessible. Pure. */
#pragma once

struct planner;

/* Those with the destination "/": before everything else in the tree. */
int mounts_root(struct planner *p);

/* All others. What goes below /proc is staged, because /proc is mounted by the payload. */
int mounts_host(struct planner *p);

/* The staged ones. */
int mounts_payload(struct planner *p);
