/* kernel/uapi - constants that older kernel headers lack. The only file with #if.
 * Each with the header of the kernel's UAPI that it is from. */
#pragma once
#include <fcntl.h>
#include <linux/mount.h>

#ifndef MOUNT_ATTR_NOSYMFOLLOW /* linux/mount.h, 5.14 */
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef CLONE_INTO_CGROUP /* linux/sched.h, 5.7 */
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
