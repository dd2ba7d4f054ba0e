/* engine/root - the tree the container will see as "/".
 *
 * root_locate() (engine/root-locate) ran before, and said where the tree is: a directory, a layered
 * image, or a disk image (image/raw). root_open() locks the tree, makes the snapshot,
 * checks that it is an OS tree and gathers what planning needs to know, all below one O_PATH
 * descriptor. Nothing of the tree is run or loaded, and no symbolic link of it leads out.
 * Supervisor, before the payload exists. Speaking.
 */
#pragma once
#include <sys/types.h>

#include "image/raw.h"
#include "image/lock.h"
#include "image/snapshot.h"
#include "image/view.h"
#include "machine/guest-init.h"
#include "plan/plan.h"

struct arena;
struct record;

struct root {
	int fd;	      /* O_PATH: the tree's top; of the original when the snapshot is an overlay */
	int image_fd; /* O_PATH: of a layered image, what is locked; else -EBADF */
	int rooms[VIEW_ROOMS_MAX]; /* of its layers, until it is noted that we run from them */
	struct raw disk;	   /* unused: the tree does not lie in a disk image */
	struct lock lock;
	bool locked; /* also where no lock file could be made, and for "/" */
	struct snapshot snapshot;
	struct root_facts facts;
	dev_t device; /* of the tree's top, while it is closed */
	ino_t inode;
	struct guest_init init; /* --boot: how to ask it to stop */
};

#define ROOT_EMPTY                                                                             \
	{                                                                                      \
		.fd = -EBADF, .image_fd = -EBADF, .rooms = { -EBADF, -EBADF, -EBADF, -EBADF }, \
		.disk = RAW_EMPTY, .lock = LOCK_EMPTY, .snapshot = SNAPSHOT_EMPTY              \
	}

/* RECORD may be NULL (--print-plan): then nothing is locked, made or written. */
int root_open(struct arena *arena, struct root *ret, const struct spec *spec,
	      const struct host *host, struct record *record);

/* While the container runs: hold the locks only. */
void root_rest(struct root *root);

/* For a further start. The tree must still be the same. */
int root_reopen(struct arena *arena, struct root *root, const struct host *host);

/* For a container that was taken over: root_reopen(), and the facts of the tree once more. */
int root_regather(struct arena *arena, struct root *root, const struct spec *spec,
		  const struct host *host);

/* Unlocks; removes an ephemeral snapshot. Accepts the empty root. */
void root_done(struct root *root);

/* What stands for the tree in a mount namespace: of a layered image itself, whose view is in none.
 */
int root_anchor(const struct root *root);

/* --boot: one notice when no account of the tree can log in and no credential gives a way. */
void root_warn_no_login(struct arena *arena, const struct root *root, const struct spec *spec);
