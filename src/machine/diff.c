#include "machine/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/resolve.h"
#include "machine/find.h"

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)
#define WANTED (STATX_BASIC_STATS | STATX_MNT_ID)

struct directory {
	const char *path; /* "" or "/a/b" */
	bool added;	  /* the image has none there */
};

struct diff {
	struct arena *arena;
	const char *name; /* of the machine */
	int now_fd, image_fd;
	bool copied;	/* the image's times of change are not in the machine */
	uint32_t shift; /* of owners */
	uint64_t mount; /* of the root */
	struct directory *waiting;
	size_t depth, room;
	struct diff_entry *entries;
	size_t count, seen;
};

struct names {
	struct diff *diff;
	struct arena *arena;
	struct text_list list;
};

static void add(struct diff *diff, enum diff_change change, const char *path)
{
	struct diff_entry *entry = list_grow(diff->arena, (void **)&diff->entries, &diff->count,
					     sizeof(*entry));

	entry->change = change;
	entry->path = path;
}

static void push(struct diff *diff, const char *path, bool added)
{
	if (diff->depth == diff->room) {
		size_t room = MAX(diff->room * 2, 64u);
		struct directory *wider = arena_take_array(diff->arena, room, sizeof(*wider));

		if (diff->depth > 0)
			memcpy(wider, diff->waiting, diff->depth * sizeof(*wider));
		diff->waiting = wider;
		diff->room = room;
	}
	diff->waiting[diff->depth++] = (struct directory){ path, added };
}

/* ---- one directory ---- */

static int take_name(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct names *names = context;

	(void)dir_fd;
	(void)type;
	if (++names->diff->seen > DIFF_ENTRIES_MAX)
		return fail_plain(-E2BIG,
				  "cannot compare machine '%s': there are more than %u files in it",
				  names->diff->name, DIFF_ENTRIES_MAX);
	text_list_add(names->arena, &names->list, arena_text(names->arena, name));
	return 0;
}

static int read_names(struct diff *diff, struct arena *arena, struct text_list *ret, int fd)
{
	struct names names = { .diff = diff, .arena = arena };
	int r = fd < 0 ? 0 : dir_walk(fd, take_name, &names);

	if (r < 0)
		return r;
	text_list_sort(&names.list);
	*ret = names.list;
	return 0;
}

static bool same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool differ(const struct diff *diff, const struct statx *now, const struct statx *image)
{
	if (now->stx_mode != image->stx_mode)
		return true;
	/* A directory's times change with what is in it, which is listed itself. */
	if (S_ISDIR(now->stx_mode))
		return now->stx_uid - diff->shift != image->stx_uid;
	if (!diff->copied)
		return !same_time(&now->stx_ctime, &image->stx_ctime);
	return now->stx_size != image->stx_size || !same_time(&now->stx_mtime, &image->stx_mtime) ||
	       now->stx_rdev_major != image->stx_rdev_major ||
	       now->stx_rdev_minor != image->stx_rdev_minor;
}

/* -ENOENT: it is gone, or hidden below a mount. */
static int look(struct diff *diff, struct statx *ret, int fd, const char *name)
{
	if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, WANTED,
		  ret) < 0)
		return -errno;
	return ret->stx_mnt_id != diff->mount ? -ENOENT : 0;
}

static void compare(struct diff *diff, const char *directory, const char *name, int now_fd,
		    int image_fd)
{
	const char *path = arena_format(diff->arena, "%s/%s", directory, name);
	struct statx now, image;
	bool added;

	if (look(diff, &now, now_fd, name) < 0)
		return;
	added = image_fd < 0 ||
		statx(image_fd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &image) < 0;
	if (added)
		add(diff, DIFF_ADDED, path);
	else if (differ(diff, &now, &image))
		add(diff, DIFF_MODIFIED, path);
	if (S_ISDIR(now.stx_mode))
		push(diff, path, added || !S_ISDIR(image.stx_mode));
}

static int compare_names(struct diff *diff, struct arena *scratch, const char *directory,
			 int now_fd, int image_fd)
{
	struct text_list now = { 0 }, image = { 0 };
	size_t i = 0, j = 0;
	int r = read_names(diff, scratch, &now, now_fd);

	if (r >= 0)
		r = read_names(diff, scratch, &image, image_fd);
	if (r < 0)
		return r;
	while (i < now.count || j < image.count) {
		int order = i == now.count     ? 1
			    : j == image.count ? -1
					       : strcmp(now.items[i], image.items[j]);

		if (order > 0)
			add(diff, DIFF_DELETED,
			    arena_format(diff->arena, "%s/%s", directory, image.items[j]));
		else
			compare(diff, directory, now.items[i], now_fd,
				order == 0 ? image_fd : -EBADF);
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

static int walk_one(struct diff *diff, const struct directory *directory)
{
	const char *path = directory->path[0] == '\0' ? "/" : directory->path;
	autoclose int now = -EBADF, image = -EBADF;
	autoarena struct arena scratch = { 0 };
	int r;

	now = resolve_open(diff->now_fd, path, OPEN_DIRECTORY);
	/* Gone meanwhile. */
	if (now == -ENOENT || now == -ENOTDIR || now == -ELOOP)
		return 0;
	if (now == -ENAMETOOLONG) {
		log_warning("cannot look below a directory in machine '%s' that is too deep, going "
			    "on without: '%.200s'",
			    diff->name, path);
		return 0;
	}
	if (now < 0)
		return fail(now, "cannot read '%s' in machine '%s'", path, diff->name);
	if (!directory->added)
		image = resolve_open(diff->image_fd, path, OPEN_DIRECTORY);
	r = compare_names(diff, &scratch, directory->path, now, image);
	return r < 0 && fail_recorded()->code == 0
		       ? fail(r, "cannot read '%s' in machine '%s'", path, diff->name)
		       : r;
}

/* ---- */

/* "RUNG PATH" */
static int open_image(struct diff *diff, const struct machine *machine, diff_open_fn *open_it)
{
	const char *origin = machine_note(machine, RECORD_ORIGIN);
	const char *path = origin == NULL ? NULL : strchr(origin, ' ');

	if (path == NULL)
		return fail_plain(
			-EOPNOTSUPP,
			"cannot compare machine '%s': its root is no throw-away version of "
			"an image, it is the tree itself (started with --ephemeral or "
			"--volatile=overlay it would be)",
			machine->name);
	diff->copied = text_after(origin, "copy ") != NULL;
	diff->image_fd = open_it(diff->arena, path + 1, text_after(origin, "layers ") == NULL);
	return MIN(diff->image_fd, 0);
}

static int open_trees(struct diff *diff, const struct machine *machine, diff_open_fn *open_it)
{
	struct statx now, image;
	int r = open_image(diff, machine, open_it);

	if (r < 0)
		return r;
	diff->now_fd = machine_open_root(machine);
	if (diff->now_fd < 0)
		return diff->now_fd;
	if (statx(diff->now_fd, "", AT_EMPTY_PATH, WANTED, &now) < 0 ||
	    statx(diff->image_fd, "", AT_EMPTY_PATH, WANTED, &image) < 0)
		return fail(-errno, "cannot look at the root of machine '%s'", machine->name);
	diff->mount = now.stx_mnt_id;
	diff->shift = now.stx_uid - image.stx_uid;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct diff_entry *)a)->path, ((const struct diff_entry *)b)->path);
}

int diff_list(struct arena *arena, struct diff_entry **ret, size_t *ret_count,
	      const struct machine *machine, diff_open_fn *open_it)
{
	struct diff diff = {
		.arena = arena,
		.name = machine->name,
		.now_fd = -EBADF,
		.image_fd = -EBADF,
	};
	int r = open_trees(&diff, machine, open_it);

	if (r >= 0)
		push(&diff, "", false);
	while (r >= 0 && diff.depth > 0) {
		struct directory next = diff.waiting[--diff.depth];

		r = walk_one(&diff, &next);
	}
	fd_close(&diff.now_fd);
	fd_close(&diff.image_fd);
	if (r < 0)
		return r;
	if (diff.count > 0)
		qsort(diff.entries, diff.count, sizeof(*diff.entries), by_path);
	*ret = diff.entries;
	*ret_count = diff.count;
	return 0;
}
