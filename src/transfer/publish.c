#include "transfer/publish.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/change.h"
#include "image/find.h"
#include "image/image.h"
#include "image/lock.h"
#include "image/together.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/btrfs.h"
#include "transfer/oci-settings.h"

/* Others have a name for as long as renames take; only a full copy (image/clone) takes longer. */
#define TRIES 100
#define PAUSE_NS (20 * 1000 * 1000)

/* What an image of one name may be as a file; all of them are in each other's way. */
static const char *const suffixes[] = { "", ".raw", ".mstack" };

static const char *file_name(struct arena *arena, const struct publish_request *request)
{
	return arena_format(arena, "%s%s", request->name,
			    request->suffix != NULL ? request->suffix : "");
}

static int is_taken(const struct publish_request *request, const char *path)
{
	return fail_plain(-EEXIST,
			  "cannot make image '%s': it is there already, as '%s' "
			  "(try another name, or --force to replace it)",
			  request->name, path);
}

int publish_check(struct arena *arena, const struct publish_request *request)
{
	struct found found;
	int r;

	/* What is kept hidden has names that no image can have. */
	if (!find_is_new_name(request->name))
		return fail_input("cannot use '%s' as the name of an image (" FIND_TRY_NAME ")",
				  text_printable(arena, request->name));
	if (request->force)
		return 0;
	r = request->search != NULL ? find_image(arena, &found, request->name, request->search)
				    : -ENOENT;
	if (r == -ENOENT)
		r = find_in(arena, &found, request->pool, request->name);
	if (r >= 0)
		return is_taken(request, found.path);
	return r == -ENOENT ? 0 : fail(r, "cannot look for image '%s'", request->name);
}

static int open_pool(const char *pool, bool make)
{
	int fd, r;

	if (make) {
		/* Files in trees give rights to whoever can reach them (class S39). */
		r = dir_make_all(pool, 0700);
		if (r < 0)
			return fail(r, "cannot make the directory of images '%s'", pool);
	}
	fd = open(pool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int publish_begin(struct arena *arena, struct publish *ret, const struct publish_request *request)
{
	struct publish publish = PUBLISH_EMPTY;
	int r = publish_check(arena, request);

	if (r < 0)
		return r;
	publish.request = *request;
	publish.arena = arena;
	publish.pool_fd = open_pool(request->pool, true);
	if (publish.pool_fd < 0)
		return fail(publish.pool_fd, "cannot open the directory of images '%s'",
			    request->pool);
	(void)together_sweep(publish.pool_fd, request->pool);
	r = request->closed ? change_close_pool(publish.pool_fd, request->pool) : 0;
	if (r < 0) {
		fd_close(&publish.pool_fd);
		return r;
	}
	r = request->kind == PUBLISH_TREE
		    ? growing_directory(arena, &publish.main, publish.pool_fd, request->name,
					!request->plain)
		    : growing_file(arena, &publish.main, publish.pool_fd, request->name);
	if (r < 0) {
		fd_close(&publish.pool_fd);
		return fail(r, "cannot make image '%s' in '%s'", request->name, request->pool);
	}
	*ret = publish;
	return 0;
}

int publish_fd(const struct publish *publish)
{
	return publish->main.fd;
}

int publish_side(struct publish *publish, const char *suffix, const void *data, size_t size)
{
	const struct publish_request *request = &publish->request;
	struct growing file;
	int r;

	if (publish->side_count == PUBLISH_SIDES_MAX)
		return fail_plain(-E2BIG, "cannot keep '%s%s': there are too many such files",
				  request->name, suffix);
	r = growing_file(publish->arena, &file, publish->pool_fd, request->name);
	if (r >= 0) {
		r = fd_write_all(file.fd, data, size);
		if (r >= 0 && fchmod(file.fd, 0644) < 0)
			r = -errno;
		if (r >= 0 && !request->lazy && fsync(file.fd) < 0)
			r = -errno;
		if (r < 0)
			(void)growing_remove(&file);
	}
	if (r < 0)
		return fail(r, "cannot write '%s/%s%s'", request->pool, request->name, suffix);
	publish->sides[publish->side_count].suffix = arena_text(publish->arena, suffix);
	publish->sides[publish->side_count++].file = file;
	return 0;
}

/* ---- commit ---- */

static int to_disk(const struct publish *publish)
{
	int fd = publish->main.fd;

	if (publish->request.lazy)
		return 0;
	return (publish->request.kind == PUBLISH_TREE ? syncfs(fd) : fsync(fd)) < 0 ? -errno : 0;
}

/* Before it is visible, where that can be. */
static int mark_read_only(const struct publish *publish)
{
	bool read_only = publish->request.read_only;

	if (publish->request.kind == PUBLISH_FILE)
		return fchmod(publish->main.fd, read_only ? 0444 : 0644) < 0 ? -errno : 0;
	if (read_only && publish->main.subvolume)
		return btrfs_set_read_only(publish->main.fd, true);
	return 0;
}

static void allow_change(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		(void)together_set_immutable(fd, false);
}

/* Then what those are made of would be another tree. */
static int refuse_layer(struct publish *publish, int fd, const char *path)
{
	struct text_list names = { 0 };

	if (publish->request.search != NULL)
		image_layered_on(publish->arena, &names, publish->request.search, fd);
	if (names.count == 0)
		return 0;
	return fail_plain(-EBUSY,
			  "cannot replace '%s': it is a layer of '%s' (remove that first, or use "
			  "another name)",
			  path, names.items[0]);
}

/* What is about to be replaced; not while a machine runs from it. 0: nothing is there. */
static int take_old(struct publish *publish, struct lock *ret, const char *name)
{
	const char *path = path_join(publish->arena, publish->request.pool, name);
	autoclose int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : fail(-errno, "cannot look at '%s'", path);
	r = lock_take(publish->arena, ret, path, fd, true, !publish->request.user);
	if (r < 0)
		return r;
	r = refuse_layer(publish, fd, path);
	if (r < 0) {
		lock_release(ret);
		return r;
	}
	return 1;
}

/* ---- what is in the way, with --force: held before anything changes, gone when the new one is
 * there ---- */

struct old {
	const char *name;
	bool there;
	struct lock lock;
};

static void let_go(struct old olds[ARRAY_SIZE(suffixes)])
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		lock_release(&olds[i].lock);
}

static int hold_olds(struct publish *publish, struct old ret[ARRAY_SIZE(suffixes)])
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		ret[i] = (struct old){
			.name = arena_format(publish->arena, "%s%s", publish->request.name,
					     suffixes[i]),
			.lock = LOCK_EMPTY,
		};
	for (size_t i = 0; i < ARRAY_SIZE(suffixes) && r >= 0 && publish->request.force; i++) {
		r = take_old(publish, &ret[i].lock, ret[i].name);
		ret[i].there = r > 0;
	}
	if (r < 0)
		let_go(ret);
	return r;
}

static const char *old_path(const struct publish *publish, const struct old *old)
{
	return path_join(publish->arena, publish->request.pool, old->name);
}

/* ---- all names, at once ---- */

static int add_sides(struct publish *publish, struct together *together)
{
	const struct publish_request *request = &publish->request;
	int r = 0;

	for (size_t i = 0; i < publish->side_count && r >= 0; i++)
		r = together_add(together, request->pool, publish->sides[i].file.name,
				 arena_format(publish->arena, "%s%s", request->name,
					      publish->sides[i].suffix),
				 request->force ? TOGETHER_REPLACES : TOGETHER_YIELDS);
	return r;
}

/* Should nothing come of it, they are as they were. */
static int add_marks(const struct publish *publish, struct together *together,
		     const struct old olds[ARRAY_SIZE(suffixes)])
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes) && r >= 0; i++)
		if (olds[i].there && together_is_immutable(old_path(publish, &olds[i])))
			r = together_add(together, publish->request.pool, olds[i].name,
					 olds[i].name, TOGETHER_MARKED);
	return r;
}

/* The image, and others of its name in another form, which go. A name finds the first form of all
 * that are there: it finds the new image when those before it have gone, and that decides. */
static int add_image(struct publish *publish, struct together *together,
		     const struct old olds[ARRAY_SIZE(suffixes)], const char *name,
		     unsigned int flags)
{
	const char *pool = publish->request.pool;
	size_t own = 0, last;
	int r;

	while (strcmp(olds[own].name, name) != 0)
		own++;
	last = own;
	for (size_t i = 0; i < own; i++)
		last = olds[i].there ? i : last;
	r = together_add(together, pool, publish->main.name, name,
			 flags | (last == own ? TOGETHER_DECIDES : 0));
	for (size_t i = 0; i < ARRAY_SIZE(suffixes) && r >= 0; i++)
		if (olds[i].there && i != own)
			r = together_add(together, pool, olds[i].name,
					 arena_format(publish->arena, "%s.old%zu",
						      publish->main.name, i),
					 i == last ? TOGETHER_DECIDES : 0);
	return r;
}

static bool has_side(const struct publish *publish, const char *suffix)
{
	for (size_t i = 0; i < publish->side_count; i++)
		if (text_equal(publish->sides[i].suffix, suffix))
			return true;
	return false;
}

static bool is_beside(const struct publish *publish, const char *suffix)
{
	const char *file = arena_format(publish->arena, "%s%s", publish->request.name, suffix);

	return faccessat(publish->pool_fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Not those that somebody put in their place. */
static bool are_settings_made(const struct publish *publish)
{
	const char *file = arena_format(publish->arena, "%s.nspawn", publish->request.name);
	char begin[sizeof(OCI_SETTINGS_BEGIN) + 1];

	return file_read_line(begin, sizeof(begin), publish->pool_fd, file) >= 0 &&
	       text_after(begin, OCI_SETTINGS_BEGIN) != NULL;
}

/* What an image of a registry says of itself is not so of what takes its place, nor are the
 * settings that were made of it. Root hashes stay: they refuse what they are not of. */
static int add_description(struct publish *publish, struct together *together,
			   const struct old olds[ARRAY_SIZE(suffixes)])
{
	static const char *const described[] = { ".oci-config", ".nspawn" };
	const struct publish_request *request = &publish->request;
	bool replaces = false;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		replaces = replaces || olds[i].there;
	if (!replaces || has_side(publish, described[0]) || !is_beside(publish, described[0]))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(described) && r >= 0; i++)
		if (i == 0 || (!has_side(publish, described[i]) && are_settings_made(publish)))
			r = together_add(together, request->pool,
					 arena_format(publish->arena, "%s%s", request->name,
						      described[i]),
					 arena_format(publish->arena, "%s.old%zu",
						      publish->main.name, ARRAY_SIZE(suffixes) + i),
					 0);
	return r;
}

static int add_all(struct publish *publish, struct together *together,
		   const struct old olds[ARRAY_SIZE(suffixes)], const char *name)
{
	const struct publish_request *request = &publish->request;
	/* A layered image is read-only as it has no room for changes. */
	bool marked = request->read_only && request->kind == PUBLISH_TREE &&
		      request->suffix == NULL && !publish->main.subvolume &&
		      !(request->user && request->unseen);
	int r = add_marks(publish, together, olds);

	if (r >= 0)
		r = add_sides(publish, together);
	if (r >= 0)
		r = add_image(publish, together, olds, name,
			      (request->force ? TOGETHER_REPLACES : 0) |
				      (marked ? TOGETHER_MARKED : 0));
	if (r >= 0)
		r = add_description(publish, together, olds);
	if (r >= 0)
		r = together_note(together, !request->lazy);
	return r < 0 ? fail(r, "cannot note in '%s' what is about to be there", request->pool) : 0;
}

static int run_all(struct publish *publish, struct together *together,
		   const struct old olds[ARRAY_SIZE(suffixes)])
{
	const struct together_step *step;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (olds[i].there)
			allow_change(old_path(publish, &olds[i]));
	r = together_run(together);
	if (r >= 0)
		return 0;
	step = &together->steps[together->failed];
	if (r == -EEXIST && step->flags & TOGETHER_DECIDES)
		return is_taken(&publish->request,
				path_join(publish->arena, step->directory, step->to));
	return fail(r, "cannot make '%s/%s'", step->directory, step->to);
}

/* While it grew somebody else may have made one of this name, in a form that no rename is stopped
 * by. */
static int take_name(struct publish *publish, struct lock *ret)
{
	const struct publish_request *request = &publish->request;
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct lock lock = LOCK_EMPTY;
	int r = -EBUSY;

	for (int i = 0; i < TRIES && r == -EBUSY; i++) {
		if (i > 0) {
			fail_forget();
			nanosleep(&pause, NULL);
		}
		r = lock_name(publish->arena, &lock, request->pool, request->name, !request->user);
	}
	if (r >= 0)
		r = publish_check(publish->arena, request);
	if (r < 0) {
		lock_release(&lock);
		return r;
	}
	*ret = lock;
	return 0;
}

static int publish_held(struct publish *publish, const char *name)
{
	struct old olds[ARRAY_SIZE(suffixes)];
	struct together together;
	int r = hold_olds(publish, olds), removed;

	if (r < 0)
		return r;
	together_begin(&together, publish->arena, publish->request.pool, publish->pool_fd);
	r = add_all(publish, &together, olds, name);
	if (r >= 0)
		r = run_all(publish, &together, olds);
	removed = together_done(&together);
	if (removed < 0)
		log_warning("cannot remove what was replaced in '%s': %s, going on without",
			    publish->request.pool, strerror(-removed));
	let_go(olds);
	return r;
}

static int publish_all(struct publish *publish, const char *name)
{
	struct lock held = LOCK_EMPTY;
	int r = take_name(publish, &held);

	if (r >= 0)
		r = publish_held(publish, name);
	lock_release(&held);
	return r;
}

int publish_commit(struct publish *publish)
{
	const struct publish_request *request = &publish->request;
	const char *name = file_name(publish->arena, request);
	int r = mark_read_only(publish);

	if (r >= 0)
		r = to_disk(publish);
	if (r < 0)
		return fail(r, "cannot finish image '%s'", request->name);
	r = publish_all(publish, name);
	if (r < 0)
		return r;
	for (size_t i = 0; i < publish->side_count; i++)
		growing_done(&publish->sides[i].file);
	publish->side_count = 0;
	growing_done(&publish->main);
	if (!request->lazy && fsync(publish->pool_fd) < 0)
		log_warning("cannot be sure that '%s' is on disk: %s", request->pool,
			    strerror(errno));
	fd_close(&publish->pool_fd);
	return 0;
}

void publish_abort(struct publish *publish)
{
	if (publish->pool_fd < 0)
		return;
	for (size_t i = 0; i < publish->side_count; i++)
		(void)growing_remove(&publish->sides[i].file);
	publish->side_count = 0;
	(void)growing_remove(&publish->main);
	fd_close(&publish->pool_fd);
}

int publish_sweep(const char *pool)
{
	autoclose int fd = open_pool(pool, false);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fail(fd, "cannot open the directory of images '%s'", pool);
	return together_sweep(fd, pool);
}
