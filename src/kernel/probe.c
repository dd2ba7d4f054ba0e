#include "kernel/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/macros.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/mount.h"

/* ---- single questions ---- */

/* The sysctl exists and has this value; most kernels lack most of these. */
static bool sysctl_is(const char *path, const char *value)
{
	char text[32];

	return file_read_line(text, sizeof(text), AT_FDCWD, path) >= 0 && strcmp(text, value) == 0;
}

static bool is_root(void)
{
	return geteuid() == 0;
}

static bool not_root(void)
{
	return geteuid() != 0;
}

static bool no_user_namespaces(void)
{
	return sysctl_is("/proc/sys/user/max_user_namespaces", "0");
}

static bool user_namespaces_for_root_only(void)
{
	return not_root() && sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", "0");
}

static bool apparmor_restricts(void)
{
	static const char path[] = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

	return not_root() && sysctl_is(path, "1");
}

static bool no_kernel_support(void)
{
	return access("/proc/self/ns/user", F_OK) < 0;
}

static bool is_chrooted(void)
{
	/* The root directory is not the root of a mount: user_namespaces(7), EPERM. */
	autoclose int root = -EBADF;

	root = open("/", O_PATH | O_CLOEXEC);
	return root >= 0 && mount_is_point(root) == 0;
}

static bool in_container(void)
{
	char text[64];

	/* The first user namespace maps every id to itself. */
	return file_read_line(text, sizeof(text), AT_FDCWD, "/proc/self/uid_map") >= 0 &&
	       !strstr(text, "4294967295");
}

static bool under_filter(void)
{
	char text[4096], *at;

	if (file_read_line(text, sizeof(text), AT_FDCWD, "/proc/self/status") < 0)
		return false;
	at = strstr(text, "\nSeccomp:\t");
	return at && at[strlen("\nSeccomp:\t")] == '2';
}

static bool always(void)
{
	return true;
}

static bool no_cgroup2(void)
{
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		return false;
	return statfs("/sys/fs/cgroup/unified", &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC;
}

static bool no_overlay(void)
{
	return access("/sys/module/overlay", F_OK) < 0;
}

bool probe_selinux(void)
{
	struct statfs fs;

	return statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC;
}

bool probe_apparmor(void)
{
	return sysctl_is("/sys/module/apparmor/parameters/enabled", "Y");
}

/* ---- causes ---- */

/* The first row that fits is the answer. ERROR 0: any. */
static const struct {
	enum probe_operation operation;
	int error;
	bool (*is_so)(void);
	const char *text;
} causes[] = {
	{ PROBE_NAMESPACES, 0, no_kernel_support,
	  "this kernel is built without user namespaces: --private-users=no does "
	  "without, as root" },
	{ PROBE_NAMESPACES, 0, no_user_namespaces,
	  "user namespaces are switched off: 'sysctl -w "
	  "user.max_user_namespaces=15000' allows them, --private-users=no does "
	  "without, as root" },
	{ PROBE_NAMESPACES, ENOSPC, always,
	  "there are too many namespaces, or too many in one another: see the sysctls "
	  "user.max_*_namespaces" },
	{ PROBE_NAMESPACES, EPERM, user_namespaces_for_root_only,
	  "only root may make user namespaces here: 'sysctl -w "
	  "kernel.unprivileged_userns_clone=1' allows it" },
	{ PROBE_NAMESPACES, 0, apparmor_restricts,
	  "AppArmor keeps user namespaces from programs without a profile: 'sysctl -w "
	  "kernel.apparmor_restrict_unprivileged_userns=0' allows them" },
	{ PROBE_NAMESPACES, EPERM, is_chrooted,
	  "the kernel makes no user namespace in a chroot: start it outside, or by "
	  "pivot_root(2)" },
	{ PROBE_NAMESPACES, EPERM, under_filter,
	  "a system call filter of the surrounding container forbids it: start that "
	  "with --nesting, or with its own option for containers inside" },
	{ PROBE_NAMESPACES, EPERM, is_root, "CAP_SYS_ADMIN is missing" },
	{ PROBE_NAMESPACES, EUSERS, always, "user namespaces are nested too deeply (32)" },
	{ PROBE_NAMESPACES, EAGAIN, always,
	  "there are too many processes: see 'ulimit -u', pids.max of the cgroup, and "
	  "kernel.pid_max" },
	{ PROBE_NAMESPACES, ENOMEM, always, "no memory is left, or the pid namespace has ended" },
	{ PROBE_NAMESPACES, EINVAL, always, "this kernel lacks a kind of namespace" },

	{ PROBE_ID_MAPS, 0, apparmor_restricts,
	  "AppArmor takes the privileges in a user namespace from programs without a "
	  "profile: 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0' leaves "
	  "them" },
	{ PROBE_ID_MAPS, EPERM, in_container,
	  "the surrounding container does not have these ids: choose a range inside "
	  "of its own" },
	{ PROBE_ID_MAPS, EPERM, not_root,
	  "these ids are not this user's: give it a range in /etc/subuid and "
	  "/etc/subgid" },
	{ PROBE_ID_MAPS, EPERM, always, "CAP_SETUID or CAP_SETGID is missing" },
	{ PROBE_ID_MAPS, EINVAL, always, "the ranges overlap, or are too many for this kernel" },

	{ PROBE_MOUNT, ENOSYS, under_filter,
	  "a system call filter of the surrounding container hides the mount calls of "
	  "Linux 5.2" },
	{ PROBE_MOUNT, ENOSYS, always, "Linux 5.2 is needed" },
	{ PROBE_MOUNT, ENODEV, always, "this kernel lacks the file system" },
	{ PROBE_MOUNT, 0, apparmor_restricts,
	  "AppArmor takes the privileges in a user namespace from programs without a "
	  "profile: 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0' leaves "
	  "them" },
	{ PROBE_MOUNT, EACCES, probe_apparmor,
	  "an AppArmor profile forbids it: see the kernel's log" },
	{ PROBE_MOUNT, EACCES, probe_selinux, "SELinux forbids it: see the audit log" },
	{ PROBE_MOUNT, EPERM, under_filter,
	  "a system call filter of the surrounding container forbids it: start that "
	  "with --nesting" },
	{ PROBE_MOUNT, EPERM, in_container,
	  "the mount is locked by the surrounding container, or its kind is not for "
	  "user namespaces" },
	{ PROBE_MOUNT, EPERM, always, "CAP_SYS_ADMIN is missing" },
	{ PROBE_MOUNT, ENOSPC, always, "there are too many mounts: see the sysctl fs.mount-max" },
	{ PROBE_MOUNT, ELOOP, always, "the path leads through too many links, or out of the tree" },
	{ PROBE_MOUNT, EINVAL, always,
	  "an option is not known to this kernel, or the mount may not be copied "
	  "(unbindable, locked)" },

	{ PROBE_MOUNT_PROC, EPERM, in_container,
	  "the surrounding container hides parts of /proc or /sys, so a fresh one "
	  "would show them: start that one with --nesting" },
	{ PROBE_MOUNT_PROC, EPERM, always,
	  "something is mounted over parts of /proc or /sys here, which a fresh one would "
	  "show: if this is a container, start the outer one with --nesting" },
	{ PROBE_MOUNT_PROC, EBUSY, always, "it is mounted there already" },

	{ PROBE_MOUNT_OVERLAY, ENODEV, no_overlay,
	  "this kernel lacks overlayfs: 'modprobe overlay' may load it" },
	{ PROBE_MOUNT_OVERLAY, EPERM, not_root, "overlays without root need Linux 5.11" },
	{ PROBE_MOUNT_OVERLAY, EINVAL, always,
	  "the upper directory's file system has no extended attributes or file types "
	  "(NFS and overlays have not), or one layer is not there" },
	{ PROBE_MOUNT_OVERLAY, EBUSY, always,
	  "another overlay uses the same upper or work directory" },
	{ PROBE_MOUNT_OVERLAY, ELOOP, always, "a layer lies inside another one" },
	{ PROBE_MOUNT_OVERLAY, EXDEV, always, "upper and work directory must be on one mount" },

	{ PROBE_CGROUP, 0, no_cgroup2, "this host has no cgroup v2 hierarchy mounted" },
	{ PROBE_CGROUP, EACCES, always,
	  "this user's cgroup is not delegated: 'systemd-run --user --scope -p "
	  "Delegate=yes' gives one that is" },
	{ PROBE_CGROUP, EROFS, always, "the cgroup hierarchy is mounted read-only" },
	{ PROBE_CGROUP, EBUSY, always,
	  "processes are in the parent cgroup, which then may have no children" },
	{ PROBE_CGROUP, EAGAIN, always,
	  "cgroup.max.depth or cgroup.max.descendants of a parent is reached" },
	{ PROBE_CGROUP, EOPNOTSUPP, always, "the cgroup is of the threaded kind" },
	{ PROBE_CGROUP, EPERM, in_container, "the surrounding container delegates no cgroup" },

	{ PROBE_DEVICE_FILTER, EPERM, always,
	  "BPF programs need CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN" },
	{ PROBE_DEVICE_FILTER, EINVAL, always, "this kernel is built without CONFIG_CGROUP_BPF" },
	{ PROBE_DEVICE_FILTER, ENOSYS, always, "this kernel has no bpf(2)" },

	{ PROBE_DEVICE_NODE, EPERM, in_container, "a user namespace cannot make device nodes" },
	{ PROBE_DEVICE_NODE, EPERM, always, "CAP_MKNOD is missing, or a device cgroup forbids" },

	{ PROBE_SYSTEM_CALLS, EINVAL, always, "this kernel is built without system call filters" },
	{ PROBE_SYSTEM_CALLS, EACCES, always,
	  "CAP_SYS_ADMIN is missing, and --no-new-privileges= is not set" },

	{ PROBE_EXEC, ENOEXEC, always,
	  "it is a program for another architecture, or a script without '#!'" },
	{ PROBE_EXEC, ENOENT, always, "it, its interpreter or its loader is not in the tree" },
	{ PROBE_EXEC, EACCES, always, "it is not executable, or its mount is noexec" },
	{ PROBE_EXEC, EAGAIN, always, "the user has too many processes: see 'ulimit -u'" },
	{ PROBE_EXEC, ELOOP, always, "its interpreters are scripts, too deep in one another" },
};

const char *probe_cause(enum probe_operation operation, int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		if (causes[i].operation == operation &&
		    (causes[i].error == 0 || causes[i].error == -error) && causes[i].is_so())
			return causes[i].text;
	}
	return NULL;
}
