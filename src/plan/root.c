#include "plan/root.h"

#include <inttypes.h>
#include <sys/mount.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/disk.h"
#include "plan/mounts.h"
#include "plan/step.h"

#define VOLATILE_OPTIONS "mode=0755,size=25%,nr_inodes=1m"

struct skeleton_row {
	const char *path;
	const char *link;     /* a symbolic link to this, if it is there */
	size_t has, link_has; /* offsets in struct root_facts */
	mode_t mode;
};

#define HAS(name) offsetof(struct root_facts, name)

static const struct skeleton_row skeleton[] = {
	{ "/bin", "usr/bin", HAS(has_bin), HAS(usr_bin), 0 },
	{ "/lib", "usr/lib", HAS(has_lib), HAS(usr_lib), 0 },
	{ "/root", NULL, HAS(has_root), 0, 0750 },
	{ "/sbin", "usr/sbin", HAS(has_sbin), HAS(usr_sbin), 0 },
	{ "/usr", NULL, HAS(has_usr), 0, 0755 },
	{ "/var", NULL, HAS(has_var), 0, 0755 },
	{ "/etc", NULL, HAS(has_etc), 0, 0755 },
	{ "/proc", NULL, HAS(has_proc), 0, 0555 },
	{ "/sys", NULL, HAS(has_sys), 0, 0555 },
	{ "/dev", NULL, HAS(has_dev), 0, 0555 },
	{ "/run", NULL, HAS(has_run), 0, 0555 },
};

static bool fact(const struct planner *p, size_t offset)
{
	return *(const bool *)((const char *)p->root + offset);
}

static void add_lib64(struct planner *p, bool empty)
{
	struct step *step;

	if (!p->root->has_loader || (!empty && p->root->has_lib64))
		return;
	step = step_link(p, "/lib64", p->root->loader_in_lib64 ? "usr/lib64" : "usr/lib");
	step->flags |= STEP_OPTIONAL | STEP_UNLESS_EXISTS;
}

/* A root that was just made has nothing but /usr. */
static void add_skeleton(struct planner *p, bool empty)
{
	p->reason = "directories that every system has";
	for (size_t i = 0; i < ARRAY_SIZE(skeleton); i++) {
		const struct skeleton_row *row = &skeleton[i];
		struct step *step;

		if (empty ? text_equal(row->path, "/usr") : fact(p, row->has))
			continue;
		if (row->link && !fact(p, row->link_has))
			continue;
		step = row->link ? step_link(p, row->path, row->link)
				 : step_dir(p, row->path, row->mode);
		/* If it cannot be written, what is really needed is missed later, by name. */
		step->flags |= STEP_OPTIONAL | STEP_UNLESS_EXISTS;
	}
	add_lib64(p, empty);
}

/* Device nodes that came with an image are nobody's promise. Without a user namespace the cgroup
 * says which of them open, because a container may make its own then. */
static uint64_t image_attributes(const struct planner *p)
{
	return p->userns ? MOUNT_ATTR_NODEV : 0;
}

static struct step *add_layers(struct planner *p)
{
	struct step *step = step_add(p, STEP_LAYERS, "/");
	const char *changes = NULL;

	if (p->root->ephemeral_upper && p->spec->volatile_mode == VOLATILE_NO) {
		step->number = LAYERS_EPHEMERAL;
		changes = p->root->ephemeral_upper;
	} else if (p->root->changes && !p->read_only && p->spec->volatile_mode == VOLATILE_NO) {
		step->number = LAYERS_WRITABLE;
		changes = p->root->changes;
	}
	step->data = arena_format(p->arena, "%zu layers%s%s", p->root->layers->count,
				  changes ? ", changes in " : "", changes ? changes : "");
	return step;
}

static void add_tree(struct planner *p)
{
	struct step *step;

	p->reason = step_said(p, GROUP_DIRECTORY, p->root->disk ? "--image=" : "--directory=");
	step = p->root->layers ? add_layers(p) : step_add(p, STEP_ROOT, "/");
	step->source = p->root->path;
	/* The host's own tree has the host's API file systems in it. */
	if (!text_equal(p->root->path, "/") && !p->root->layers)
		step->flags |= STEP_RECURSIVE;
	step->attributes = image_attributes(p);
	if (p->taken->userns == RUNG_IDMAPPED && p->taken->ownership_map)
		step->idmap = IDMAP_FULL;
	step_mounted(p, "/", false);
}

static void add_pivot(struct planner *p)
{
	struct step *step;

	if (!p->spec->pivot_root_new || text_equal(p->spec->pivot_root_new, "/"))
		return;
	p->reason = step_said(p, GROUP_PIVOT_ROOT, "--pivot-root=");
	step = step_add(p, STEP_PIVOT_TREE, p->spec->pivot_root_old);
	step->source = p->spec->pivot_root_new;
}

static void add_upper(struct planner *p)
{
	struct step *step;

	p->reason = step_said(p, GROUP_VOLATILE, "--volatile=");
	switch (p->spec->volatile_mode) {
	case VOLATILE_YES:
		step = step_add(p, STEP_VOLATILE_ROOT, "/");
		step->data = step_tmpfs_options(p, VOLATILE_OPTIONS);
		step->attributes = MOUNT_ATTR_STRICTATIME | image_attributes(p);
		step_mounted(p, "/", true);
		step_mounted(p, "/usr", false);
		break;
	case VOLATILE_OVERLAY:
		step = step_add(p, STEP_ROOT_OVERLAY, "/");
		step->data = step_tmpfs_options(p, VOLATILE_OPTIONS);
		step->attributes = image_attributes(p);
		break;
	case VOLATILE_NO:
		if (!p->root->ephemeral_upper || p->root->layers)
			break; /* nothing to change, or where to is said with the layers */
		p->reason = step_said(p, GROUP_EPHEMERAL, "--ephemeral");
		step = step_add(p, STEP_ROOT_OVERLAY, "/");
		step->source = p->root->ephemeral_upper;
		step->attributes = image_attributes(p);
		break;
	case VOLATILE_STATE: break;
	}
}

static void add_state(struct planner *p)
{
	p->reason = step_said(p, GROUP_VOLATILE, "--volatile=");
	step_mount(p, "tmpfs", "/var", step_tmpfs_options(p, VOLATILE_OPTIONS),
		   MOUNT_ATTR_STRICTATIME);
}

static int add_chown(struct planner *p)
{
	struct step *step;

	if (!p->taken->ownership_chown)
		return 0;
	if (p->root->layers)
		return fail_input("cannot give the files of '%s' to the container's range: others "
				  "may use its layers (leave out --private-users-ownership=)",
				  p->root->path);
	p->reason = step_said(p, GROUP_USERNS, "--private-users-ownership=");
	step = step_add(p, STEP_CHOWN_TREE, NULL);
	step->source = p->root->path;
	step->number = p->taken->range;
	return 0;
}

static void add_read_only(struct planner *p)
{
	struct step *step;

	if (!p->read_only)
		return;
	/* Nothing is to be made in the clone: it can be read-only from the start. */
	step = &p->plan->steps[p->plan->count - 1];
	if (step->kind == STEP_ROOT || step->kind == STEP_LAYERS) {
		step->attributes |= MOUNT_ATTR_RDONLY;
		return;
	}
	p->reason = p->spec->volatile_mode == VOLATILE_STATE
			    ? step_said(p, GROUP_VOLATILE, "--volatile=")
			    : step_said(p, GROUP_READ_ONLY, "--read-only");
	step = step_add(p, STEP_RESTRICT, "/");
	step->attributes = MOUNT_ATTR_RDONLY;
	step->flags |= STEP_RECURSIVE;
}

/* Mounted where nobody else sees it, before there is a payload; STEP_ROOT takes it from there. */
static void add_partitions(struct planner *p)
{
	p->reason = step_said(p, GROUP_DIRECTORY, "--image=");
	for (unsigned int role = 0; p->root->disk && role < DISK_ROLES; role++) {
		const struct disk_part *part = &p->root->disk->parts[role];
		const struct superblock_server *server = superblock_server(part->type);
		struct step *step;

		if (part->type == SUPERBLOCK_NONE)
			continue;
		step = step_add(p, STEP_PARTITION, disk_role_path(role));
		if (!step->target)
			step->target = disk_role_name(role);
		step->source = p->root->path;
		step->data = arena_format(p->arena, "%s offset=%" PRIu64 " size=%" PRIu64 "%s%s",
					  superblock_name(part->type), part->offset, part->size,
					  p->root->disk_served && server ? " by " : "",
					  p->root->disk_served && server ? server->program : "");
		if (part->read_only || p->root->read_only_medium)
			step->attributes = MOUNT_ATTR_RDONLY;
	}
}

/* An overlay covers one file system, and a fresh root none: what else the image has is shown again,
 * from the tree, and cannot be written. */
static void add_covered(struct planner *p)
{
	bool fresh = p->spec->volatile_mode == VOLATILE_YES;

	if (!p->root->disk || !(fresh || p->spec->volatile_mode == VOLATILE_OVERLAY))
		return;
	p->reason = step_said(p, GROUP_DIRECTORY, "--image=");
	for (unsigned int role = fresh ? DISK_HOME : DISK_USR; role < DISK_XBOOTLDR; role++) {
		struct step *step;

		if (p->root->disk->parts[role].type == SUPERBLOCK_NONE)
			continue;
		step = step_add(p, STEP_BIND, disk_role_path(role));
		step->source = step->target;
		step->flags |= STEP_SOURCE_IN_TREE;
		step->attributes = MOUNT_ATTR_RDONLY | image_attributes(p);
		if (p->taken->userns == RUNG_IDMAPPED && p->taken->ownership_map)
			step->idmap = IDMAP_FULL;
		step_mounted(p, step->target, false);
	}
}

void root_before(struct planner *p)
{
	struct step *step;

	if (!p->spec->no_lock) {
		p->reason = "one container at a time may write a tree";
		step_add(p, STEP_LOCK, NULL)->source = p->spec->directory ? p->spec->directory
									  : p->root->path;
	}
	if (p->root->snapshot_rung) {
		p->reason = p->spec->template ? "--template="
					      : step_said(p, GROUP_EPHEMERAL, "--ephemeral");
		step = step_add(p, STEP_SNAPSHOT, p->root->path);
		if (p->root->ephemeral_upper)
			step->target = p->root->ephemeral_upper;
		step->source = p->spec->template ? p->spec->template : p->spec->directory;
		if (p->root->disk) {
			step->source = p->root->path;
			step->target = p->root->ephemeral_upper;
		}
		step->data = p->root->snapshot_rung;
	}
	add_partitions(p);
}

int root_host(struct planner *p)
{
	int r;

	add_tree(p);
	add_pivot(p); /* volatile forms and everything else apply to the new tree */
	add_upper(p);
	add_covered(p);
	r = mounts_root(p); /* covers the tree: all below is made in what the user mounted */
	if (r < 0)
		return r;
	r = add_chown(p);
	if (r < 0)
		return r;
	add_skeleton(p, p->spec->volatile_mode == VOLATILE_YES);
	add_read_only(p); /* after the skeleton, or it could not be made */
	if (p->spec->volatile_mode == VOLATILE_STATE)
		add_state(p);
	return 0;
}
