/* engine/apply-layers - a tree that is stacked from the layers of an image.
 *
 * An overlay as a whole cannot be mapped, so each layer is cloned and its owners are mapped, and so
 * is the directory for changes. All are attached below the roots, where overlayfs accepts them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "engine/apply-step.h"
#include "engine/root.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "plan/plan.h"

struct pile {
	int *fds;
	size_t count;
	char *options;
};

/* "lowerdir=/proc/self/fd/7:/proc/self/fd/8": the kernel's first is the top */
static int pile_take(struct apply *apply, struct pile *pile, int *fd)
{
	int r = mount_attach(*fd, apply->at_fd);

	if (r < 0)
		return fail(r, "cannot attach a layer");
	pile->options = arena_format(apply->arena, "%s%s/proc/self/fd/%d",
				     pile->count ? pile->options : "",
				     pile->count ? ":" : "lowerdir=", *fd);
	pile->fds[pile->count++] = take_fd(fd);
	return 0;
}

static int clone_mapped(struct apply *apply, const char *path)
{
	autoclose int tree = mount_clone(AT_FDCWD, path, false);
	int r;

	if (tree < 0)
		return fail(tree, "cannot clone the layer '%s'", path);
	r = apply_map(apply, tree, path, false);
	return r < 0 ? r : take_fd(&tree);
}

static int pile_clone(struct apply *apply, struct pile *pile, const char *path)
{
	autoclose int tree = clone_mapped(apply, path);

	return tree < 0 ? tree : pile_take(apply, pile, &tree);
}

/* What must be there to be mounted on, at the bottom, where nothing can be made any more. An
 * overlay of nothing that changes wants two layers anyway. */
static int pile_ground(struct apply *apply, struct pile *pile)
{
	static const char *const names[] = { "dev", "proc", "run", "sys" };
	autoclose int tree = mount_create("tmpfs", "tmpfs", "mode=0755", 0);

	if (tree < 0)
		return fail(tree, "cannot make a tmpfs below the layers");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (mkdirat(tree, names[i], 0755) < 0)
			return -errno;
	return pile_take(apply, pile, &tree);
}

static int pile_up(struct apply *apply, struct pile *pile, enum layers_change change)
{
	const struct root_facts *facts = &apply->root->facts;
	const struct text_list *layers = facts->layers;
	int r = 0;

	pile->fds = arena_take_array(apply->arena, layers->count + 2, sizeof(int));
	if (change != LAYERS_WRITABLE && facts->changes != NULL)
		r = pile_clone(apply, pile, arena_format(apply->arena, "%s/data", facts->changes));
	for (size_t i = layers->count; i > 0 && r >= 0; i--)
		r = pile_clone(apply, pile, layers->items[i - 1]);
	if (r >= 0 && change == LAYERS_READ_ONLY)
		r = pile_ground(apply, pile);
	return r;
}

/* Both directories must lie in one mount. */
static int open_change(struct apply *apply, struct pile *pile, enum layers_change change)
{
	const struct root_facts *facts = &apply->root->facts;
	bool own = change == LAYERS_WRITABLE;
	autoclose int tree = -EBADF;
	int r;

	tree = clone_mapped(apply, own ? facts->changes : facts->ephemeral_upper);
	if (tree < 0)
		return tree;
	r = mount_attach(tree, apply->at_fd);
	if (r < 0)
		return fail(r, "cannot attach the directory for changes");
	pile->options = arena_format(
		apply->arena, "%s,upperdir=/proc/self/fd/%d/%s,workdir=/proc/self/fd/%d/work%s",
		pile->options, tree, own ? "data" : "upper", tree, own ? "" : apply_unsynced(tree));
	return take_fd(&tree);
}

static int stack(struct apply *apply, struct pile *pile, const struct step *step)
{
	enum layers_change change = (enum layers_change)step->number;
	autoclose int changes = -EBADF, overlay = -EBADF;
	char why[256];
	int r;

	r = pile_up(apply, pile, change);
	if (r >= 0 && change != LAYERS_READ_ONLY)
		r = changes = open_change(apply, pile, change);
	if (r < 0)
		return r;
	overlay = mount_create_explained("overlay", "overlay",
					 arena_format(apply->arena, "%s,userxattr", pile->options),
					 step->attributes, why, sizeof(why));
	if (overlay < 0)
		return fail(overlay, "cannot stack the %zu layers of '%s'%s%s", pile->count,
			    step->source, why[0] != '\0' ? ": " : "", why);
	return apply_stack(apply, &overlay);
}

int apply_layers(struct apply *apply, const struct step *step)
{
	struct pile pile = { 0 };
	int r = stack(apply, &pile, step);

	for (size_t i = 0; i < pile.count; i++)
		fd_close(&pile.fds[i]);
	if (r < 0)
		return r;
	/* Paths in the tree ("+") are paths in what was stacked. */
	fd_close(&apply->source_root_fd);
	apply->source_root_fd = fd_duplicate(apply->root_fd);
	return apply->source_root_fd < 0 ? apply->source_root_fd : 0;
}
