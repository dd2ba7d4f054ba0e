/* plan/devices - what is in /dev, and which devices may be opened at all. Pure. */
#pragma once

#include <stdint.h>

struct planner;

/* Nodes, links and the container's own devpts; /dev is mounted. */
void devices_add(struct planner *p);

/* Before the payload exists: without a user namespace the cgroup decides what may be opened. */
void devices_filter(struct planner *p);

/* Of KEPT, what may be kept: where nothing restricts the devices, whoever can make a node has every
 * disk of the host. Only who asks for CAP_MKNOD gets it then. */
uint64_t devices_safe_capabilities(const struct planner *p, uint64_t kept);

/* --console=: the pty, and /dev/console. */
void devices_console(struct planner *p);
