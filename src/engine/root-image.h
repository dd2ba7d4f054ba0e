/* engine/root-image - a tree that lies in a disk image or on a block device.
 *
 * What partitions there are is asked of redd-dissect, which reads the table where it can do no
 * harm. Each that is needed becomes a loop device, which goes by itself with its last user,
 * whatever happens to us. The file systems are mounted in a mount namespace that is only for that:
 * there the tree is as it is on disk, and a start goes on from there as with a directory. Speaking.
 * Supervisor; needs root of the host.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>

#include "format/disk.h"

struct arena;
struct host;

struct root_image {
	bool used, read_only;
	struct disk disk;
	int loops[DISK_ROLES]; /* block devices, for as long as the container lives */
	int mounts_fd;	       /* the mount namespace; while the tree is open */
};

#define ROOT_IMAGE_EMPTY                                                                     \
	{                                                                                    \
		.loops = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF }, \
		.mounts_fd = -EBADF                                                          \
	}

/* Open the file or device at PATH. *READ_ONLY: as wished, and as it turned out. */
int root_image_open_file(const char *path, bool *read_only);

/* What is in it. PATH is for the sentences. */
int root_image_look(struct arena *arena, struct disk *ret, int file_fd, const char *path);

/* No partition but the root's has to be mounted. */
bool root_image_is_single(const struct disk *disk);

/* A file without a name that has the same contents. RET_SHARED: it shares the blocks, and took no
 * time; with ONLY_SHARED nothing else is done (-EOPNOTSUPP, without a sentence). */
int root_image_copy(struct arena *arena, int file_fd, const char *path, bool only_shared);

/* image->disk and read_only are set: attach the loop devices. TAG: of the record. */
int root_image_attach(struct root_image *image, int file_fd, const char *path, const char *tag);

/* The tree's top in a mount namespace of its own (O_PATH). */
int root_image_mount(struct arena *arena, struct root_image *image, const struct host *host,
		     const char *path);

/* The mount namespace is left to what was started in it. */
void root_image_rest(struct root_image *image);

/* Accepts the empty image. */
void root_image_done(struct root_image *image);

/* Where the programs that the runner starts for itself were installed. */
extern const char root_image_helpers[];
