/* plan/devices - what is in /dev, and which devices may be opened at all. Pure. */
#pragma once

struct planner;

/* Nodes, links and the container's own devpts; /dev is mounted. */
void devices_add(struct planner *p);

/* Before the payload exists: without a user namespace the cgroup decides what may be opened. */
void devices_filter(struct planner *p);

/* --console=: the pty, and /dev/console. */
void devices_console(struct planner *p);
