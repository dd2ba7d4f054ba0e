/* kernel/syscall - the only home of raw system calls.
 *
 * sys_*() return the call's result or a negative errno. No fallbacks here:
 * they belong to the facility's module. Any process; async-signal-safe.
 */
#pragma once
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/uapi.h"

#define SYS_RESULT(call)                             \
	({                                           \
		long result_ = (call);               \
		result_ < 0 ? -errno : (int)result_; \
	})

static inline int sys_open_tree(int dir_fd, const char *path, unsigned int flags)
{
	return SYS_RESULT(syscall(SYS_open_tree, dir_fd, path, flags));
}

static inline int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to,
				 unsigned int flags)
{
	return SYS_RESULT(syscall(SYS_move_mount, from_fd, from, to_fd, to, flags));
}

static inline int sys_fsopen(const char *type, unsigned int flags)
{
	return SYS_RESULT(syscall(SYS_fsopen, type, flags));
}

static inline int sys_fsconfig(int fd, unsigned int command, const char *key, const void *value,
			       int aux)
{
	return SYS_RESULT(syscall(SYS_fsconfig, fd, command, key, value, aux));
}

static inline int sys_fsmount(int fd, unsigned int flags, unsigned int attributes)
{
	return SYS_RESULT(syscall(SYS_fsmount, fd, flags, attributes));
}

static inline int sys_mount_setattr(int fd, const char *path, unsigned int flags,
				    struct mount_attr *attr)
{
	return SYS_RESULT(syscall(SYS_mount_setattr, fd, path, flags, attr, sizeof(*attr)));
}

static inline int sys_openat2(int dir_fd, const char *path, const struct open_how *how)
{
	return SYS_RESULT(syscall(SYS_openat2, dir_fd, path, how, sizeof(*how)));
}

/* The child returns 0 on the same stack, as after fork(2). */
static inline int sys_clone3(const struct clone_args *args)
{
	return SYS_RESULT(syscall(SYS_clone3, args, sizeof(*args)));
}

/* The older form: no cgroup, and flags of 32 bits that hold the exit signal too. */
static inline int sys_clone(unsigned long flags, int *ret_pidfd)
{
	if (CLONE_STACK_FIRST)
		return SYS_RESULT(syscall(SYS_clone, 0UL, flags, ret_pidfd, NULL, 0UL));
	return SYS_RESULT(syscall(SYS_clone, flags, 0UL, ret_pidfd, NULL, 0UL));
}

static inline int sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return SYS_RESULT(syscall(SYS_close_range, first, last, flags));
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
	return SYS_RESULT(syscall(SYS_pivot_root, new_root, put_old));
}

static inline int sys_pidfd_open(pid_t pid, unsigned int flags)
{
	return SYS_RESULT(syscall(SYS_pidfd_open, pid, flags));
}

static inline int sys_pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned int flags)
{
	return SYS_RESULT(syscall(SYS_pidfd_send_signal, pidfd, signal, info, flags));
}

static inline int sys_keyctl(int command, unsigned long a, unsigned long b, unsigned long c,
			     unsigned long d)
{
	return SYS_RESULT(syscall(SYS_keyctl, command, a, b, c, d));
}

static inline int sys_capset(struct __user_cap_header_struct *header,
			     const struct __user_cap_data_struct *data)
{
	return SYS_RESULT(syscall(SYS_capset, header, data));
}

static inline int sys_bpf(int command, union bpf_attr *attr, unsigned int size)
{
	return SYS_RESULT(syscall(SYS_bpf, command, attr, size));
}

static inline int sys_capget(struct __user_cap_header_struct *header,
			     struct __user_cap_data_struct *data)
{
	return SYS_RESULT(syscall(SYS_capget, header, data));
}

static inline int sys_quotactl_fd(int fd, unsigned int command, unsigned int id, void *address)
{
	return SYS_RESULT(syscall(SYS_quotactl_fd, fd, command, id, address));
}

static inline int sys_membarrier(int command, unsigned int flags)
{
	return SYS_RESULT(syscall(SYS_membarrier, command, flags, 0));
}

static inline int sys_seccomp(unsigned int operation, unsigned int flags, void *args)
{
	return SYS_RESULT(syscall(SYS_seccomp, operation, flags, args));
}

static inline int sys_landlock_create_ruleset(const struct landlock_ruleset *ruleset, size_t size,
					      unsigned int flags)
{
	return SYS_RESULT(syscall(SYS_landlock_create_ruleset, ruleset, size, flags));
}

static inline int sys_landlock_add_rule(int rules, unsigned int type, const void *rule)
{
	return SYS_RESULT(syscall(SYS_landlock_add_rule, rules, type, rule, 0U));
}

static inline int sys_landlock_restrict_self(int rules, unsigned int flags)
{
	return SYS_RESULT(syscall(SYS_landlock_restrict_self, rules, flags));
}
