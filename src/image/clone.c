#include "image/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/change.h"
#include "image/companion.h"
#include "image/image.h"
#include "image/mstack.h"
#include "image/places.h"
#include "image/quota.h"
#include "image/raw-serve.h"
#include "image/snapshot.h"
#include "image/store.h"
#include "image/together.h"
#include "image/tree.h"
#include "image/view.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/btrfs.h"

#define TOLD_FROM ((uint64_t)64 * 1024 * 1024) /* less is copied in no time */

struct clone {
	struct arena *arena;
	const struct find_scope *scope;
	const struct clone_request *request;
	struct image image;
	const char *directory; /* of the original and of what belongs to it */
	struct tidy pool;
	struct lock name, original;
	int fd;		     /* of the original, readable */
	int seen;	     /* the same, to tell whether it stays */
	const char *growing; /* in the pool */
	const char *suffix;  /* of the new file's name */
	bool copied;	     /* there are contents that are not on disk yet */
};

static int failed(const struct clone *clone, int r)
{
	if (r == -EINTR)
		return fail_plain(r, "stopped while '%s' was being copied", clone->image.path);
	return fail(r, "cannot clone the image '%s' as '%s'", clone->image.name,
		    clone->request->to);
}

/* ---- files ---- */

/* A file system without reflinks, or another one. */
static void tell_of_copy(const struct clone *clone)
{
	struct stat st;

	if (fstat(clone->fd, &st) == 0 && (uint64_t)st.st_blocks * 512 > TOLD_FROM)
		log_notice("'%s' has to be copied, which takes a while: this file system cannot "
			   "share blocks (btrfs and xfs can)",
			   clone->image.name);
}

static int clone_file(struct clone *clone)
{
	mode_t mode = clone->request->read_only ? 0444 : 0644;
	autoclose int to = -EBADF;
	int r;

	clone->suffix = ".raw";
	to = openat(clone->pool.fd, clone->growing, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return failed(clone, -errno);
	/* Whoever clones what a machine runs from gets it as after a crash. */
	(void)raw_serve_await(clone->fd);
	/* With shared blocks, else with the holes. */
	r = ioctl(to, FICLONE, clone->fd) < 0 ? -errno : 0;
	if (r < 0) {
		clone->copied = true;
		tell_of_copy(clone);
		r = tree_copy_file_interruptible(to, clone->fd);
	}
	if (r >= 0 && fchmod(to, mode) < 0)
		r = -errno;
	return r < 0 ? failed(clone, r) : 0;
}

/* ---- directories ---- */

static int open_growing(const struct clone *clone)
{
	int fd = openat(clone->pool.fd, clone->growing,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? failed(clone, -errno) : fd;
}

static int mark_read_only(const struct clone *clone)
{
	autoclose int fd = -EBADF;

	if (!clone->request->read_only)
		return 0;
	fd = open_growing(clone);
	if (fd < 0)
		return fd;
	if (btrfs_is_subvolume(fd)) {
		int r = btrfs_set_read_only(fd, true);

		return r < 0 ? failed(clone, r) : 0;
	}
	return 0; /* an immutable one could not be given its name: see publish() */
}

static int copy_tree(struct clone *clone)
{
	autoclose int to = -EBADF;
	int r;

	/* The next clone of it can be a snapshot then. */
	r = btrfs_make(clone->pool.fd, clone->growing);
	if (r < 0 && mkdirat(clone->pool.fd, clone->growing, 0700) < 0)
		return failed(clone, -errno);
	to = open_growing(clone);
	if (to < 0)
		return to;
	clone->copied = true;
	quota_join(to, -EBADF);
	r = tree_copy_interruptible(to, clone->fd);
	return r < 0 ? failed(clone, r) : 0;
}

/* Of what the kernel takes as an upper layer: it needs its own inodes there. */
static bool can_be_upper(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case OVERLAYFS_SUPER_MAGIC:
	case NFS_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case V9FS_MAGIC: return false;
	}
	return true;
}

/* How the new image names its layer: beside it by a relative link, so that both can be moved. */
static char *link_to(struct clone *clone, const char *path)
{
	autoclose int beside = open(path_parent(clone->arena, path),
				    O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat here, there;

	if (beside >= 0 && fstat(beside, &there) == 0 && fstat(clone->pool.fd, &here) == 0 &&
	    here.st_dev == there.st_dev && here.st_ino == there.st_ino)
		return arena_format(clone->arena, "../%s", path_name(path));
	return arena_text(clone->arena, path);
}

/* 1: it holds still until this process ends; 0: somebody writes to it. */
static int hold_original(struct clone *clone, const char *path)
{
	int r = lock_take(clone->arena, &clone->original, path, clone->fd, false,
			  clone->scope->uid == 0);

	if (r != -EBUSY)
		return r < 0 ? r : 1;
	fail_forget();
	log_notice("'%s' is in use, so it has to be copied, which takes a while",
		   clone->image.path);
	return 0;
}

/* Marked before anybody can see the clone; where nothing can be written, nobody can break it. */
static int layer_on(struct clone *clone, const char *path)
{
	struct text_list layers = { 0 };
	int r = mstack_mark(clone->arena, path);

	if (r < 0 && r != -EROFS)
		return fail(r, "cannot mark '%s' as a layer of '%s'", path, clone->request->to);
	text_list_add(clone->arena, &layers, link_to(clone, path));
	r = mstack_make(clone->pool.fd, clone->growing, &layers, clone->fd,
			clone->request->read_only);
	if (r < 0)
		return failed(clone, r);
	clone->suffix = MSTACK_SUFFIX;
	log_info("'%s' is a layer of '%s' now, and only read as long as that is there",
		 clone->image.name, clone->request->to);
	return 0;
}

static int join(struct clone *clone)
{
	autoclose int fd = open_growing(clone);

	if (fd < 0)
		return fd;
	quota_join(fd, clone->fd);
	return 0;
}

static int clone_directory(struct clone *clone)
{
	const char *path = change_real_path(clone->arena, clone->fd, clone->image.path);
	int r = -EXDEV;

	clone->suffix = "";
	if (snapshot_can_btrfs(clone->fd)) {
		r = btrfs_snapshot(clone->pool.fd, clone->growing, clone->fd);
		if (r >= 0)
			return join(clone);
		(void)dir_remove_all(clone->pool.fd, clone->growing);
		if (r != -EXDEV && r != -EPERM)
			return failed(clone, r);
	}
	if (text_equal(path, "/"))
		return fail_plain(-EOPNOTSUPP, "cannot clone the running system: its file system "
					       "makes no snapshots");
	if (!clone->request->copy && can_be_upper(clone->pool.fd)) {
		r = hold_original(clone, path);
		if (r < 0)
			return r;
		if (r > 0)
			return layer_on(clone, path);
	}
	return copy_tree(clone);
}

/* ---- layered images ---- */

/* The tree at FROM as TARGET in the new image; MAKE: that is not there yet. */
static int copy_part(struct clone *clone, const char *from_path, const char *target, bool make)
{
	autoclose int from = open(from_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclose int to = -EBADF;
	char *path = arena_format(clone->arena, "%s/%s", clone->growing, target);
	int r;

	if (from < 0)
		return errno == ENOENT ? 0 : failed(clone, -errno);
	if (make && mkdirat(clone->pool.fd, path, 0700) < 0)
		return failed(clone, -errno);
	to = openat(clone->pool.fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return failed(clone, -errno);
	clone->copied = true;
	r = tree_copy_interruptible(to, from);
	return r < 0 ? failed(clone, r) : 0;
}

/* What was written goes into "rw/data", or where nothing will be written any more into a layer on
 * top. */
static int copy_upper(struct clone *clone, const struct mstack *stack)
{
	char *top = arena_format(clone->arena, "layer@%zu", stack->layers.count);

	if (!stack->upper)
		return 0;
	return clone->request->read_only ? copy_part(clone, stack->upper, top, true)
					 : copy_part(clone, stack->upper, "rw/data", false);
}

/* A plain tree of what the layers show together. */
static int flatten(struct clone *clone, const struct mstack *stack)
{
	autoclose int view = view_open(clone->arena, stack, true);
	int r;

	if (view < 0)
		return view;
	fd_close(&clone->fd);
	clone->fd = openat(view, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (clone->fd < 0)
		return failed(clone, -errno);
	clone->suffix = "";
	r = copy_tree(clone);
	return r < 0 ? r : mark_read_only(clone);
}

/* A layer that lies in the image itself goes with it, and so has to be copied. */
static int copy_inner(struct clone *clone, const char *own_path, const struct text_list *real)
{
	for (size_t i = 0; i < real->count; i++) {
		char *name = arena_format(clone->arena, "layer@%zu", i);
		char *path = arena_format(clone->arena, "%s/%s", clone->growing, name);
		int r;

		if (!path_is_below(real->items[i], own_path))
			continue;
		if (unlinkat(clone->pool.fd, path, 0) < 0)
			return failed(clone, -errno);
		r = copy_part(clone, real->items[i], name, true);
		if (r < 0)
			return r;
	}
	return 0;
}

/* So that they are held also when nobody can look into the directory of images. */
static int note_layers(struct clone *clone, const struct text_list *real)
{
	struct store store = STORE_EMPTY;
	int r = store_open(clone->arena, &store, clone->scope, false);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = place_add(clone->arena, &store, clone->pool.path, real);
	store_done(&store);
	return r;
}

static int stack_layers(struct clone *clone, const struct mstack *stack)
{
	const char *own_path = change_real_path(clone->arena, clone->fd, clone->image.path);
	bool read_only = !stack->upper || clone->request->read_only;
	struct text_list links = { 0 }, real = { 0 };
	autoclose int layer = -EBADF;
	int r;

	for (size_t i = 0; i < stack->layers.count; i++) {
		const char *path = stack->layers.items[i];

		fd_close(&layer);
		layer = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (layer < 0)
			return fail(-errno, "cannot open the layer '%s'", path);
		path = change_real_path(clone->arena, layer, path);
		text_list_add(clone->arena, &real, arena_text(clone->arena, path));
		text_list_add(clone->arena, &links, link_to(clone, path));
	}
	/* The last one is the top, which the root of the changes looks like. */
	r = mstack_make(clone->pool.fd, clone->growing, &links, layer >= 0 ? layer : clone->fd,
			read_only);
	if (r < 0)
		return failed(clone, r);
	r = note_layers(clone, &real);
	return r < 0 ? r : copy_inner(clone, own_path, &real);
}

/* The same layers; what was written is copied. */
static int clone_stack(struct clone *clone)
{
	int rooms[VIEW_ROOMS_MAX], count, r;
	struct mstack stack;

	clone->suffix = MSTACK_SUFFIX;
	r = mstack_read(clone->arena, &stack, clone->image.path);
	if (r < 0)
		return r;
	if (clone->request->copy)
		return flatten(clone, &stack);
	/* The original may go meanwhile; its layers stay, and then the clone holds them. */
	count = view_hold(rooms, &stack);
	r = stack_layers(clone, &stack);
	while (count > 0)
		fd_close(&rooms[--count]);
	return r < 0 ? r : copy_upper(clone, &stack);
}

/* ---- all ---- */

static int make(struct clone *clone)
{
	int r;

	switch (clone->image.found.kind) {
	case FIND_RAW: return clone_file(clone);
	case FIND_MSTACK: return clone_stack(clone);
	case FIND_BLOCK:
		return fail_plain(-EOPNOTSUPP, "cannot clone the device '%s'", clone->image.path);
	case FIND_DIRECTORY: break;
	}
	r = clone_directory(clone);
	return r < 0 ? r : mark_read_only(clone);
}

/* A subvolume is marked already; another directory could not be given its name then. */
static unsigned int mark_flags(const struct clone *clone)
{
	autoclose int fd = -EBADF;

	if (!clone->request->read_only || !text_equal(clone->suffix, ""))
		return 0;
	fd = openat(clone->pool.fd, clone->growing, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && btrfs_is_subvolume(fd) ? 0 : TOGETHER_MARKED | TOGETHER_SURELY;
}

static int publish_with(struct clone *clone, struct companions *companions)
{
	const char *to = clone->request->to, *pool = clone->pool.path;
	char *name = arena_format(clone->arena, "%s%s", to, clone->suffix);
	unsigned int flags = mark_flags(clone);
	int r;

	/* First, so that the image is never seen without its settings. */
	companion_copy(companions, clone->directory, clone->image.name, pool, to);
	r = together_add(companions->together, pool, clone->growing, name,
			 TOGETHER_DECIDES | flags);
	if (r >= 0)
		r = together_note(companions->together, false);
	if (r >= 0)
		r = together_run(companions->together);
	if (r == -EOPNOTSUPP && flags != 0)
		return fail_plain(r,
				  "cannot clone the image '%s' with --read-only: the file system "
				  "of '%s' has no mark for directories",
				  clone->image.name, pool);
	if (r == -EPERM && flags != 0)
		return fail_plain(r,
				  "cannot clone the image '%s' with --read-only: without root "
				  "there is no mark for directories (start it with --read-only)",
				  clone->image.name);
	return r < 0 ? failed(clone, r) : 0;
}

static int publish(struct clone *clone)
{
	struct companions companions;
	struct together together;
	autoclose int kept = -EBADF;
	int r;

	/* A name is on disk before contents are, so that a crash would leave empty files. */
	if (clone->copied && syncfs(clone->pool.fd) < 0)
		return failed(clone, -errno);
	if (text_equal(clone->suffix, MSTACK_SUFFIX)) {
		kept = store_keep(clone->arena, clone->scope);
		if (kept < 0 && kept != -ENOENT)
			return kept;
	}
	together_begin(&together, clone->arena, clone->pool.path, clone->pool.fd);
	companion_begin(&companions, clone->arena, clone->scope, &together);
	r = publish_with(clone, &companions);
	(void)together_done(&together);
	companion_end(&companions);
	return r;
}

static int clone_begun(struct clone *clone)
{
	const struct clone_request *request = clone->request;
	int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, r;

	r = change_take_name(clone->arena, &clone->name, clone->scope, clone->pool.path,
			     request->to);
	if (r < 0)
		return r;
	clone->fd = open(clone->image.path, flags);
	if (clone->fd < 0)
		return fail(-errno, "cannot open the image '%s'", clone->image.path);
	clone->seen = fd_duplicate(clone->fd);
	if (clone->seen < 0)
		return failed(clone, clone->seen);
	clone->growing = tidy_new(clone->arena, request->to);
	r = make(clone);
	/* A file stays what it is, and so does a snapshot. */
	if (r >= 0 && clone->copied && clone->image.found.kind != FIND_RAW)
		r = image_still_there(clone->arena, clone->seen, clone->image.name);
	if (r >= 0)
		r = publish(clone);
	if (r < 0)
		(void)quota_remove_all(clone->pool.fd, clone->growing);
	return r;
}

int clone_image(struct arena *arena, const struct find_scope *scope,
		const struct clone_request *request)
{
	struct clone clone = {
		.arena = arena,
		.scope = scope,
		.request = request,
		.pool = TIDY_EMPTY,
		.name = LOCK_EMPTY,
		.original = LOCK_EMPTY,
		.fd = -EBADF,
		.seen = -EBADF,
	};
	int r = image_open(arena, &clone.image, request->from, scope);

	if (r >= 0)
		r = change_open_pool(arena, &clone.pool, scope);
	if (r < 0)
		return r;
	clone.directory = path_parent(arena, clone.image.path);
	if (clone.image.found.version)
		clone.directory = path_parent(arena, clone.directory);
	r = clone_begun(&clone);
	lock_release(&clone.original);
	lock_release(&clone.name);
	fd_close(&clone.fd);
	fd_close(&clone.seen);
	tidy_end(&clone.pool);
	return r;
}
