/* image/raw - a tree that lies in a disk image or on a block device.
 *
 * What partitions there are is asked of redd-dissect, which reads the table where it can do no
 * harm. Each that is needed becomes a loop device, or without root is shown by a program
 * (image/raw-serve); both go by themselves with their last user, whatever happens to us. The file
 * systems are mounted in a mount namespace that is only for that:
 * there the tree is as it is on disk, and a start goes on from there as with a directory, or a
 * file is read from it. Needs root of the host, or SERVED and a user namespace. Speaking. Any
 * process of one thread.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>

#include "format/disk.h"
#include "image/raw-serve.h"
#include "image/raw-verity.h"

struct arena;

struct raw {
	bool used, read_only;
	bool served; /* by programs, without root */
	bool plan;   /* nothing will run from it: what has no place to be mounted at is left out */
	struct disk disk;
	int loops[DISK_ROLES];	    /* block devices; SERVED: the image, for each again */
	int mounts_fd;		    /* the mount namespace; while the tree is open */
	struct raw_servers servers; /* SERVED */
	struct raw_verity verity;
};

#define RAW_EMPTY                                                                            \
	{                                                                                    \
		.loops = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF }, \
		.mounts_fd = -EBADF, .servers = RAW_SERVERS_EMPTY, .verity = {               \
			.hashes_fd = -EBADF                                                  \
		}                                                                            \
	}

/* Open the file or device at PATH. *READ_ONLY: as wished, and as it turned out. */
int raw_open(const char *path, bool *read_only);

/* raw->disk: what is in it. raw->verity is empty, or of raw_verity_find(); then what is verified
 * can only be read. raw->read_only: also where nothing of it can be written. PATH is for the
 * sentences. */
int raw_look(struct arena *arena, struct raw *raw, int file_fd, const char *path);

/* No partition but the root's has to be mounted. */
bool raw_is_single(const struct disk *disk);

/* A file without a name that has the same contents, of shared blocks if it can; with ONLY_SHARED in
 * no other way (-EOPNOTSUPP, without a sentence). */
int raw_copy(struct arena *arena, int file_fd, const char *path, bool only_shared);

/* raw->disk, read_only and served are set: attach the loop devices. TAG: of the record. */
int raw_attach(struct arena *arena, struct raw *raw, int file_fd, const char *path,
	       const char *tag);

/* All of that at once, to look into an image that nobody writes to meanwhile, SERVED: the top of
 * the tree of root and /usr, to be closed before raw_done(), for some seconds. What is in it
 * is somebody's: kernel/resolve. */
int raw_peek(struct arena *arena, struct raw *ret, const char *path);

/* SERVED: who looks into the tree, or ends all that is in it, may wait for an answer of a server
 * that gives none, and then cannot be killed. So after raw_mount() and raw_limit() that has to be
 * done within a time, or all of them are killed; until raw_unlimit(). After raw_limit_end() there
 * is no such. Without servers they do nothing. */
void raw_limit(const struct raw *raw);
void raw_unlimit(const struct raw *raw);
void raw_limit_end(struct raw *raw);

/* The mount namespace is left to what was started in it. */
void raw_rest(struct raw *raw);

/* Accepts the empty image. */
void raw_done(struct raw *raw);

/* Beside us, as in a build directory; or where it was installed. Quiet. */
const char *raw_find_dissect(struct arena *arena);

/* Where the programs that the runner starts for itself were installed. */
extern const char raw_helpers[];
