/* plan/api-fs - the file systems that every container has: /tmp /sys /dev /run from the host's
 * side, /proc and what covers parts of it, cgroup2 and mqueue from the payload's. Pure. */
#pragma once

struct planner;

void api_fs_host(struct planner *p);

/* After all else of the host side: what the payload needs to be allowed to mount. */
void api_fs_pins(struct planner *p);

void api_fs_payload(struct planner *p);
