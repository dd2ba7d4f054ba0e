/* image/snapshot - a throw-away or a first version of a tree.
 *
 * Ephemeral: a btrfs snapshot where the tree is a subvolume, else an overlay
 * whose read-only layer is the original: both are instant, and several may
 * come from one tree at once. Template: a btrfs snapshot or a full copy (with
 * shared blocks where the file system can), since it stays. The paths are
 * planned first, so that they can be recorded before anything is made.
 * Speaking. Supervisor.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>

struct arena;

enum snapshot_rung { SNAPSHOT_NONE, SNAPSHOT_BTRFS, SNAPSHOT_OVERLAY, SNAPSHOT_COPY };

struct snapshot {
	int parent_fd;	  /* directory that holds it */
	const char *name; /* below parent_fd; removed by snapshot_done() */
};

#define SNAPSHOT_EMPTY              \
	{                           \
		.parent_fd = -EBADF \
	}

/* True: a btrfs snapshot of the tree is possible. */
bool snapshot_can_btrfs(int tree_fd);

/* Where the ephemeral snapshot of TREE will be: hidden beside it, or inside where the tree is a
 * mount point; for an overlay elsewhere if that place cannot be written or cannot be an upper
 * layer. TAG: 16 hex digits, with which the path ends. RUNTIME may be NULL. */
char *snapshot_plan(struct arena *arena, const char *tree, int tree_fd, const char *tag,
		    enum snapshot_rung rung, const char *runtime);

/* Btrfs, copy: TARGET is the new tree. Overlay: TARGET holds "upper" and "work". */
int snapshot_ephemeral(struct arena *arena, struct snapshot *ret, const char *tree, int tree_fd,
		       const char *target, enum snapshot_rung rung);

/* The hidden path beside TARGET in which it grows. */
char *snapshot_template_path(struct arena *arena, const char *target, const char *tag);

/* Make TARGET from the template; it appears complete, by a rename from GROWING, or not at all. */
int snapshot_template(struct arena *arena, enum snapshot_rung *ret_rung, const char *template_path,
		      int template_fd, const char *target, const char *growing, bool read_only);

/* Remove an ephemeral one. Accepts the empty snapshot. */
void snapshot_done(struct snapshot *snapshot);

/* "btrfs", "overlay", "copy"; NULL: none. */
const char *snapshot_rung_name(enum snapshot_rung rung);
