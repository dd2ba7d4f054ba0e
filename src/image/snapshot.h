/* image/snapshot - a throw-away or a first version of a tree.
 *
 * Ephemeral: a btrfs snapshot where the tree is a subvolume, else an overlay
 * whose read-only layer is the original: both are instant, and several may
 * come from one tree at once. Template: a btrfs snapshot or a full copy (with
 * shared blocks where the file system can), since it stays. Speaking.
 * Supervisor.
 */
#pragma once
#include <stdbool.h>

struct arena;

enum snapshot_rung { SNAPSHOT_NONE, SNAPSHOT_BTRFS, SNAPSHOT_OVERLAY, SNAPSHOT_COPY };

struct snapshot {
	enum snapshot_rung rung;
	int parent_fd;	    /* directory that holds it */
	const char *name;   /* below parent_fd: ".#snapshot.NAME<16hex>" */
	const char *path;   /* btrfs and copy: the new tree; overlay: holds "upper" and "work" */
	bool temporary;	    /* removed by snapshot_done() */
};

#define SNAPSHOT_EMPTY { .parent_fd = -EBADF }

/* The path that snapshot_ephemeral() will use for TREE, so that it can be recorded first.
 * TAG: 16 hex digits. OVERLAY: falls back to /var/tmp when the tree's directory cannot be written. */
char *snapshot_plan(struct arena *arena, const char *tree, int tree_fd, const char *tag);

/* True: a btrfs snapshot of the tree is possible. */
bool snapshot_can_btrfs(int tree_fd);

int snapshot_ephemeral(struct arena *arena, struct snapshot *ret, const char *tree, int tree_fd,
		       const char *target, enum snapshot_rung rung);

/* Make TARGET from TEMPLATE; a failure or SIGINT half-way removes what there is. TAG names the
 * hidden directory in which it grows; TARGET appears complete, by a rename. */
int snapshot_template(struct arena *arena, enum snapshot_rung *ret_rung, const char *template_path,
		      int template_fd, const char *target, const char *tag, bool read_only);

/* Remove an ephemeral one. Accepts the empty snapshot. */
void snapshot_done(struct snapshot *snapshot);

const char *snapshot_rung_name(enum snapshot_rung rung); /* "btrfs", "overlay", "reflink"; NULL: none */
