#include "prog/nixos-container/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "image/change.h"
#include "image/tidy.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/mountinfo.h"
#include "prog/nixos-container/build.h"
#include "prog/nixos-container/nixos-container.h"

#define COMPANION_MAX (1024 * 1024)

int remove_hold(const struct context *context, struct remove_hold *ret,
		const struct nixos *container, const char *verb)
{
	struct remove_hold hold = REMOVE_HOLD_EMPTY;
	int r;

	hold.path = container->root;
	hold.fd = open(container->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (hold.fd < 0) {
		r = -errno;
		*ret = hold;
		return r == -ENOENT ? 0 : fail(r, "cannot open the tree '%s'", container->root);
	}
	hold.path = change_real_path(context->arena, hold.fd, container->root);
	r = lock_take(context->arena, &hold.lock, hold.path, hold.fd, true, geteuid() == 0);
	if (r == -EBUSY)
		r = fail_plain(
			r,
			"cannot %s container '%s': its tree '%s' is in use (stop the machine "
			"that runs from it)",
			verb, container->name, hold.path);
	else if (r >= 0)
		r = lock_check(container->root, hold.fd);
	if (r < 0)
		remove_let_go(&hold);
	else
		*ret = hold;
	return r;
}

void remove_let_go(struct remove_hold *hold)
{
	lock_release(&hold->lock);
	fd_close(&hold->fd);
}

int remove_refuse_link(const struct context *context, const struct nixos *container)
{
	char target[PATH_MAX];
	ssize_t length = readlink(container->root, target, sizeof(target));

	if (length < 0)
		return 0;
	return fail_plain(-ELOOP,
			  "cannot destroy container '%s': its tree '%s' is a link to '%s' (remove "
			  "the link, and what it leads to if nobody needs that)",
			  container->name, container->root,
			  arena_text_n(context->arena, target, (size_t)length));
}

/* From the top of the pile down: a mount comes after the one that it is on. TOO: what is mounted as
 * the tree, too. */
static int unmount(struct arena *arena, const char *path, bool too)
{
	struct mountinfo_list mounts;
	int r = mountinfo_read(arena, &mounts);

	for (size_t i = r < 0 ? 0 : mounts.count; i > 0; i--) {
		const char *target = mounts.items[i - 1].target;

		if (!path_is_below(target, path) || (!too && text_equal(target, path)))
			continue;
		if (umount2(target, UMOUNT_NOFOLLOW | MNT_DETACH) < 0 && errno != EINVAL &&
		    errno != ENOENT)
			return fail(-errno, "cannot unmount '%s'", target);
	}
	return r < 0 ? fail(r, "cannot look at what is mounted below '%s'", path) : 0;
}

int remove_mounts(const struct context *context, const struct remove_hold *hold)
{
	return hold->fd < 0 ? 0 : unmount(context->arena, hold->path, false);
}

int remove_tree(const struct context *context, const struct nixos *container,
		const struct remove_hold *hold)
{
	struct arena *arena = context->arena;
	const char *name = tidy_old(arena, container->name);
	struct tidy tidy = TIDY_EMPTY;
	int r;

	if (hold->fd < 0)
		return 0;
	r = unmount(arena, hold->path, true);
	if (r >= 0)
		r = tidy_begin(arena, &tidy, path_parent(arena, container->root));
	if (r < 0)
		return r;
	if (renameat(tidy.fd, path_name(container->root), tidy.fd, name) < 0)
		r = errno == ENOENT ? 0 : fail(-errno, "cannot remove '%s'", container->root);
	else
		r = dir_remove_all(tidy.fd, name);
	tidy_end(&tidy);
	if (r < 0 && fail_recorded()->code == 0)
		return fail(r, "cannot remove '%s'", container->root);
	return r;
}

static int remove_directory(const char *path)
{
	int r = dir_remove_all(AT_FDCWD, path);

	return r < 0 ? fail(r, "cannot remove '%s'", path) : 0;
}

static int remove_file(const char *path)
{
	return unlink(path) < 0 && errno != ENOENT ? fail(-errno, "cannot remove '%s'", path) : 0;
}

/* One that somebody wrote by hand stays. */
static int remove_companion(struct arena *arena, const char *path)
{
	char *text;
	size_t size;
	int r = file_read(arena, &text, &size, AT_FDCWD, path, COMPANION_MAX);

	if (r < 0 || text_after(text, REMOVE_COMPANION_MARK) == NULL)
		return 0;
	return remove_file(path);
}

int remove_definition(const struct context *context, const struct nixos *container,
		      const struct remove_kept *kept)
{
	/* Of a build that was killed. */
	int r = remove_directory(build_place(context->arena, container));

	if (r >= 0 && !kept->profiles)
		r = remove_directory(container->profiles);
	if (r >= 0 && !kept->gcroots)
		r = remove_directory(container->gcroots);
	if (r >= 0)
		r = remove_companion(context->arena, container->companion);
	if (r >= 0 && !kept->configuration)
		r = remove_file(container->configuration);
	return r < 0 ? r : remove_file(container->conf_path);
}
