/* engine/apply-root - what the container will see as "/".
 *
 * Roots are stacked on one directory of the private namespace: what lies below
 * is still reachable by descriptor (as an overlay's layer), and goes away with
 * the host's tree when the payload leaves it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "engine/apply-step.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/mountinfo.h"
#include "kernel/ownership.h"
#include "kernel/resolve.h"
#include "kernel/syscall.h"
#include "plan/plan.h"

/* Which mount of the tree cannot map owners? Asked only after one refused. */
static const char *find_unmappable(struct apply *apply, const char *path)
{
	struct mountinfo_list mounts;

	if (mountinfo_read(apply->arena, &mounts) < 0)
		return path;
	for (size_t i = 0; i < mounts.count; i++) {
		const char *at = mounts.items[i].target;
		autoclose int tree = -EBADF;

		if (!path_is_below(at, path))
			continue;
		tree = mount_clone(AT_FDCWD, at, false);
		if (tree >= 0 && mount_map_ids(tree, apply->tree_map_fd, false) < 0)
			return arena_format(apply->arena, "%s (%s)", at, mounts.items[i].type);
	}
	return path;
}

int apply_map(struct apply *apply, int tree_fd, const char *path, bool recursive)
{
	int r;

	if (!apply->map_tree)
		return 0;
	r = mount_map_ids(tree_fd, apply->tree_map_fd, recursive);
	if (r >= 0)
		return 0;
	if (r == -ENOSYS)
		return fail_plain(
			r,
			"cannot map the owners of '%s': this kernel has no idmapped mounts "
			"(Redd needs Linux 5.15; try --private-users=no)",
			path);
	if (r == -EINVAL || r == -EPERM)
		return fail_plain(r,
				  "the file system at '%s' cannot map owners for a user namespace "
				  "(try --private-users-ownership=chown to give the files to the "
				  "container's range, "
				  "or --private-users=no to run without a user namespace)",
				  find_unmappable(apply, path));
	return fail(r, "cannot map the owners of '%s'", path);
}

int apply_stack(struct apply *apply, int *tree)
{
	int r;

	r = mount_attach(*tree, apply->at_fd);
	if (r < 0)
		return fail(r, "cannot attach the container's tree in the private mount namespace");
	return apply_take_root(apply, take_fd(tree));
}

int apply_root(struct apply *apply, const struct step *step)
{
	bool recursive = step->flags & STEP_RECURSIVE;
	autoclose int tree = -EBADF;
	int r;

	tree = mount_clone(apply->source_root_fd, "", recursive);
	if (tree < 0)
		return fail(tree, "cannot clone the tree at '%s'", step->source);
	r = apply_map(apply, tree, step->source, recursive);
	if (r < 0)
		return r;
	if (step->attributes != 0) {
		r = mount_restrict(tree, step->attributes, 0, recursive);
		if (r < 0)
			return r;
	}
	return apply_stack(apply, &tree);
}

int apply_volatile_root(struct apply *apply, const struct step *step)
{
	autoclose int root = -EBADF;
	autoclose int usr = -EBADF;
	autoclose int tree = -EBADF;
	autoclose int target = -EBADF;
	struct stat info;
	int r;

	if (fstatat(apply->root_fd, "bin", &info, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(info.st_mode))
		return fail_plain(
			-EISDIR,
			"'/bin' of the tree is a directory, but --volatile=yes keeps only /usr "
			"(merge /bin into /usr, or try --volatile=overlay)");
	usr = resolve_open(apply->root_fd, "/usr", O_PATH | O_DIRECTORY);
	if (usr < 0)
		return fail(usr, "cannot open '/usr' of the tree");
	tree = mount_clone(usr, "", true);
	if (tree < 0)
		return fail(tree, "cannot clone '/usr' of the tree");
	r = mount_restrict(tree, MOUNT_ATTR_RDONLY, 0, true);
	if (r < 0)
		return r;

	root = mount_create("tmpfs", "tmpfs", step->data, step->attributes);
	if (root < 0)
		return fail(root, "cannot make a tmpfs for the volatile root");
	if (mkdirat(root, "usr", 0755) < 0)
		return -errno;
	r = apply_stack(apply, &root);
	if (r < 0)
		return r;
	target = openat(apply->root_fd, "usr", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return -errno;
	return mount_attach(tree, target);
}

const char *apply_unsynced(int changes)
{
	unlinkat(changes, "work/work/incompat/volatile/dirty", 0);
	unlinkat(changes, "work/work/incompat/volatile", AT_REMOVEDIR);
	return ",volatile";
}

int apply_root_overlay(struct apply *apply, const struct step *step)
{
	autoclose int upper = -EBADF;
	autoclose int overlay = -EBADF;
	char options[160];
	int lower = apply->root_fd;
	struct stat info;
	int r;

	if (step->source == NULL) {
		upper = mount_create("tmpfs", "tmpfs", step->data, 0);
		if (upper < 0)
			return fail(upper, "cannot make a tmpfs for the changes");
		if (mkdirat(upper, "upper", 0755) < 0 || mkdirat(upper, "work", 0755) < 0)
			return -errno;
	} else {
		upper = mount_clone(AT_FDCWD, step->source, false);
		if (upper < 0)
			return fail(upper, "cannot clone '%s'", step->source);
		r = apply_map(apply, upper, step->source, false);
		if (r < 0)
			return r;
	}
	/* The new root shows the old root directory's owner and mode. */
	if (fstat(lower, &info) < 0 || fchownat(upper, "upper", info.st_uid, info.st_gid, 0) < 0 ||
	    fchmodat(upper, "upper", info.st_mode & 07777, 0) < 0)
		return fail(-errno, "cannot give the overlay's directory the owner of the tree");
	/* overlayfs takes layers that are attached to the caller's namespace only. */
	r = mount_attach(upper, apply->at_fd);
	if (r < 0)
		return fail(r, "cannot attach the overlay's upper layer");

	snprintf(options, sizeof(options),
		 "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d/upper,workdir=/proc/self/fd/"
		 "%d/work%s",
		 lower, upper, upper, apply_unsynced(upper));
	overlay = mount_create("overlay", "overlay", options, step->attributes);
	if (overlay < 0)
		return fail_plain(
			overlay,
			"cannot make an overlay on the tree: %s (the file system of the tree or of "
			"the changes cannot be a layer; try --volatile=yes)",
			strerror(-overlay));
	return apply_stack(apply, &overlay);
}

int apply_pivot_tree(struct apply *apply, const struct step *step)
{
	autoclose int inside = -EBADF;
	autoclose int tree = -EBADF;
	autoclose int old = -EBADF;
	autoclose int target = -EBADF;
	int r;

	inside = resolve_open(apply->root_fd, step->source, O_PATH | O_DIRECTORY);
	if (inside < 0)
		return fail(inside, "cannot open '%s' in the tree", step->source);
	tree = mount_clone(inside, "", true);
	if (tree < 0)
		return tree;
	if (step->target != NULL) {
		old = mount_clone(apply->root_fd, "", true);
		if (old < 0)
			return old;
	}
	r = apply_stack(apply, &tree);
	if (r < 0 || step->target == NULL)
		return r;
	target = resolve_make_dir(apply->root_fd, step->target, 0755, NULL);
	if (target < 0)
		return target;
	return mount_attach(old, target);
}

int apply_chown_tree(struct apply *apply, const struct step *step)
{
	int r;

	(void)step;
	r = ownership_shift(apply->source_root_fd, apply->base, apply->range);
	if (r < 0)
		return fail(r, "cannot give the files of the tree to the container's range");
	return 0;
}
