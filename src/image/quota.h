/* image/quota - how much room a tree takes, and how much it may.
 *
 * Of a btrfs subvolume by its quota group; of a directory on ext4 and xfs by its project, where the
 * file system counts those. Speaking, but for reading. Any process; root, as the kernel tells and
 * takes limits from nobody else.
 */
#pragma once
#include <stdint.h>

#define QUOTA_UNLIMITED UINT64_MAX

struct quota {
	uint64_t usage, usage_exclusive; /* bytes */
	uint64_t limit, limit_exclusive; /* QUOTA_UNLIMITED */
};

/* Of the directory at FD (not O_PATH). A negative errno: nobody counts there. Quiet. */
int quota_read(struct quota *ret, int fd);

/* PATH is for sentences. QUOTA_UNLIMITED: no limit any more. A directory without a project gets one
 * of its own with all that is in it, which takes as long as looking at each file. */
int quota_limit(int fd, const char *path, uint64_t bytes);

/* A new subvolume at FD counts to the directory of images that it lies in, where that is limited.
 * SOURCE_FD: it is a snapshot of that; or negative. Quiet. */
void quota_join(int fd, int source_fd);

/* Remove the tree NAME, or file. First it counts to nothing any more: on btrfs even removing needs
 * room below a limit. Quiet. */
int quota_remove_all(int dir_fd, const char *name);

/* What to forget once the tree is gone; quiet. */
struct quota_trace {
	uint64_t group;	  /* of btrfs; 0: nothing */
	uint32_t project; /* 0: nothing */
};
void quota_remember(struct quota_trace *ret, int fd);
void quota_forget(const struct quota_trace *trace, int parent_fd);
