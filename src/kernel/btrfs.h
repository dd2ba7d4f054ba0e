/* kernel/btrfs - subvolumes and snapshots. Quiet. Any process; making a snapshot of others' files
 * needs root. Source of the calls: linux/btrfs.h. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* FD (O_PATH is enough) is the top of a subvolume. */
bool btrfs_is_subvolume(int fd);

/* Snapshot of the subvolume at SOURCE_FD (not O_PATH) as NAME below PARENT_FD, with those nested in
 * it, but for temporary ones (".#…"). -EXDEV: another file system. What was made stays there when
 * it fails half-way. */
int btrfs_snapshot(int parent_fd, const char *name, int source_fd);

/* An empty subvolume NAME below PARENT_FD. -ENOTTY: no btrfs. */
int btrfs_make(int parent_fd, const char *name);

/* The one subvolume that FD (not O_PATH) is the top of. */
int btrfs_set_read_only(int fd, bool read_only);
int btrfs_is_read_only(int fd); /* 1, 0 or a negative errno */

/* When the subvolume was made and last changed, since 1970. For whoever may open it; Linux 4.18. */
struct btrfs_times {
	uint64_t created_us, modified_us;
};
int btrfs_times(int fd, struct btrfs_times *ret);

#define BTRFS_UNLIMITED UINT64_MAX

/* What its quota group counts, in bytes: of a group for the whole subtree, if there is one
 * ("1/ID" above "0/ID"), else of the subvolume alone. Root only. -ENOENT: quotas are off. */
struct btrfs_quota {
	uint64_t group;
	uint64_t referenced, exclusive;
	uint64_t referenced_limit, exclusive_limit;
};
int btrfs_quota_read(int fd, struct btrfs_quota *ret);

/* Let the group count and limit what is referenced; BTRFS_UNLIMITED. -ENOTCONN: quotas are off. */
int btrfs_quota_limit(int fd, uint64_t group, uint64_t bytes);

/* For the whole file system. It counts what is there in the background. */
int btrfs_quota_enable(int fd);

/* Count all of the file system anew, in the background. */
int btrfs_quota_rescan(int fd);

#define BTRFS_SUBTREE_LEVEL UINT64_C(255) /* as systemd's own tools make them */

/* The subvolume and all that are nested in it count to *GROUP; 0: to the one for its subtree, which
 * is made if there is none. > 0: what it counts is true after btrfs_quota_rescan() only. */
int btrfs_quota_gather(int fd, uint64_t *group);

/* The new subvolume belongs to the group of that which it lies in, if there is such a one:
 * likewise.
 */
int btrfs_quota_join(int fd);

/* Out of all groups, with what is nested in it: where one has reached its limit, nothing can be
 * removed. Likewise. */
int btrfs_quota_release(int fd);

/* It counts to a group of several. A snapshot of such a one makes the kernel stop counting until
 * btrfs_quota_rescan(). */
bool btrfs_quota_is_member(int fd);

/* Forget the group of a subvolume that is gone, or that for its subtree; FD: anything on the file
 * system. > 0: as above. */
int btrfs_quota_forget(int fd, uint64_t group);
