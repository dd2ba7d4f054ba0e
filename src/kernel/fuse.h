/* kernel/fuse - a file system that a program serves. Quiet. Any process.
 *
 * It ends with its last mount, whatever happens to who made it: then the program's device can be
 * read no more. Without root in a user namespace that is also that of all who may use it, and whose
 * ids its owners are.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A detached mount of type "fuse.SUBTYPE" and, for who serves it, its device. Until that one
 * answers, whoever looks at the mount waits; when the device is closed, they fail. The kernel
 * checks permissions. ATTRIBUTES: MOUNT_ATTR_*. -ENOENT, -ENXIO, -EACCES: there is no '/dev/fuse',
 * it does not work, or may not be opened. -ENODEV: this kernel has no such file system. */
int fuse_mount(int *ret_device_fd, const char *subtype, const char *source, bool read_only,
	       uint64_t attributes);
