/* image/growing - what grows hidden in a directory of images until it is complete.
 *
 * Named ".#transfer.NAME.HEX" and locked (flock(2)) by whoever works on it: one that is not locked
 * was left behind by somebody who was killed, and growing_sweep() removes it. The lock is that of
 * the descriptor, which children inherit. Quiet, but for the sweep, which warns. Any process.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>

struct arena;

struct growing {
	int dir_fd;	  /* borrowed: the directory of images */
	const char *name; /* in it */
	int fd;		  /* the directory, not O_PATH, or the file, to read and write; the lock */
	bool subvolume;
};

/* The name, which no image can have, of notes that tell what else to do (image/together); the sweep
 * leaves them alone. */
#define GROWING_NOTE ".#together"
bool growing_is_note(const char *name);

#define GROWING_EMPTY                          \
	{                                      \
		.dir_fd = -EBADF, .fd = -EBADF \
	}

/* An empty directory, mode 0755; with SUBVOLUME one of btrfs, where the file system is that. */
int growing_directory(struct arena *arena, struct growing *ret, int dir_fd, const char *name,
		      bool subvolume);

/* An empty file, mode 0600. */
int growing_file(struct arena *arena, struct growing *ret, int dir_fd, const char *name);

/* A snapshot of the btrfs subvolume SOURCE_FD (not O_PATH), with those nested in it. */
int growing_snapshot(struct arena *arena, struct growing *ret, int dir_fd, const char *name,
		     int source_fd);

/* It gets its name and is no longer growing. REPLACE: what has the name already takes its hidden
 * one, and *ret_replaced is true; else -EEXIST. */
int growing_publish(struct growing *growing, const char *name, bool replace, bool *ret_replaced);

/* Undo that: it is hidden again, and what it replaced has its NAME back. */
int growing_retract(struct growing *growing, const char *name, bool replaced);

/* Remove what has the hidden name, and let go. Accepts the empty one. */
int growing_remove(struct growing *growing);

/* Let go of what was published. */
void growing_done(struct growing *growing);

/* Remove all that nobody works on. PATH is for warnings. How many there were. */
int growing_sweep(int dir_fd, const char *path);
