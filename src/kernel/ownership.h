/* kernel/ownership - a tree of files is given to a range of ids (reference, section 6.4, "chown").
 *
 * Every inode's owner and group become BASE + their low 16 bits, also in POSIX ACLs and file
 * capabilities; modes stay as they are. No link is followed, nothing is looked up twice by name.
 * Supervisor, root, with the tree locked. Needs /proc. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Mark of a tree whose change was interrupted: its top belongs to this range meanwhile. */
#define OWNERSHIP_BUSY_BASE 0xFFFE0000u

/* The tree at dir_fd (O_PATH is enough). 1: changed; 0: its top was in the range already, and so
 * the rest is taken to be. File systems below it that are read-only or the kernel's own (proc,
 * sysfs, cgroup, …) are left out; so are single inodes that are read-only.
 * -EOPNOTSUPP: BASE is no multiple of 65536, or RANGE not 65536. -EBADE: owner and group of the
 * top are of different ranges. */
int ownership_shift(int dir_fd, uint32_t base, uint32_t range);

/* Pure: whether the tree with this top has to be changed, as above: 1, 0 or a negative errno. */
int ownership_needs_shift(uid_t top_uid, gid_t top_gid, uint32_t base, uint32_t range);
