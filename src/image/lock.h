/* image/lock - nobody else uses the tree while we do.
 *
 * Open-file-description locks on two files, as systemd-nspawn takes them, so
 * that its containers and ours respect each other: ".#NAME.lck" beside the
 * tree, and (root only) one named after the tree's inode in
 * /run/systemd/nspawn/locks. Waits for nobody who uses it. Speaking. Supervisor.
 */
#pragma once
#include <stdbool.h>

struct arena;

struct lock {
	int local_fd, global_fd;
	const char *local_path, *global_path; /* NULL: not taken */
	bool exclusive;
};

#define LOCK_EMPTY                                      \
	{                                               \
		.local_fd = -EBADF, .global_fd = -EBADF \
	}

/* Lock the tree at PATH, which TREE_FD (O_PATH is enough) refers to.
 * -EBUSY: somebody has it; the sentence says what to try. Where it is shared,
 * that is said after some milliseconds, as those who let go have it alone then.
 * "/" can be shared (a no-op), never had alone. */
int lock_take(struct arena *arena, struct lock *ret, const char *path, int tree_fd, bool exclusive,
	      bool global);

/* Once it is locked: PATH still leads to what FD is. -ESTALE: somebody renamed or removed that
 * after it was opened, and a lock of it is none of what is there now. */
int lock_check(const char *path, int tree_fd);

/* Nobody else makes or renames an image to NAME meanwhile, in whatever form: ".#.#NAME.lck" in
 * DIRECTORY, or (GLOBAL) systemd's "name-NAME". */
int lock_name(struct arena *arena, struct lock *ret, const char *directory, const char *name,
	      bool global);

/* Only where lock_take() would put them, for who notes that before they are made. */
int lock_paths(struct arena *arena, struct lock *lock, const char *path, int tree_fd, bool global);

/* Removes the files if nobody shares the lock. Accepts the empty lock. */
void lock_release(struct lock *lock);

/* The primitive: create PATH (mode 0600) and lock it without waiting; the descriptor holds the
 * lock. Re-checked after locking: the file is still linked. Quiet. -EBUSY: held by another. */
int lock_file(int dir_fd, const char *path, bool exclusive);
