#include "image/change.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/companion.h"
#include "image/mstack.h"
#include "image/quota.h"
#include "image/store.h"
#include "image/together.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/btrfs.h"

/* ---- what may be changed ---- */

const char *change_real_path(struct arena *arena, int fd, const char *path)
{
	char link[32], target[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, target, sizeof(target));
	if (length <= 0 || (size_t)length >= sizeof(target) || target[0] != '/')
		return path;
	return arena_text_n(arena, target, (size_t)length);
}

static int refuse_fixed(const struct image *image, const char *verb)
{
	if (text_equal(image->name, FIND_HOST))
		return fail_plain(-EROFS, "cannot %s '%s': it is the running system", verb,
				  image->name);
	if (image->found.vendor)
		return fail_plain(-EROFS,
				  "cannot %s the image '%s': it is a vendor's, in '%s' (clone it, "
				  "and use the clone)",
				  verb, image->name, image->path);
	if (image->found.declared)
		return fail_plain(-EROFS,
				  "cannot %s the image '%s': it is the root of a declared machine "
				  "(change its definition, then 'redd apply')",
				  verb, image->name);
	return 0;
}

static char *join(struct arena *arena, const struct text_list *names)
{
	char *text = arena_text(arena, "");

	for (size_t i = 0; i < names->count; i++)
		text = arena_format(arena, "%s%s'%s'", text, i > 0 ? ", " : "", names->items[i]);
	return text;
}

static int refuse_layer(struct arena *arena, const struct change *change,
			const struct find_scope *scope, const char *verb)
{
	struct text_list names = { 0 };

	if (change->image.found.kind != FIND_DIRECTORY)
		return 0;
	image_layered_on(arena, &names, scope, change->fd);
	if (names.count == 0)
		return 0;
	return fail_plain(-EBUSY,
			  "cannot %s the image '%s': it is a layer of %s (remove %s first, or "
			  "clone with --copy)",
			  verb, change->image.name, join(arena, &names),
			  names.count == 1 ? "that one" : "those");
}

static int open_tree(struct arena *arena, struct change *change, const struct find_scope *scope,
		     const char *verb)
{
	const struct image *image = &change->image;
	int r;

	change->fd = open(image->path, O_PATH | O_CLOEXEC);
	if (change->fd < 0)
		return fail(-errno, "cannot open the image '%s'", image->path);
	r = lock_take(arena, &change->lock, change_real_path(arena, change->fd, image->path),
		      change->fd, true, scope->uid == 0);
	if (r == -EBUSY)
		return fail_plain(r,
				  "cannot %s the image '%s': it is in use (stop the machine that "
				  "runs from it)",
				  verb, image->name);
	/* What is changed is found by its name. */
	return r < 0 ? r : lock_check(image->path, change->fd);
}

static int begin(struct arena *arena, struct change *change, const struct find_scope *scope,
		 const char *name, const char *verb)
{
	char *parent;
	int r = image_open(arena, &change->image, name, scope);

	if (r >= 0)
		r = refuse_fixed(&change->image, verb);
	if (r < 0)
		return r;
	parent = path_parent(arena, change->image.path);
	change->directory = change->image.found.version ? path_parent(arena, parent) : parent;
	r = tidy_begin(arena, &change->tidy, parent);
	return r < 0 ? r : open_tree(arena, change, scope, verb);
}

int change_begin(struct arena *arena, struct change *ret, const struct find_scope *scope,
		 const char *name, const char *verb)
{
	struct change change = CHANGE_EMPTY;
	int r = begin(arena, &change, scope, name, verb);

	if (r < 0) {
		change_end(&change);
		return r;
	}
	*ret = change;
	return 0;
}

void change_end(struct change *change)
{
	lock_release(&change->lock);
	fd_close(&change->fd);
	tidy_end(&change->tidy);
}

int change_take_name(struct arena *arena, struct lock *ret, const struct find_scope *scope,
		     const char *directory, const char *name)
{
	struct lock lock = LOCK_EMPTY;
	struct found found;
	int r;

	if (!find_is_new_name(name))
		return fail_input("cannot use '%s' as the name of an image (" FIND_TRY_NAME ")",
				  text_printable(arena, name));
	r = lock_name(arena, &lock, directory, name, scope->uid == 0);
	if (r < 0)
		return r;
	r = find_image(arena, &found, name, scope);
	if (r == -ENOENT) {
		*ret = lock;
		return 0;
	}
	lock_release(&lock);
	if (r >= 0)
		return fail_plain(-EEXIST, "cannot use the name '%s': there is an image '%s'", name,
				  found.path);
	return fail(r, "cannot look for images with the name '%s'", name);
}

int change_close_pool(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(-errno, "cannot look at '%s'", path);
	if ((st.st_mode & 0077) == 0)
		return 0;
	if (fchmod(fd, st.st_mode & 0700) < 0)
		return fail(-errno, "cannot close '%s' to other users", path);
	log_notice("'%s' is now closed to other users, whom setuid files in it would give rights",
		   path);
	return 0;
}

int change_open_pool(struct arena *arena, struct tidy *ret, const struct find_scope *scope)
{
	struct tidy pool = TIDY_EMPTY;
	char *path = find_pool_path(arena, "", scope);
	int r;

	if (!path)
		return fail_plain(-ENOENT, "cannot tell where new images belong: $HOME is not set");
	path = path_simplify(arena, path);
	r = dir_make_all(path_parent(arena, path), 0755);
	if (r >= 0)
		r = dir_make_all(path, 0700);
	if (r < 0)
		return fail(r, "cannot make the directory of images '%s'", path);
	r = tidy_begin(arena, &pool, path);
	if (r >= 0)
		r = change_close_pool(pool.fd, pool.path);
	if (r < 0) {
		tidy_end(&pool);
		return r;
	}
	*ret = pool;
	return 0;
}

/* ---- marks ---- */

static int mark_directory(int fd, const char *path, bool read_only)
{
	int r;

	if (btrfs_is_subvolume(fd)) {
		r = btrfs_set_read_only(fd, read_only);
		return r < 0 ? fail(r, "cannot mark the subvolume '%s'", path) : 0;
	}
	r = together_set_immutable(fd, read_only);
	if (r == -EOPNOTSUPP)
		return fail_plain(r,
				  "cannot mark '%s' as read-only: its file system has no mark for "
				  "that",
				  path);
	if (r == -EPERM)
		return fail_plain(r,
				  "cannot mark '%s': without root there is no mark for directories "
				  "(start it with --read-only)",
				  path);
	return r < 0 ? fail(r, "cannot mark '%s'", path) : 0;
}

static int mark_file(int fd, const char *path, bool read_only)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(-errno, "cannot look at '%s'", path);
	if (fchmod(fd, (st.st_mode & 0444) | (read_only ? 0 : 0200)) < 0)
		return fail(-errno, "cannot change the mode of '%s'", path);
	return 0;
}

static int mark_device(int fd, const char *path, bool read_only)
{
	int flag = read_only;

	return ioctl(fd, BLKROSET, &flag) < 0 ? fail(-errno, "cannot mark the device '%s'", path)
					      : 0;
}

int change_mark(int fd, const char *path, enum find_kind kind, bool read_only)
{
	switch (kind) {
	case FIND_DIRECTORY: return mark_directory(fd, path, read_only);
	case FIND_RAW: return mark_file(fd, path, read_only);
	case FIND_BLOCK: return mark_device(fd, path, read_only);
	case FIND_MSTACK: break;
	}
	return fail_plain(-EOPNOTSUPP,
			  "cannot mark the layered image '%s' (clone it with --read-only, or "
			  "start it so)",
			  path);
}

/* To be marked; an immutable directory opens like any other. */
static int open_for_mark(const struct change *change)
{
	int fd = open(change->image.path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? fail(-errno, "cannot open the image '%s'", change->image.path) : fd;
}

int change_read_only(struct arena *arena, const struct find_scope *scope, const char *name,
		     bool read_only)
{
	struct change change = CHANGE_EMPTY;
	autoclose int fd = -EBADF;
	int r;

	if (name[0] == '.' && !text_equal(name, FIND_HOST))
		return fail_plain(-EROFS,
				  "cannot mark the image '%s': hidden images are always read-only",
				  name);
	r = change_begin(arena, &change, scope, name, "mark");
	if (r < 0)
		return r;
	fd = r = open_for_mark(&change);
	if (r >= 0)
		r = change_mark(fd, change.image.path, change.image.found.kind, read_only);
	change_end(&change);
	return r;
}

/* ---- limit ---- */

int change_limit(struct arena *arena, const struct find_scope *scope, const char *name,
		 uint64_t bytes)
{
	autoclose int fd = -EBADF;
	struct image image;
	int r;

	if (name) {
		r = image_open(arena, &image, name, scope);
		if (r >= 0)
			r = refuse_fixed(&image, "limit");
		if (r < 0)
			return r;
	} else {
		image_pool(arena, &image, scope);
		if (!image.path)
			return fail_plain(-ENOENT,
					  "cannot tell where images are: $HOME is not set");
	}
	fd = r = image_open_counted(&image);
	if (r == -ENOTDIR)
		return fail_plain(-EOPNOTSUPP, "cannot limit '%s': it is no directory", image.path);
	if (r < 0)
		return fail(r, "cannot open '%s'", image.path);
	/* A project of the directory would be one of all images, which then could get no other. */
	if (!name && !btrfs_is_subvolume(fd))
		return fail_plain(-EOPNOTSUPP,
				  "cannot limit '%s': it is no btrfs subvolume (limit each image)",
				  image.path);
	return quota_limit(fd, image.path, bytes);
}

/* ---- rename ---- */

static const char *suffix_of(enum find_kind kind)
{
	return kind == FIND_RAW ? ".raw" : kind == FIND_MSTACK ? MSTACK_SUFFIX : "";
}

/* A subvolume's mark does not matter for its name. */
static unsigned int mark_flags(const struct change *change)
{
	const struct found *found = &change->image.found;
	bool marked = false;

	if (found->kind == FIND_DIRECTORY)
		marked = found->read_only && !btrfs_is_subvolume(change->fd);
	else if (found->kind == FIND_MSTACK) /* not by us, but by hand */
		marked = together_is_immutable(change->image.path);

	return TOGETHER_DECIDES | (marked ? TOGETHER_MARKED : 0);
}

static int rename_with(struct change *change, struct companions *companions, const char *to)
{
	const struct image *image = &change->image;
	struct together *together = companions->together;
	int r;

	/* First, so that the image never has a name without its settings or root hash. */
	companion_link(companions, change->directory, image->name, to);
	r = together_add(together, change->tidy.path, path_name(image->path),
			 arena_format(companions->arena, "%s%s", to, suffix_of(image->found.kind)),
			 mark_flags(change));
	if (r < 0)
		return r;
	companion_rename(companions, change->directory, image->name, to);
	r = together_note(together, false);
	return r < 0 ? r : together_run(together);
}

static int rename_tree(struct arena *arena, struct change *change, const struct find_scope *scope,
		       const char *to)
{
	struct companions companions;
	struct together together;
	autoclose int kept = -EBADF;
	int r;

	if (change->image.found.kind == FIND_MSTACK) {
		r = kept = store_keep(arena, scope);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	together_begin(&together, arena, change->tidy.path, change->tidy.fd);
	companion_begin(&companions, arena, scope, &together);
	r = rename_with(change, &companions, to);
	(void)together_done(&together);
	companion_end(&companions);
	return r < 0 ? fail(r, "cannot rename the image '%s' to '%s'", change->image.name, to) : 0;
}

static int rename_begun(struct arena *arena, struct change *change, const struct find_scope *scope,
			const char *to)
{
	struct lock name = LOCK_EMPTY;
	int r;

	if (change->image.found.version)
		return fail_plain(-EOPNOTSUPP,
				  "cannot rename the image '%s': it is one of several versions, in "
				  "'%s'",
				  change->image.name, change->tidy.path);
	if (change->image.found.kind == FIND_BLOCK && path_is_below(change->image.path, "/dev"))
		return fail_plain(-EOPNOTSUPP, "cannot rename the device '%s'", change->image.path);
	r = refuse_layer(arena, change, scope, "rename");
	if (r >= 0)
		r = change_take_name(arena, &name, scope, change->directory, to);
	if (r < 0)
		return r;
	r = rename_tree(arena, change, scope, to);
	lock_release(&name);
	return r;
}

int change_rename(struct arena *arena, const struct find_scope *scope, const char *from,
		  const char *to)
{
	struct change change = CHANGE_EMPTY;
	int r = change_begin(arena, &change, scope, from, "rename");

	if (r < 0)
		return r;
	r = rename_begun(arena, &change, scope, to);
	change_end(&change);
	return r;
}

/* ---- remove ---- */

static void remember_quota(const struct image *image, struct quota_trace *trace)
{
	autoclose int counted = image_open_counted(image);

	if (counted >= 0)
		quota_remember(trace, counted);
}

/* Out of sight at once, with all that belongs to it. */
static int hide(struct change *change, struct companions *companions, const char *old)
{
	const struct image *image = &change->image;
	struct together *together = companions->together;
	int r = together_add(together, change->tidy.path, path_name(image->path), old,
			     mark_flags(change));

	if (r < 0)
		return r;
	if (!image->found.version)
		companion_remove(companions, change->directory, image->name);
	r = together_note(together, false);
	return r < 0 ? r : together_run(together);
}

/* Piece by piece; what is there by a link is somebody else's. */
static int remove_hidden(struct arena *arena, struct change *change, const struct find_scope *scope)
{
	const struct image *image = &change->image;
	char *old = tidy_old(arena, path_name(image->path));
	struct quota_trace trace = { .group = 0 };
	struct companions companions;
	struct together together;
	int r;

	remember_quota(image, &trace);
	together_begin(&together, arena, change->tidy.path, change->tidy.fd);
	companion_begin(&companions, arena, scope, &together);
	r = hide(change, &companions, old);
	if (r < 0) {
		fail(r, "cannot remove the image '%s'", image->path);
		(void)together_done(&together);
	} else {
		r = together_done(&together);
		if (r < 0)
			fail(r, "cannot remove all of the image '%s' (the rest is '%s/%s')",
			     image->path, change->tidy.path, old);
	}
	companion_end(&companions);
	if (r >= 0)
		quota_forget(&trace, change->tidy.fd);
	return r;
}

static int remove_tree(struct arena *arena, struct change *change, const struct find_scope *scope)
{
	const struct image *image = &change->image;

	if (image->found.kind == FIND_BLOCK && path_is_below(image->path, "/dev"))
		return fail_plain(-EOPNOTSUPP, "cannot remove the device '%s'", image->path);
	return remove_hidden(arena, change, scope);
}

/* Whoever is making another image of it holds it until that can be seen. */
static void release_layer(struct arena *arena, const struct find_scope *scope, int fd)
{
	const char *path = change_real_path(arena, fd, "");
	struct text_list names = { 0 };
	struct lock lock = LOCK_EMPTY;

	if (*path == '\0' || !mstack_is_marked(arena, path))
		return;
	if (lock_take(arena, &lock, path, fd, true, scope->uid == 0) < 0) {
		fail_forget();
		return; /* a mark without a reason costs whoever starts it a search */
	}
	image_layered_on(arena, &names, scope, fd);
	if (names.count == 0)
		(void)unlink(mstack_mark_path(arena, path));
	lock_release(&lock);
}

static int remove_stack(struct arena *arena, struct change *change, const struct find_scope *scope)
{
	struct mstack stack = { .upper = NULL };
	int *fds, r;

	if (mstack_read(arena, &stack, change->image.path) < 0)
		fail_forget(); /* what is wrong with it does not matter any more */
	fds = arena_take_array(arena, stack.layers.count + 1, sizeof(*fds));
	for (size_t i = 0; i < stack.layers.count; i++)
		fds[i] = open(stack.layers.items[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = remove_tree(arena, change, scope);
	for (size_t i = 0; i < stack.layers.count; i++) {
		/* What was a layer of it may be written again, if it is nobody else's. */
		if (r >= 0 && fds[i] >= 0)
			release_layer(arena, scope, fds[i]);
		fd_close(&fds[i]);
	}
	return r;
}

int change_remove(struct arena *arena, const struct find_scope *scope, const char *name,
		  uint64_t *ret_freed)
{
	struct change change = CHANGE_EMPTY;
	int r = change_begin(arena, &change, scope, name, "remove");

	if (r < 0)
		return r;
	r = refuse_layer(arena, &change, scope, "remove");
	if (r >= 0)
		r = change.image.found.kind == FIND_MSTACK ? remove_stack(arena, &change, scope)
							   : remove_tree(arena, &change, scope);
	if (r >= 0)
		*ret_freed = change.image.usage_exclusive;
	change_end(&change);
	return r;
}
