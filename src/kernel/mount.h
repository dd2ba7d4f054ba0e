/* kernel/mount - mounts as file descriptors.
 *
 * A tree is detached until mount_attach(): no process can see it half made.
 * Quiet. Runs in any process. mount_setattr(2) needs Linux 5.12; where it is
 * denied, mount(2) does the same with more steps (kernel/mount-old), but
 * mount_map_ids() returns -ENOSYS.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Clone the mount at dir_fd/path ("" for dir_fd itself), with its submounts if recursive.
 * The caller owns the descriptor. */
int mount_clone(int dir_fd, const char *path, bool recursive);

/* A new instance. OPTIONS: "key=value,flag" or NULL; a comma in a value is written "\,", or the
 * whole value in double quotes. SOURCE may be NULL. ATTRIBUTES: MOUNT_ATTR_*.
 * -E2BIG: an option is longer than the kernel takes (255 bytes); "lowerdir" may be (Linux 6.7). */
int mount_create(const char *type, const char *source, const char *options, uint64_t attributes);

/* As above; on failure the kernel's own words about it are stored, "" when it said nothing. */
int mount_create_explained(const char *type, const char *source, const char *options,
			   uint64_t attributes, char *why, size_t room);

/* Set, then clear, MOUNT_ATTR_* on the mount (and below it if recursive). */
int mount_restrict(int tree_fd, uint64_t set, uint64_t clear, bool recursive);

/* Show the one mount's owners (and its submounts', if recursive) through the id mapping of
 * userns_fd. -EINVAL: this file system cannot. Borrows both descriptors. */
int mount_map_ids(int tree_fd, int userns_fd, bool recursive);

/* Attach the tree over target_fd in the caller's mount namespace. */
int mount_attach(int tree_fd, int target_fd);

/* The same under the mount that target_fd is the root of: once that is taken away, it is seen.
 * Linux 6.5; -EINVAL: not there, or not here. */
int mount_attach_beneath(int tree_fd, int target_fd);

/* 1: fd is the root of a mount; 0: it is not. */
int mount_is_point(int fd);

/* The kernel's number for the mount that fd is on, as in mountinfo. */
int mount_id(int fd, int *ret);
