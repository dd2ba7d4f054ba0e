#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "image/change.h"
#include "image/mstack.h"
#include "image/quota.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/btrfs.h"

/* ---- what one is ---- */

static uint64_t time_us(int64_t seconds, uint32_t nanoseconds)
{
	return seconds < 0 ? 0 : (uint64_t)seconds * 1000000 + nanoseconds / 1000;
}

static void look_at_times(struct image *image, const struct statx *sx)
{
	if (sx->stx_mask & STATX_BTIME)
		image->created_us = time_us(sx->stx_btime.tv_sec, sx->stx_btime.tv_nsec);
	if (image->found.kind == FIND_RAW)
		image->modified_us = time_us(sx->stx_mtime.tv_sec, sx->stx_mtime.tv_nsec);
}

static void look_at_file(struct image *image, const struct statx *sx)
{
	image->type = "raw";
	image->usage = image->usage_exclusive = sx->stx_blocks * 512;
	image->limit = image->limit_exclusive = sx->stx_size;
}

static void look_at_device(struct image *image)
{
	autoclose int fd = open(image->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	uint64_t size;

	image->type = "block";
	image->created_us = 0;
	if (fd >= 0 && ioctl(fd, BLKGETSIZE64, &size) == 0)
		image->usage = image->usage_exclusive = image->limit = image->limit_exclusive =
			size;
}

static void look_at_quota(struct image *image, int fd)
{
	struct quota quota;

	if (quota_read(&quota, fd) < 0)
		return;
	image->usage = quota.usage;
	image->usage_exclusive = quota.usage_exclusive;
	image->limit = quota.limit;
	image->limit_exclusive = quota.limit_exclusive;
}

int image_open_counted(const struct image *image)
{
	autoclose int top = open(image->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (top < 0 || image->found.kind != FIND_MSTACK)
		return top < 0 ? -errno : take_fd(&top);
	fd = openat(top, "rw", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void look_at_directory(struct image *image)
{
	autoclose int fd = open(image->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct btrfs_times times;

	image->type = "directory";
	if (fd < 0)
		return;
	if (btrfs_is_subvolume(fd)) {
		image->type = "subvolume";
		if (btrfs_times(fd, &times) >= 0) {
			image->created_us = times.created_us;
			image->modified_us = times.modified_us;
		}
	}
	look_at_quota(image, fd);
}

/* What is counted of a layered image is what was written. */
static void look_at_stack(struct image *image)
{
	autoclose int fd = image_open_counted(image);

	image->type = "mstack";
	if (fd >= 0)
		look_at_quota(image, fd);
}

static void look_at(struct image *image, const char *name)
{
	struct statx sx;

	image->name = name;
	image->path = image->found.path;
	image->hidden = name[0] == '.';
	image->created_us = image->modified_us = 0;
	image->usage = image->usage_exclusive = IMAGE_UNKNOWN;
	image->limit = image->limit_exclusive = IMAGE_UNKNOWN;
	if (statx(AT_FDCWD, image->path, 0, STATX_BASIC_STATS | STATX_BTIME, &sx) < 0)
		sx = (struct statx){ 0 };
	look_at_times(image, &sx);
	switch (image->found.kind) {
	case FIND_DIRECTORY: look_at_directory(image); break;
	case FIND_RAW: look_at_file(image, &sx); break;
	case FIND_BLOCK: look_at_device(image); break;
	case FIND_MSTACK: look_at_stack(image); break;
	}
}

int image_open(struct arena *arena, struct image *ret, const char *name,
	       const struct find_scope *scope)
{
	struct image image = { .name = name };
	int r = find_image(arena, &image.found, name, scope);

	if (r == -EINVAL)
		return fail_input("cannot use '%s' as the name of an image (try a file name that "
				  "does not begin with '.#')",
				  text_printable(arena, name));
	if (r == -ENOENT)
		return fail_plain(r, "cannot find the image '%s' (see machinectl list-images)",
				  name);
	if (r < 0)
		return fail(r, "cannot look for the image '%s'", name);
	look_at(&image, arena_text(arena, name));
	*ret = image;
	return 0;
}

void image_pool(struct arena *arena, struct image *ret, const struct find_scope *scope)
{
	char *path = find_pool_path(arena, "", scope);

	*ret = (struct image){ .found = { .path = path ? path_simplify(arena, path) : NULL } };
	if (path)
		look_at(ret, "");
}

/* ---- all ---- */

struct walk {
	struct arena *arena;
	struct text_list names; /* of one directory */
};

static char *without(struct arena *arena, const char *name, const char *suffix)
{
	return text_ends(name, suffix) ? arena_text_n(arena, name, strlen(name) - strlen(suffix))
				       : NULL;
}

/* What image the file would be, by its name; image/find tells whether it is. */
static int add_name(int dir_fd, const char *file, unsigned char type, void *context)
{
	static const char *const suffixes[] = { ".raw.v", ".v", MSTACK_SUFFIX, ".raw" };
	struct walk *walk = context;
	char *name = NULL;
	size_t i;

	(void)dir_fd;
	if (type == DT_FIFO || type == DT_SOCK || type == DT_CHR)
		return 0;
	for (i = 0; i < ARRAY_SIZE(suffixes) && name == NULL; i++)
		name = without(walk->arena, file, suffixes[i]);
	if (name && find_is_name(name))
		text_list_add(walk->arena, &walk->names, name);
	/* A directory "a.raw" is an image of that name. */
	if (type != DT_REG && (name == NULL || i == ARRAY_SIZE(suffixes)) && find_is_name(file))
		text_list_add(walk->arena, &walk->names, arena_text(walk->arena, file));
	return 0;
}

struct images {
	struct image *items;
	size_t count;
};

static bool has(const struct images *images, size_t until, const char *name)
{
	size_t low = 0;

	while (low < until) {
		size_t middle = low + (until - low) / 2;
		int order = strcmp(images->items[middle].name, name);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			until = middle;
	}
	return false;
}

static void add_found(struct arena *arena, struct images *images, const struct found *found,
		      const char *name)
{
	struct image *image = list_grow(arena, (void **)&images->items, &images->count,
					sizeof(struct image));

	image->found = *found;
	look_at(image, name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct image *)a)->name, ((const struct image *)b)->name);
}

/* Those found before are sorted; what is found here is put behind them, and sorted in. */
static int list_directory(struct arena *arena, struct images *images, const char *directory,
			  bool hidden)
{
	autoclose int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk walk = { .arena = arena };
	size_t before = images->count;
	struct found found;
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : fail(-errno, "cannot open the directory of images '%s'",
				      directory);
	r = dir_walk(fd, add_name, &walk);
	if (r < 0)
		return fail(r, "cannot read the directory of images '%s'", directory);
	text_list_sort(&walk.names);
	for (size_t i = 0; i < walk.names.count; i++) {
		const char *name = walk.names.items[i];

		if ((i > 0 && text_equal(name, walk.names.items[i - 1])) ||
		    (name[0] == '.' && !hidden) || has(images, before, name))
			continue;
		if (find_in(arena, &found, directory, name) >= 0)
			add_found(arena, images, &found, name);
	}
	if (images->count > before)
		qsort(images->items, images->count, sizeof(*images->items), by_name);
	return 0;
}

static int list_directories(struct arena *arena, struct images *images,
			    const struct text_list *directories, bool hidden)
{
	for (size_t i = 0; i < directories->count; i++) {
		int r = list_directory(arena, images, directories->items[i], hidden);

		if (r < 0)
			return r;
	}
	return 0;
}

int image_list(struct arena *arena, struct image **ret, size_t *ret_count,
	       const struct find_scope *scope, bool hidden)
{
	struct text_list directories = { 0 };
	struct images images = { 0 };
	struct found found;
	int r;

	if (hidden && find_image(arena, &found, FIND_HOST, scope) >= 0)
		add_found(arena, &images, &found, FIND_HOST);
	find_directories(arena, &directories, scope);
	r = list_directories(arena, &images, &directories, hidden);
	if (r < 0)
		return r;
	*ret = images.items;
	*ret_count = images.count;
	return 0;
}

int image_list_in(struct arena *arena, struct image **ret, size_t *ret_count,
		  const struct text_list *directories, bool hidden)
{
	struct images images = { 0 };
	int r = list_directories(arena, &images, directories, hidden);

	if (r < 0)
		return r;
	*ret = images.items;
	*ret_count = images.count;
	return 0;
}

/* ---- layers ---- */

struct search {
	struct arena *arena;
	struct text_list *names;
	const char *directory;
	int fd;
};

static int compare_layers(int dir_fd, const char *file, unsigned char type, void *context)
{
	struct search *search = context;
	char *name = without(search->arena, file, MSTACK_SUFFIX);

	(void)dir_fd;
	(void)type;
	if (name && mstack_has_layer(search->arena,
				     path_join(search->arena, search->directory, file), search->fd))
		text_list_add(search->arena, search->names, name);
	return 0;
}

int image_still_there(struct arena *arena, int fd, const char *name)
{
	const char *path = change_real_path(arena, fd, "");
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_nlink > 0 && text_after(path_name(path), ".#") == NULL)
		return 0;
	return fail_plain(-ESTALE,
			  "cannot copy '%s': it was removed or replaced meanwhile (try again)",
			  name);
}

void image_layered_on(struct arena *arena, struct text_list *ret, const struct find_scope *scope,
		      int fd)
{
	struct text_list directories = { 0 };

	find_directories(arena, &directories, scope);
	for (size_t i = 0; i < directories.count; i++) {
		struct search search = { arena, ret, directories.items[i], fd };
		autoclose int directory = open(search.directory,
					       O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (directory >= 0)
			(void)dir_walk(directory, compare_layers, &search);
	}
}
