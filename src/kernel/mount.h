/* kernel/mount - mounts as file descriptors.
 *
 * A tree is detached until mount_attach(): no process can see it half made.
 * Quiet. Runs in any process. mount_setattr(2) needs Linux 5.12; where it is
 * denied, mount_restrict() of an attached mount falls back to mount(2) and
 * mount_map_ids() returns -ENOSYS.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Clone the mount at dir_fd/path ("" for dir_fd itself), with its submounts if recursive. Caller owns the descriptor. */
int mount_clone(int dir_fd, const char *path, bool recursive);

/* A new instance. OPTIONS: "key=value,flag" or NULL; SOURCE may be NULL. ATTRIBUTES: MOUNT_ATTR_*. */
int mount_create(const char *type, const char *source, const char *options, uint64_t attributes);

/* Set, then clear, MOUNT_ATTR_* on the mount (and below it if recursive). */
int mount_restrict(int tree_fd, uint64_t set, uint64_t clear, bool recursive);

/* Propagation of the mount at tree_fd: MS_SHARED, MS_SLAVE, MS_PRIVATE. */
int mount_propagate(int tree_fd, uint64_t propagation, bool recursive);

/* Show the one mount's owners (and its submounts', if recursive) through the id mapping of userns_fd.
 * -EINVAL: this file system cannot. Borrows both descriptors. */
int mount_map_ids(int tree_fd, int userns_fd, bool recursive);

/* Attach the tree over target_fd in the caller's mount namespace. */
int mount_attach(int tree_fd, int target_fd);

/* Lazily unmount what is on top at path below dir_fd. */
int mount_detach(int dir_fd, const char *path);
