/* engine/apply-overlay - the user's --overlay= and --overlay-ro=. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "engine/apply-step.h"
#include "engine/root.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/resolve.h"
#include "plan/plan.h"

#define LAYERS_MAX 500 /* fs/overlayfs: OVL_MAX_STACK */

/* A layer is cloned, its owners are mapped (an overlay as a whole cannot be), and it is attached
 * below the roots, where overlayfs accepts it. */
static int open_layer(struct apply *apply, const char *path, bool in_tree)
{
	autoclose int directory = -EBADF;
	autoclose int tree = -EBADF;
	int r;

	if (in_tree)
		directory = resolve_open(apply->source_root_fd, path, O_PATH | O_DIRECTORY);
	else
		directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fail(in_tree ? directory : -errno, "cannot open the layer '%s'", path);
	tree = mount_clone(directory, "", false);
	if (tree < 0)
		return fail(tree, "cannot clone the layer '%s'", path);
	/* What is stacked of layers has their owners. */
	if (in_tree && apply->root->facts.layers == NULL) {
		r = apply_map(apply, tree, path, false);
		if (r < 0)
			return r;
	}
	r = mount_attach(tree, apply->at_fd);
	if (r < 0)
		return fail(r, "cannot attach the layer '%s'", path);
	return take_fd(&tree);
}

/* Upper and work directory must lie in one mount: their parent is the layer. All are named to the
 * kernel by descriptor, since a comma or colon in a path would be taken for its own. */
struct writable {
	int parent, upper, work;
};

static int open_work(struct apply *apply, const char *path, bool in_tree, struct writable *writable)
{
	const char *name;
	char *full;
	int r;

	/* In the tree the path is not one of the host, so nothing could be noted: the name says
	 * whose it is. */
	if (in_tree) {
		name = arena_format(apply->arena, ".#%.200s.redd-work", strrchr(path, '/') + 1);
	} else {
		r = apply->plan_temporary(apply->context, path, &full);
		if (r < 0)
			return r;
		name = strrchr(full, '/') + 1;
	}
	if (mkdirat(writable->parent, name, 0700) < 0 && (!in_tree || errno != EEXIST))
		return fail(-errno, "cannot make a work directory beside '%s'", path);
	writable->work = openat(writable->parent, name,
				O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return writable->work < 0 ? fail(-errno, "cannot open the work directory beside '%s'", path)
				  : 0;
}

static int open_upper(struct apply *apply, const char *path, bool in_tree, struct writable *ret)
{
	const char *slash = strrchr(path, '/');
	autoclose int there = -EBADF;
	int r;

	if (!in_tree) {
		r = dir_make_all(path, 0755);
		if (r < 0)
			return fail(r, "cannot make the upper layer '%s'", path);
		there = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (there < 0)
			return fail(-errno, "cannot open the upper layer '%s'", path);
		if (mount_is_point(there) > 0)
			return fail_plain(
				-EBUSY,
				"cannot use '%s' as the upper layer: something is mounted "
				"there, and a work directory must lie beside it in the "
				"same file system (name a directory inside of it)",
				path);
	}
	ret->parent = open_layer(apply,
				 slash == path
					 ? "/"
					 : arena_text_n(apply->arena, path, (size_t)(slash - path)),
				 in_tree);
	if (ret->parent < 0)
		return ret->parent;
	if (in_tree && mkdirat(ret->parent, slash + 1, 0755) < 0 && errno != EEXIST)
		return fail(-errno, "cannot make '%s' in the tree", path);
	ret->upper = openat(ret->parent, slash + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ret->upper < 0)
		return fail(-errno, "cannot open the upper layer '%s'", path);
	return open_work(apply, path, in_tree, ret);
}

/* Read-only, the upper is one layer more, on top. */
static int open_top(struct apply *apply, const struct custom_mount *mount, struct writable *ret)
{
	const char *path = mount->source;
	char *made;
	int r;

	if (path == NULL) {
		r = apply->make_temporary(apply->context, &made);
		if (r < 0)
			return r;
		path = made;
	}
	if (!mount->read_only)
		return open_upper(apply, path, mount->source_in_tree, ret);
	ret->upper = open_layer(apply, path, mount->source_in_tree);
	return ret->upper < 0 ? ret->upper : 0;
}

static char *lower_option(struct apply *apply, const struct custom_mount *mount, int *fds,
			  size_t *ret_count)
{
	char *option = arena_text(apply->arena, "");

	/* The user's leftmost is the bottom; the kernel's leftmost is the top. */
	for (size_t i = mount->lowers.count; i > 0; i--) {
		bool in_tree = mount->lower_in_tree != NULL && mount->lower_in_tree[i - 1];
		int fd = open_layer(apply, mount->lowers.items[i - 1], in_tree);

		if (fd < 0)
			return NULL;
		fds[(*ret_count)++] = fd;
		option = arena_format(apply->arena, "%s%s/proc/self/fd/%d", option,
				      option[0] == '\0' ? "" : ":", fd);
	}
	return option;
}

int apply_overlay(struct apply *apply, const struct step *step)
{
	const struct custom_mount *mount = step->mount;
	struct writable top = { -EBADF, -EBADF, -EBADF };
	autoclose int overlay = -EBADF;
	char *lowers, *options;
	int *fds, r;
	size_t count = 0;

	if (mount->lowers.count > LAYERS_MAX)
		return fail_plain(-E2BIG, "cannot make an overlay of more than %d layers",
				  LAYERS_MAX);
	fds = arena_take_array(apply->arena, mount->lowers.count + 1, sizeof(int));
	lowers = lower_option(apply, mount, fds, &count);
	if (lowers == NULL) {
		r = fail_recorded()->code;
		goto out;
	}
	r = open_top(apply, mount, &top);
	if (r < 0)
		goto out;
	if (mount->read_only)
		options = arena_format(apply->arena, "lowerdir=/proc/self/fd/%d:%s", top.upper,
				       lowers);
	else
		options = arena_format(
			apply->arena,
			"lowerdir=%s,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d", lowers,
			top.upper, top.work);
	overlay = mount_create("overlay", "overlay", options, step->attributes);
	if (overlay < 0)
		r = fail(overlay, "cannot make an overlay");
	else if (strcmp(step->target, "/") == 0)
		r = apply_stack(apply, &overlay);
	else
		r = apply_attach(apply, step, overlay, true);
out:
	for (size_t i = 0; i < count; i++)
		fd_close(&fds[i]);
	fd_close(&top.parent);
	fd_close(&top.upper);
	fd_close(&top.work);
	return r;
}
