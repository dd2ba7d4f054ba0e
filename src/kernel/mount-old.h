/* kernel/mount-old - what mount_setattr(2) does, by mount(2). For kernel/mount alone.
 *
 * Before Linux 5.12, or where a filter denies the newer call. Slow, needs /proc and a mount
 * namespace of our own with private propagation. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* mount(2) changes attached mounts only. A detached tree is attached over what nobody looks up,
 * changed, and cloned again: tree_fd is the clone then, still detached. */
int mount_old_restrict(int tree_fd, uint64_t set, uint64_t clear, bool recursive);
