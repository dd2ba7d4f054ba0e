/* engine/apply-mounts - new file systems, binds, attributes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "engine/apply-idmap.h"
#include "engine/apply-step.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/resolve.h"
#include "kernel/syscall.h"
#include "plan/plan.h"

int apply_attach(struct apply *apply, const struct step *step, int tree_fd, bool is_dir)
{
	autoclose int target = -EBADF;
	int r;

	target = resolve_make_target(apply->root_fd, step->target, is_dir, NULL);
	if (target == -ENOTDIR || target == -EISDIR)
		return fail_plain(
			target,
			"'%s' in the container is %s directory, but what is mounted there is %s",
			step->target, is_dir ? "no" : "a", is_dir ? "one" : "none");
	if (target < 0)
		return target;
	if ((step->flags & STEP_UNLESS_MOUNTED) && mount_is_point(target) > 0)
		return 0;
	r = mount_attach(tree_fd, target);
	if (r < 0)
		return r;
	apply_forget_parent(apply);
	return 0;
}

int apply_mount(struct apply *apply, const struct step *step)
{
	autoclose int tree = -EBADF;
	int r;

	tree = mount_create(step->source, step->source, step->data, step->attributes);
	if (tree < 0 && (step->flags & STEP_ELSE_BIND)) {
		tree = mount_clone(AT_FDCWD, step->target, true);
		if (tree < 0)
			return tree;
		r = mount_restrict(tree, step->attributes, 0, true);
		if (r < 0)
			return r;
	}
	if (tree < 0)
		return tree;
	if (step->flags & STEP_STAGE) {
		r = mount_attach(tree, apply->stage_fd);
		if (r >= 0)
			apply->staged_fd = take_fd(&tree);
		return r;
	}
	r = apply_attach(apply, step, tree, true);
	if (r < 0)
		return r;
	if (strcmp(step->source, "devpts") == 0 && apply->devpts_fd < 0)
		apply->devpts_fd = take_fd(&tree);
	return 0;
}

/* --inaccessible=: a node of the same type as what it hides. */
static int matching_node(struct apply *apply, const struct step *step, const char **ret)
{
	autoclose int target = -EBADF;
	const char *name = "sock";
	struct stat info;

	target = resolve_open(apply->root_fd, step->target, O_PATH);
	if (target < 0)
		return target;
	if (fstat(target, &info) < 0)
		return -errno;
	if (S_ISREG(info.st_mode))
		name = "reg";
	else if (S_ISDIR(info.st_mode))
		name = "dir";
	else if (S_ISFIFO(info.st_mode))
		name = "fifo";
	*ret = arena_format(apply->arena, "%s/%s", step->source, name);
	return 0;
}

/* Sources that are opened by kernel/resolve, which returns its errno. */
#define INSIDE (STEP_SOURCE_IN_CONTAINER | STEP_SOURCE_IN_TREE | STEP_MATCH_TYPE)

/* The source of a bind: a host path, a path in the tree ("+"), or one that the container sees. */
static int clone_source(struct apply *apply, const struct step *step, struct stat *ret_info)
{
	autoclose int inside = -EBADF;
	const char *path = step->source;
	int tree;

	if (step->flags & STEP_MATCH_TYPE) {
		int r = matching_node(apply, step, &path);

		if (r < 0)
			return r;
		inside = resolve_open(apply->root_fd, path, O_PATH);
	} else if (step->flags & STEP_SOURCE_IN_CONTAINER) {
		inside = resolve_open(apply->root_fd, path, O_PATH);
	} else if (step->flags & STEP_SOURCE_IN_TREE) {
		inside = resolve_open(apply->source_root_fd, path, O_PATH);
	} else if (step->flags & STEP_TEMPORARY_SOURCE) {
		char *made;
		int r = apply->make_temporary(apply->context, &made);

		if (r < 0)
			return r;
		path = made;
		inside = open(path, O_PATH | O_CLOEXEC);
	} else {
		inside = open(path, O_PATH | O_CLOEXEC);
	}
	if (inside < 0)
		return step->flags & INSIDE ? inside : -errno;
	if (fstat(inside, ret_info) < 0)
		return -errno;
	tree = mount_clone(inside, "", step->flags & STEP_RECURSIVE);
	return tree;
}

static void warn_about_owner(struct apply *apply, const struct step *step, const struct stat *info)
{
	if (step->mount == NULL || apply->userns_fd < 0 || step->idmap != IDMAP_NONE ||
	    !apply->can_map)
		return;
	if (info->st_uid >= apply->base && info->st_uid - apply->base < apply->range)
		return;
	log_warning("'%s' belongs to user %u, whom the container does not know: inside it is shown "
		    "as nobody's; "
		    "append ':owneridmap' to show it as its mount point's owner's, ':rootidmap' as "
		    "root's, "
		    "':idmap' to show all ids as they are",
		    step->source, (unsigned int)info->st_uid);
}

/* Device nodes that lie in a bound directory by chance or by somebody's plan are of no use (class
 * S34); those of /dev are what is bound there for. */
static uint64_t hide_devices(const struct apply *apply, const struct step *step,
			     const struct stat *info)
{
	if (step->mount == NULL || apply->userns_fd < 0 || !S_ISDIR(info->st_mode))
		return 0;
	return step->source != NULL && path_is_below(step->source, "/dev") ? 0 : MOUNT_ATTR_NODEV;
}

/* The source of a cover, kept open for the next step: several hide behind one node. */
static int open_cover(struct apply *apply, const struct step *step)
{
	int fd;

	if (apply->cover_fd >= 0 && strcmp(apply->cover_source, step->source) == 0)
		return apply->cover_fd;
	fd = resolve_open(apply->root_fd, step->source, O_PATH);
	if (fd < 0)
		return fd;
	fd_close(&apply->cover_fd);
	apply->cover_source = step->source;
	apply->cover_fd = fd;
	return fd;
}

/* Binds within the container, of which there are many in each start, need no more than this: the
 * target is there, or there is nothing to cover. */
static int cover(struct apply *apply, const struct step *step)
{
	bool recursive = step->flags & STEP_RECURSIVE;
	autoclose int target = -EBADF;
	autoclose int tree = -EBADF;
	int source, r;

	target = resolve_open(apply->root_fd, step->target, O_PATH);
	if (target < 0)
		return target;
	if (step->flags & STEP_SOURCE_STAGED) {
		/* sysfs: nobody has put a link there. */
		tree = mount_clone(apply->staged_fd, step->source + 1, recursive);
	} else {
		source = strcmp(step->source, step->target) == 0 ? target : open_cover(apply, step);
		tree = source < 0 ? source : mount_clone(source, "", recursive);
	}
	if (tree < 0)
		return tree;
	if (step->attributes != 0 && !(step->flags & STEP_INHERITS)) {
		r = mount_restrict(tree, step->attributes, 0, recursive);
		if (r < 0)
			return r;
	}
	r = mount_attach(tree, target);
	if (r >= 0)
		apply_forget_parent(apply);
	return r;
}

int apply_bind(struct apply *apply, const struct step *step)
{
	struct stat info = { 0 };
	autoclose int tree = -EBADF;
	uint64_t attributes;
	int r;

	if (step->mount == NULL && (step->flags & (STEP_SOURCE_IN_CONTAINER | STEP_SOURCE_STAGED)))
		return cover(apply, step);
	tree = clone_source(apply, step, &info);
	if (tree == -ENOENT && step->mount != NULL && fail_recorded()->code == 0)
		return fail(tree, "cannot find '%s' %s", step->source,
			    step->mount->source_in_tree ? "in the tree" : "on the host");
	if (tree < 0)
		return tree;
	if (step->idmap != IDMAP_NONE) {
		r = apply_idmap_bind(apply, step, tree, &info);
		if (r < 0)
			return r;
	}
	warn_about_owner(apply, step, &info);
	attributes = step->attributes | hide_devices(apply, step, &info);
	if (attributes != 0 && !(step->flags & STEP_INHERITS)) {
		r = mount_restrict(tree, attributes, 0, step->flags & STEP_RECURSIVE);
		if (r < 0)
			return r;
	}
	if (strcmp(step->target, "/") == 0 && step->side == SIDE_HOST)
		return apply_stack(apply, &tree);
	r = apply_attach(apply, step, tree, S_ISDIR(info.st_mode));
	if (r < 0 && (step->flags & STEP_ELSE_COPY) && S_ISREG(info.st_mode))
		return apply_copy_file(apply, step);
	return r;
}

int apply_restrict(struct apply *apply, const struct step *step)
{
	autoclose int target = -EBADF;

	target = resolve_open(apply->root_fd, step->target, O_PATH);
	if (target < 0)
		return target;
	return mount_restrict(target, step->attributes, 0, step->flags & STEP_RECURSIVE);
}

/* mount_too_revealing() in fs/namespace.c of the kernel: a fresh proc or sysfs in a user
 * namespace needs a fully visible one in sight. The host's may have mounts on it, so new ones go on
 * top of them in the private namespace; the payload drops them with the rest of the host's tree. */
int apply_pins(struct apply *apply, const struct step *step)
{
	static const struct {
		const char *type, *path;
	} pins[] = { { "proc", "/proc" }, { "sysfs", "/sys" } };

	(void)apply;
	for (size_t i = 0; i < ARRAY_SIZE(pins); i++) {
		autoclose int tree = -EBADF;
		autoclose int target = -EBADF;
		int r;

		if (step->data != NULL && strstr(step->data, pins[i].type) == NULL)
			continue;
		tree = mount_create(pins[i].type, NULL, NULL, 0);
		if (tree < 0)
			return tree;
		target = open(pins[i].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (target < 0)
			return -errno;
		r = mount_attach(tree, target);
		if (r < 0)
			return r;
	}
	return 0;
}
