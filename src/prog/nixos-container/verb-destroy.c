#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "prog/nixos-container/nixos-container.h"
#include "prog/nixos-container/power.h"
#include "prog/nixos-container/remove.h"

/* It has ended, and is not started again by us; others are kept out until it is gone. */
static int destroy_tree(const struct context *context)
{
	struct remove_hold hold CLEANUP(remove_let_go) = REMOVE_HOLD_EMPTY;
	int r = remove_hold(context, &hold, &context->container, "destroy");

	return r < 0 ? r : remove_tree(context, &context->container, &hold);
}

int verb_destroy(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const struct remove_kept nothing = { 0 };
	bool state_only = context->options.state_only;
	autoclose int lock = -EBADF;
	int r;

	(void)words;
	r = state_only ? context_lock(context, &lock) : context_lock_own(context, &lock, "destroy");
	/* By somebody else meanwhile; anything else that is not there is a failure. */
	if (r == -ENOENT && nixos_find(context->arena, &context->container, context->name) == r)
		return 0;
	if (r >= 0)
		r = remove_refuse_link(context, &context->container);
	if (r >= 0)
		r = power_end(context);
	if (r >= 0)
		r = destroy_tree(context);
	if (r < 0 || state_only)
		return r;
	r = remove_definition(context, &context->container, &nothing);
	if (r >= 0)
		power_at_boot(context, false);
	return r;
}

/* ---- reset ---- */

/* What the guest builds its system of is no state. */
#define ALWAYS_KEPT "/etc/nixos"

struct emptying {
	struct arena *arena;
	const struct text_list *keep;
	const char *path; /* of the directory, seen from the guest: "" for its root */
	size_t *removed;
};

static bool holds_kept(const struct emptying *emptying, const char *path)
{
	for (size_t i = 0; i < emptying->keep->count; i++)
		if (path_is_below(emptying->keep->items[i], path))
			return true;
	return false;
}

/* In place: whoever is killed meanwhile has kept what was to be kept, and can go on. */
static int empty_one(int dir_fd, const char *name, unsigned char type, void *context)
{
	const struct emptying *above = context;
	struct emptying emptying = *above;
	autoclose int fd = -EBADF;

	emptying.path = arena_format(above->arena, "%s/%s", above->path, name);
	if (text_list_has(above->keep, emptying.path))
		return 0;
	if (type != DT_DIR || !holds_kept(above, emptying.path)) {
		++*above->removed;
		return dir_remove_all(dir_fd, name);
	}
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : dir_walk(fd, empty_one, &emptying);
}

/* Until there is nothing more to remove: who reads a directory that is changed may miss entries. */
static int empty_tree(const struct context *context, const struct remove_hold *hold,
		      const struct text_list *keep)
{
	size_t removed = 0;
	struct emptying emptying = { context->arena, keep, "", &removed };
	autoclose int fd = openat(hold->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	do {
		removed = 0;
		if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
			r = -errno;
		if (r >= 0)
			r = dir_walk(fd, empty_one, &emptying);
	} while (r >= 0 && removed > 0);
	return r < 0 ? fail(r, "cannot empty '%s'", hold->path) : 0;
}

static int reset_tree(const struct context *context, const struct text_list *keep)
{
	struct remove_hold hold CLEANUP(remove_let_go) = REMOVE_HOLD_EMPTY;
	int r = remove_hold(context, &hold, &context->container, "reset");

	if (r >= 0)
		r = remove_mounts(context, &hold);
	return r < 0 || hold.fd < 0 ? r : empty_tree(context, &hold, keep);
}

int verb_reset(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const struct text_list *asked = &context->options.keep;
	struct text_list keep = { 0 };
	autoclose int lock = -EBADF;
	int r;

	(void)words;
	text_list_add(context->arena, &keep, arena_text(context->arena, ALWAYS_KEPT));
	for (size_t i = 0; i < asked->count; i++) {
		if (!path_is_absolute(asked->items[i]) || !path_is_normal(asked->items[i]))
			return fail_input("cannot keep '%s': it is no absolute path",
					  asked->items[i]);
		if (text_equal(path_simplify(context->arena, asked->items[i]), "/"))
			return fail_input("cannot keep '/': that is all there is to reset");
		text_list_add(context->arena, &keep,
			      path_simplify(context->arena, asked->items[i]));
	}
	r = context_lock(context, &lock);
	if (r >= 0)
		r = power_refuse_running(context, "reset");
	return r < 0 ? r : reset_tree(context, &keep);
}
