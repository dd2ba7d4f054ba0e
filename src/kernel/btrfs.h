/* kernel/btrfs - subvolumes and snapshots. Quiet. Any process; making a snapshot of others' files
 * needs root. Source of the calls: linux/btrfs.h. */
#pragma once
#include <stdbool.h>

/* FD (O_PATH is enough) is the top of a subvolume. */
bool btrfs_is_subvolume(int fd);

/* Snapshot of the subvolume at SOURCE_FD (not O_PATH) as NAME below PARENT_FD, with those nested in
 * it, but for temporary ones (".#…"). -EXDEV: another file system. What was made stays there when
 * it fails half-way. */
int btrfs_snapshot(int parent_fd, const char *name, int source_fd);

/* The one subvolume that FD (not O_PATH) is the top of. */
int btrfs_set_read_only(int fd, bool read_only);
int btrfs_is_read_only(int fd); /* 1, 0 or a negative errno */
