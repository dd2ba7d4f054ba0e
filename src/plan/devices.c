#include "plan/devices.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "plan/step.h"

#define TTY_GROUP 5

struct link_row {
	const char *target, *text;
};

static const struct link_row links[] = {
	{ "/dev/fd", "/proc/self/fd" },	      { "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
	{ "/dev/core", "/proc/kcore" },	      { "/dev/ptmx", "pts/ptmx" },
};

/* makedev(3) as a constant expression, for the small numbers of linux/miscdevice.h. */
#define MISC_DEVICE(minor) (10 << 8 | (minor))

static const struct host_device device_fuse = { "/dev/fuse", 0666, MISC_DEVICE(229) };
static const struct host_device device_tun = { "/dev/net/tun", 0666, MISC_DEVICE(200) };

static void add_node(struct planner *p, const struct host_device *device)
{
	struct step *step;

	if (p->rootless) {
		/* mknod(2) is refused in every user namespace but the first. */
		step_bind(p, device->path, device->path, 0)->flags |= STEP_INHERITS;
	} else {
		step = step_add(p, STEP_NODE, device->path);
		step->source = device->path;
		step->data = "chr";
		step->mode = device->mode & 07777;
		step->device = device->device;
	}
	step_link(p,
		  arena_format(p->arena, "/dev/char/%u:%u", major(device->device),
			       minor(device->device)),
		  arena_format(p->arena, "..%s", device->path + strlen("/dev")));
}

static const char *pts_options(struct planner *p)
{
	const char *options = "newinstance,ptmxmode=0666,mode=0620";
	bool mapped = true;

	if (p->taken->userns == RUNG_SINGLE)
		mapped = false;
	else if (p->taken->userns == RUNG_SUBORDINATE)
		mapped = p->taken->subordinate_gid5;
	else if (p->userns)
		mapped = p->taken->range > TTY_GROUP;

	if (mapped)
		options = arena_format(p->arena, "%s,gid=%u", options, p->mount_base + TTY_GROUP);
	if (p->spec->selinux_apifs_context)
		options = arena_format(p->arena, "%s,context=\"%s\"", options,
				       p->spec->selinux_apifs_context);
	return options;
}

void devices_add(struct planner *p)
{
	p->reason = "device nodes";
	step_dir(p, "/dev/char", 0755);
	for (size_t i = 0; i < ARRAY_SIZE(p->host->devices); i++)
		if (p->host->devices[i].path)
			add_node(p, &p->host->devices[i]);
	if (p->host->has_fuse)
		add_node(p, &device_fuse);
	if (p->host->has_tun) {
		step_dir(p, "/dev/net", 0755);
		add_node(p, &device_tun);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		step_link(p, links[i].target, links[i].text);

	step_mount(p, "devpts", "/dev/pts", pts_options(p), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

void devices_console(struct planner *p)
{
	if (p->spec->console == CONSOLE_PIPE)
		return;
	p->reason = step_said(p, GROUP_CONSOLE, "--console=");
	step_add(p, STEP_CONSOLE, "/dev/console");
}

static const char *rule(struct planner *p, const char *rules, const struct host_device *device,
			const char *access)
{
	return arena_format(p->arena, "%s%s%c %u:%u %s", rules, *rules ? ", " : "",
			    S_ISBLK(device->mode) ? 'b' : 'c', major(device->device),
			    minor(device->device), access);
}

/* --bind= of a device node is the wish that it can be opened; never that it can be made. */
static const char *bound_rules(struct planner *p, const char *rules)
{
	for (size_t i = 0; i < p->spec->mounts.count; i++) {
		const struct custom_mount *mount = &p->spec->mounts.items[i];

		if (mount->kind != MOUNT_BIND || mount->source_in_tree)
			continue;
		for (size_t j = 0; j < p->host->bound_devices_count; j++)
			if (text_equal(p->host->bound_devices[j].path, mount->source))
				rules = rule(p, rules, &p->host->bound_devices[j],
					     mount->read_only ? "r" : "rw");
	}
	return rules;
}

static bool is_unfiltered(const struct planner *p)
{
	return !p->userns && p->taken->cgroup == CGROUP_NONE;
}

uint64_t devices_safe_capabilities(const struct planner *p, uint64_t kept)
{
	const uint64_t mknod = UINT64_C(1) << CAP_MKNOD;

	if (!is_unfiltered(p))
		return kept;
	return kept & ~(mknod & ~(p->spec->capability_plus | p->spec->capability_ambient));
}

void devices_filter(struct planner *p)
{
	const struct host_device *devices = p->host->devices;
	const char *rules = "";

	if (p->userns || is_unfiltered(p))
		return;

	for (size_t i = 0; i < ARRAY_SIZE(p->host->devices); i++)
		if (devices[i].path)
			rules = rule(p, rules, &devices[i], "rwm");
	if (p->host->has_fuse)
		rules = rule(p, rules, &device_fuse, "rwm");
	if (p->host->has_tun)
		rules = rule(p, rules, &device_tun, "rwm");
	/* ptmx, and the slaves of every devpts (majors 136 to 143) */
	rules = arena_format(p->arena, "%s%sc 5:2 rwm, c 136-143:* rw", rules, *rules ? ", " : "");
	rules = bound_rules(p, rules);

	p->reason = "no user namespace: devices are closed but these";
	step_add(p, STEP_DEVICE_FILTER, p->taken->cgroup_path)->data = rules;
}
