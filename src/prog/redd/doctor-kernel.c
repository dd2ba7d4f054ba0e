/* Of the kernel: namespaces, mounts, users, walls, cgroups. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "image/own-ids.h"
#include "image/ids-files.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/cgroup.h"
#include "kernel/device-filter.h"
#include "kernel/mount.h"
#include "kernel/namespace.h"
#include "kernel/probe.h"
#include "kernel/seccomp.h"
#include "kernel/syscall.h"
#include "prog/redd/doctor.h"

#define KERNEL "kernel"
#define USERS "users"
#define CGROUPS "cgroups"
#define PID_FS_MAGIC 0x50494446 /* since 6.9; linux/magic.h may be older */

static const char *cause(enum probe_operation operation, int result, const char *otherwise)
{
	const char *text = result < 0 ? probe_cause(operation, result) : NULL;

	return text ? text : otherwise;
}

/* ---- kernel ---- */

static void ask_version(struct doctor *doctor)
{
	struct doctor_line *line = doctor_add(doctor, KERNEL, "Linux");
	unsigned int major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	line->needed = true;
	sscanf(name.release, "%u.%u", &major, &minor);
	doctor_result(line, major > 5 || (major == 5 && minor >= 15) ? 0 : -ENOSYS,
		      arena_text(doctor->arena, name.release),
		      "Redd is made for Linux 5.15 and later", "a newer kernel");
}

/* With all below: without root a part alone would show what mounts hide. */
static int try_mounts(void *context)
{
	autoclose int tree = mount_clone(AT_FDCWD, "/", true);

	(void)context;
	return tree < 0 ? tree : 0;
}

/* Of directories of its own: without root, none is a layer that something is mounted below. */
static int try_overlay(void *context)
{
	autoclose int layers = mount_create("tmpfs", "tmpfs", "mode=0755", 0), tree = -EBADF;
	autoclose int at = open("/usr", O_PATH | O_CLOEXEC);
	char options[96];
	int r = layers;

	(void)context;
	if (r < 0)
		return r;
	if (mkdirat(layers, "a", 0755) < 0 || mkdirat(layers, "b", 0755) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = mount_attach(layers, at);
	if (r < 0)
		return r;
	snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d/a:/proc/self/fd/%d/b", layers,
		 layers);
	tree = mount_create("overlay", "overlay", options, 0);
	return tree < 0 ? tree : 0;
}

/* The layers are shown with other owners for this child alone: its mounts are nobody else's. */
static int try_mapped_overlay(void *context)
{
	autoclose int tree = mount_clone(AT_FDCWD, "/usr", false), users = -EBADF, at = -EBADF;
	autoclose int overlay = -EBADF;
	int r = tree;

	(void)context;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	users = namespace_make_user("0 524288 65536\n", "0 524288 65536\n");
	if (r >= 0)
		r = users < 0 ? users : mount_map_ids(tree, users, false);
	if (r < 0)
		return r;
	at = open("/usr", O_PATH | O_CLOEXEC);
	r = mount_attach(tree, at);
	if (r < 0)
		return r;
	overlay = mount_create("overlay", "overlay", "lowerdir=/usr:/etc", 0);
	return overlay < 0 ? overlay : 0;
}

static void ask_overlay(struct doctor *doctor)
{
	static const char lost[] = "no --ephemeral, --volatile=overlay, --overlay=, layered "
				   "images, nor Root=overlay; trees are copied";
	struct doctor_line *line = doctor_add(doctor, KERNEL, "overlayfs");
	enum doctor_module module = doctor_module(doctor, "overlay");
	int r;

	if (module == DOCTOR_MODULE_THERE) {
		doctor_result(line, 0, "a module, loaded when it is needed", NULL, NULL);
		return;
	}
	r = doctor_try(doctor, CLONE_NEWNS, try_overlay, NULL);
	doctor_result(line, r, NULL, lost,
		      cause(PROBE_MOUNT_OVERLAY, r, "a kernel with CONFIG_OVERLAY_FS"));
	if (r < 0 || !doctor->root)
		return;
	line = doctor_add(doctor, KERNEL, "overlays over idmapped layers");
	r = doctor_try(doctor, CLONE_NEWNS, try_mapped_overlay, NULL);
	doctor_result(line, r, NULL, "overlays need --private-users=no, or a tree of their own",
		      "Linux 5.19, and /usr on a file system that can be idmapped");
}

static void ask_calls(struct doctor *doctor)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	struct doctor_line *line = doctor_add(doctor, KERNEL, "openat2");
	autoclose int root = sys_openat2(AT_FDCWD, "/", &how), pidfd = -EBADF;
	struct statfs fs;
	int r;

	doctor_result(line, root, NULL, NULL, "Linux 5.6, or a filter that lets it through");
	if (line->state == DOCTOR_NO) {
		line->state = DOCTOR_LESS;
		line->found = "paths are walked component by component";
	}
	r = doctor_try(doctor, CLONE_NEWNS, try_mounts, NULL);
	line = doctor_add(doctor, KERNEL, "mounts as descriptors");
	line->needed = true;
	doctor_result(line, r, NULL, "no container can be put together",
		      cause(PROBE_MOUNT, r, "Linux 5.2"));
	pidfd = sys_pidfd_open(getpid(), 0);
	line = doctor_add(doctor, KERNEL, "pidfds");
	line->needed = true;
	doctor_result(line, pidfd, NULL, "processes cannot be told apart for certain",
		      "Linux 5.4, or a filter that lets pidfd_open through");
	if (pidfd >= 0 && fstatfs(pidfd, &fs) == 0 && fs.f_type != PID_FS_MAGIC) {
		line->state = DOCTOR_LESS;
		line->found = "known by their start times";
		line->hint = "Linux 6.9";
	}
}

static void ask_walls(struct doctor *doctor)
{
	struct doctor_line *line = doctor_add(doctor, KERNEL, "system call filters");
	int version = sys_landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	line->needed = true;
	doctor_result(line, seccomp_available() ? 0 : -ENOSYS, NULL,
		      "no container starts without its filter",
		      "a kernel with CONFIG_SECCOMP_FILTER");
	line = doctor_add(doctor, KERNEL, "Landlock");
	doctor_result(line, version,
		      version < 0 ? NULL : arena_format(doctor->arena, "version %d", version),
		      "one wall less around what reads images from outside",
		      "Linux 5.13 with lsm=landlock,…");
}

void doctor_kernel(struct doctor *doctor)
{
	ask_version(doctor);
	ask_calls(doctor);
	ask_overlay(doctor);
	ask_walls(doctor);
}

/* ---- users ---- */

static int try_nothing(void *context)
{
	(void)context;
	return 0;
}

static void ask_subordinate(struct doctor *doctor)
{
	struct doctor_line *line = doctor_add(doctor, USERS, "subordinate ids");
	struct ids_files files;
	struct own_ids ids;

	ids_files_read(doctor->arena, &files);
	own_ids_find(doctor->arena, &ids, &files, doctor->scope.uid, doctor->environment);
	if (!ids.single) {
		doctor_result(line, 0, "the own id and a subordinate range", NULL, NULL);
		return;
	}
	line->state = DOCTOR_LESS;
	line->found = "one id: all in a container belong to its root";
	line->lost = "packages that make users cannot be installed inside";
	line->hint = ids.newuidmap && ids.newgidmap
			     ? "as root: usermod --add-subuids 100000-165535 --add-subgids "
			       "100000-165535 USER"
			     : "the package uidmap (newuidmap, newgidmap)";
}

void doctor_users(struct doctor *doctor)
{
	struct doctor_line *line = doctor_add(doctor, USERS, "user namespaces");
	autoclose int users = -EBADF;
	int r;

	if (doctor->root) {
		users = namespace_make_user("0 524288 65536\n", "0 524288 65536\n");
		r = users;
		line->lost = NULL;
		doctor_result(line, r, "an own range of 65536 for each machine",
			      "root inside is root: --private-users=no",
			      cause(PROBE_NAMESPACES, r, NULL));
		if (r < 0)
			line->state = DOCTOR_LESS;
		return;
	}
	r = doctor_try(doctor, 0, try_nothing, NULL);
	line->needed = true;
	doctor_result(line, r, NULL, "only root can start containers",
		      cause(PROBE_NAMESPACES, r, NULL));
	ask_subordinate(doctor);
}

/* ---- cgroups ---- */

static void ask_controllers(struct doctor *doctor, int fd)
{
	static const struct {
		const char *name, *lost;
	} controllers[] = {
		{ "memory", "no MemoryMax=, MemoryHigh=, MemorySwapMax=" },
		{ "cpu", "no CPUQuota=, CPUWeight=" },
		{ "pids", "no TasksMax=" },
		{ "io", "no IOWeight=" },
		{ "cpuset", "no AllowedCPUs=" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		doctor_result(doctor_add(doctor, CGROUPS,
					 arena_format(doctor->arena, "%s controller",
						      controllers[i].name)),
			      cgroup_has_controller(fd, controllers[i].name) ? 0 : -ENOENT, NULL,
			      controllers[i].lost,
			      doctor->root ? "cgroup_no_v1=all on the kernel's command line, if "
					     "version 1 has it"
					   : "systemd: Delegate=cpu cpuset io memory pids for "
					     "user@.service");
}

static void ask_files(struct doctor *doctor, int fd)
{
	struct doctor_line *line = doctor_add(doctor, CGROUPS, "cgroup.kill");

	doctor_result(line, faccessat(fd, "cgroup.kill", F_OK, 0) < 0 ? -errno : 0, NULL, NULL,
		      "Linux 5.14");
	if (line->state == DOCTOR_NO) {
		line->state = DOCTOR_LESS;
		line->found = "frozen, then killed one by one";
	}
}

static void ask_device_filter(struct doctor *doctor)
{
	struct doctor_line *line = doctor_add(doctor, CGROUPS, "device filter (BPF)");
	/* Loaded, then attached to nothing: that is -EBADF. */
	int r = device_filter_attach(-EBADF, "c 1:3 rwm");

	r = r == -EBADF ? 0 : r;
	doctor_result(line, r, NULL, "no --private-users=no",
		      cause(PROBE_DEVICE_FILTER, r, "a kernel with CONFIG_CGROUP_BPF"));
}

void doctor_cgroups(struct doctor *doctor)
{
	struct doctor_line *line = doctor_add(doctor, CGROUPS, "cgroup v2");
	autoclose int root = -EBADF, own = -EBADF;
	const char *path;
	char own_path[4096];
	int r = cgroup_open_root(&root, &path);

	if (r < 0) {
		doctor_result(line, r, NULL, "no limits, no pause, no own cgroup",
			      "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
		return;
	}
	line->found = arena_text(doctor->arena, path);
	if (cgroup_process_path(own_path, sizeof(own_path), 0) >= 0)
		own = cgroup_open(own_path);
	if (!doctor->root && (own < 0 || faccessat(own, "cgroup.procs", W_OK, AT_EACCESS) < 0)) {
		line->state = DOCTOR_LESS;
		line->found = "not this user's: machines have no cgroup of their own";
		line->lost = "no limits and no pause";
		line->hint = probe_cause(PROBE_CGROUP, -EACCES);
	}
	ask_controllers(doctor, doctor->root || own < 0 ? root : own);
	if (own >= 0 && !text_equal(own_path, "/"))
		ask_files(doctor, own);
	if (doctor->root)
		ask_device_filter(doctor);
}
