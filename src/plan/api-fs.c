#include "plan/api-fs.h"

#include <sys/mount.h>

#include "base/arena.h"
#include "base/macros.h"
#include "plan/step.h"

struct tmpfs_row {
	const char *target, *options;
	uint64_t attributes;
	unsigned flags;
};

/* What a tool left mounted below the tree's /tmp stays. Our /dev and /run always come on top:
 * what was there would be the host's, and the nodes below would be made in it. */
static const struct tmpfs_row row_tmp = {
	"/tmp",
	"mode=01777,size=10%,nr_inodes=400k",
	MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME,
	STEP_UNLESS_MOUNTED | STEP_WARN,
};
static const struct tmpfs_row row_sys = {
	"/sys",
	"mode=0555,size=4m,nr_inodes=1k",
	STEP_API,
	0,
};
static const struct tmpfs_row row_dev = {
	"/dev",
	"mode=0755,size=4m,nr_inodes=64k",
	MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
	0,
};
static const struct tmpfs_row row_shm = {
	"/dev/shm",
	"mode=01777,size=10%,nr_inodes=400k",
	MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME,
	0,
};
static const struct tmpfs_row row_run = {
	"/run",
	"mode=0755,size=20%,nr_inodes=800k",
	MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME,
	0,
};

/* The parts of sysfs that a container with a network of its own sees, and where a tmpfs needs
 * directories besides. */
static const char *const sysfs_parts[] = { "block", "bus", "class", "dev", "devices", "kernel" };
static const char *const sysfs_mount_points[] = { "/sys/fs/bpf", "/sys/fs/cgroup" };

static const char *const proc_masked[] = {
	"/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/sysrq-trigger", "/proc/timer_list",
};
static const char *const proc_read_only[] = {
	"/proc/acpi", "/proc/apm", "/proc/asound", "/proc/bus",
	"/proc/fs",   "/proc/irq", "/proc/scsi",
};

/* Without a user namespace the container's root is the host's, for whom these are readable or
 * writable. */
static const char *const host_masked[] = {
	"/proc/kpagecgroup",  "/proc/kpagecount", "/proc/kpageflags",  "/proc/mtrr",
	"/proc/pagetypeinfo", "/proc/slabinfo",	  "/proc/vmallocinfo",
};

static uint64_t sys_read_only(const struct planner *p)
{
	return p->spec->api_vfs == API_VFS_READ_ONLY ? MOUNT_ATTR_RDONLY : 0;
}

/* A container manager inside needs a sysfs that is wholly visible: no reduced form then. */
static bool sys_reduced(const struct planner *p)
{
	return p->spec->api_vfs == API_VFS_NETWORK || (p->own_network && !p->spec->nesting);
}

static void add_tmpfs(struct planner *p, const struct tmpfs_row *row)
{
	struct step *step = step_mount(p, "tmpfs", row->target, step_tmpfs_options(p, row->options),
				       row->attributes);

	step->flags |= row->flags;
}

/* A tmpfs with mount points only; locked and read-only before the payload fills it. */
static void add_sys_skeleton(struct planner *p)
{
	add_tmpfs(p, &row_sys);
	for (size_t i = 0; i < ARRAY_SIZE(sysfs_parts); i++)
		step_dir(p, arena_format(p->arena, "/sys/%s", sysfs_parts[i]), 0555);
	for (size_t i = 0; i < ARRAY_SIZE(sysfs_mount_points); i++)
		step_dir(p, sysfs_mount_points[i], 0555);
	if (sys_read_only(p))
		step_add(p, STEP_RESTRICT, "/sys")->attributes = MOUNT_ATTR_RDONLY | STEP_API;
}

static void add_host_sys(struct planner *p)
{
	uint64_t attributes = STEP_API | sys_read_only(p);

	if (sys_reduced(p)) {
		add_sys_skeleton(p);
		return;
	}
	/* sysfs belongs to a network namespace: only who owns that may mount it. */
	if (p->own_network)
		return;
	if (p->rootless) {
		/* The host's network is not ours, so neither is a new sysfs. */
		step_bind(p, "/sys", "/sys", attributes)->flags |= STEP_RECURSIVE;
		return;
	}
	/* Nested, the network may be that of a container further out. */
	step_mount(p, "sysfs", "/sys", NULL, attributes)->flags |= STEP_ELSE_BIND;
	if (p->host->selinux)
		step_bind(p, "/sys/fs/selinux", "/sys/fs/selinux", STEP_API | MOUNT_ATTR_RDONLY)
			->flags |= STEP_OPTIONAL;
}

/* Without a cgroup namespace: the host's hierarchy read-only, our part of it writable. */
static void add_host_cgroup(struct planner *p)
{
	const char *ours;

	if (!p->spec->no_cgroup_namespace || !p->host->cgroup2_mount)
		return;

	step_bind(p, p->host->cgroup2_mount, "/sys/fs/cgroup", STEP_API);
	if (p->taken->cgroup_path) {
		ours = arena_format(p->arena, "/sys/fs/cgroup/%s",
				    p->taken->cgroup_path + (p->taken->cgroup_path[0] == '/'));
		step_bind_inside(p, ours, ours, 0);
	}
	step_add(p, STEP_RESTRICT, "/sys/fs/cgroup")->attributes = MOUNT_ATTR_RDONLY | STEP_API;
}

void api_fs_host(struct planner *p)
{
	p->reason = "API file systems";
	if (!p->spec->no_tmp)
		add_tmpfs(p, &row_tmp);
	add_host_sys(p);
	add_host_cgroup(p);
	add_tmpfs(p, &row_dev);
	add_tmpfs(p, &row_shm);
	add_tmpfs(p, &row_run);
}

void api_fs_pins(struct planner *p)
{
	struct step *step;

	if (!p->userns)
		return;
	p->reason = "a fresh /proc is allowed only where one is in full sight";
	step = step_add(p, STEP_HIDE_HOST_MOUNTS, NULL);
	step->data = p->own_network ? "proc sysfs" : "proc";
	/* Without root there is no right to make pins; what is in sight may be enough. */
	step->flags |= STEP_OPTIONAL;
}

static void add_proc_sys(struct planner *p)
{
	const uint64_t attributes = STEP_API | MOUNT_ATTR_RDONLY;

	p->reason = "read-only paths";
	if (!p->own_network && p->spec->api_vfs != API_VFS_NETWORK) {
		step_bind_inside(p, "/proc/sys", "/proc/sys", attributes);
		return;
	}
	/* The clone of /proc/sys/net must be made while /proc/sys is still writable. */
	step_bind_inside(p, "/proc/sys", "/proc/sys", 0);
	step_bind_inside(p, "/proc/sys/net", "/proc/sys/net", 0);
	step_add(p, STEP_RESTRICT, "/proc/sys")->attributes = attributes;
}

/* A bind of something in /run/host, which is read-only, nosuid, noexec and nodev already. */
static void cover(struct planner *p, const char *source, const char *target, unsigned flags)
{
	struct step *step;

	step = step_bind_inside(p, source, target, STEP_API | MOUNT_ATTR_RDONLY);
	step->flags |= STEP_INHERITS | flags;
}

static void add_proc_restrictions(struct planner *p)
{
	const uint64_t attributes = STEP_API | MOUNT_ATTR_RDONLY;
	struct step *step;

	p->reason = "masked paths";
	for (size_t i = 0; i < ARRAY_SIZE(proc_masked); i++)
		cover(p, "/run/host/inaccessible/reg", proc_masked[i], STEP_OPTIONAL);
	if (!p->userns) {
		for (size_t i = 0; i < ARRAY_SIZE(host_masked); i++)
			cover(p, "/run/host/inaccessible/reg", host_masked[i], STEP_OPTIONAL);
		cover(p, "/run/host/inaccessible/dir", "/sys/firmware", STEP_OPTIONAL);
	}
	p->reason = "read-only paths";
	for (size_t i = 0; i < ARRAY_SIZE(proc_read_only); i++) {
		step = step_bind_inside(p, proc_read_only[i], proc_read_only[i], attributes);
		step->flags |= STEP_OPTIONAL;
	}
}

static void add_proc(struct planner *p)
{
	if (p->spec->api_vfs != API_VFS_WRITABLE) {
		add_proc_sys(p);
		add_proc_restrictions(p);
	}
	p->reason = "a boot id for every start";
	cover(p, "/run/host/proc-sys-kernel-random-boot-id", "/proc/sys/kernel/random/boot_id",
	      STEP_WARN);
	p->reason = "the kernel's log is the host's";
	cover(p, "/run/host/proc-kmsg", "/proc/kmsg", STEP_OPTIONAL);
}

static void add_payload_sys(struct planner *p)
{
	uint64_t attributes = STEP_API | sys_read_only(p);

	p->reason = "API file systems";
	if (!sys_reduced(p)) {
		if (p->own_network)
			step_mount(p, "sysfs", "/sys", NULL, attributes);
		return;
	}
	/* The whole lies for a moment in the host's tree, with which it goes.
	 * Nested in a container that hides parts of sysfs it cannot be; most systems do without. */
	step_mount(p, "sysfs", "/sys", NULL, attributes)->flags |= STEP_WARN | STEP_STAGE;
	for (size_t i = 0; i < ARRAY_SIZE(sysfs_parts); i++) {
		struct step *step;

		step = step_bind(p, arena_format(p->arena, "/%s", sysfs_parts[i]),
				 arena_format(p->arena, "/sys/%s", sysfs_parts[i]), attributes);
		step->flags |= STEP_SOURCE_STAGED | STEP_INHERITS | STEP_OPTIONAL;
	}
}

static void add_payload_cgroup(struct planner *p)
{
	struct step *step;

	if (p->spec->no_cgroup_namespace)
		return;

	/* No options: they would be ignored in a cgroup namespace other than the first. */
	step = step_mount(p, "cgroup2", "/sys/fs/cgroup", NULL, STEP_API);
	if (p->taken->cgroup == CGROUP_NONE) {
		/* The cgroup is shared with others outside. */
		step->attributes |= MOUNT_ATTR_RDONLY;
		step->flags |= STEP_OPTIONAL;
	}
}

void api_fs_payload(struct planner *p)
{
	p->reason = "API file systems";
	step_mount(p, "proc", "/proc", NULL, STEP_API)->flags |= STEP_FOLLOW;
	add_payload_sys(p);
	/* The host's proc and sysfs had to be in sight until here. */
	p->reason = "nothing of the host is in reach";
	step_add(p, STEP_LEAVE, NULL);
	/* Whatever covers a part of /proc keeps containers inside from mounting a fresh one. */
	if (!p->skip_proc_masks)
		add_proc(p);
	p->reason = "API file systems";
	add_payload_cgroup(p);
	step_mount(p, "mqueue", "/dev/mqueue", NULL, STEP_API)->flags |= STEP_OPTIONAL;
}
