/* kernel/uapi - constants that older headers lack. The only file with #if.
 * Each with the header it is from. */
#pragma once
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/ioctl.h>

#ifndef MOUNT_ATTR_NOSYMFOLLOW /* linux/mount.h, 5.14 */
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MOUNT_ATTR__ATIME /* linux/mount.h, 5.2 */
#define MOUNT_ATTR__ATIME 0x00000070
#endif
#ifndef MOVE_MOUNT_BENEATH /* linux/mount.h, 6.5 */
#define MOVE_MOUNT_BENEATH 0x00000200
#endif
#ifndef CLONE_INTO_CGROUP /* linux/sched.h, 5.7 */
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* linux/mount.h has MS_NOSYMFOLLOW since 5.10; glibc never had the ST_ form (linux/statfs.h). */
#define MS_NOSYMFOLLOW_ 256
#define ST_NOSYMFOLLOW_ 0x2000

/* clone(2) has its first two arguments the other way round on two architectures. */
#if defined(__s390__) || defined(__CRIS__)
#define CLONE_STACK_FIRST 1
#else
#define CLONE_STACK_FIRST 0
#endif
#ifndef MFD_EXEC /* linux/memfd.h, 6.3 */
#define MFD_EXEC 0x0010U
#endif

/* linux/pidfd.h cannot be included beside fcntl.h, and has the exit since 6.15: the first version
 * of struct pidfd_info. */
struct pidfd_exit {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define PIDFD_EXIT_MASK (UINT64_C(1) << 3)
#define PIDFD_EXIT_INFO _IOWR(0xff, 11, struct pidfd_exit)
#ifndef STATX_MNT_ID_UNIQUE /* linux/stat.h, 6.8 */
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

/* linux/landlock.h of 6.12: what struct landlock_ruleset_attr has grown to. Older kernels take it
 * as long as what they do not know is 0. */
struct landlock_ruleset {
	uint64_t files, net, scoped;
};
#define LANDLOCK_NET_BIND (UINT64_C(1) << 0)
#define LANDLOCK_NET_CONNECT (UINT64_C(1) << 1)
#define LANDLOCK_SCOPED_ALL (UINT64_C(3))
