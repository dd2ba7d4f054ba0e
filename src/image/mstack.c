#include "image/mstack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "image/pick.h"
#include "io/dir.h"
#include "io/fd.h"

#define LAYER "layer@"

/* ---- reading ---- */

struct reading {
	struct arena *arena;
	struct mstack *stack;
	const char *path;
};

static int add_layer(const struct reading *reading, const char *name, unsigned char type)
{
	char *path = path_join(reading->arena, reading->path, name);

	if (text_ends(name, ".raw") || text_ends(name, ".raw.v") || type == DT_BLK)
		return fail_plain(-EOPNOTSUPP,
				  "cannot use the layer '%s': disk images as layers are not built "
				  "yet (try a directory)",
				  path);
	if (type != DT_DIR && type != DT_LNK)
		return fail_plain(-EBADMSG, "cannot use the layer '%s': it is no directory", path);
	if (reading->stack->layers.count >= MSTACK_LAYERS_MAX)
		return fail_plain(-E2BIG, "cannot use '%s': it has more than %d layers",
				  reading->path, MSTACK_LAYERS_MAX);
	text_list_add(reading->arena, &reading->stack->layers, path);
	return 0;
}

static int add_entry(int dir_fd, const char *name, unsigned char type, void *context)
{
	const struct reading *reading = context;

	(void)dir_fd;
	if (name[0] == '.')
		return 0;
	if (text_after(name, LAYER) && *text_after(name, LAYER) != '\0')
		return add_layer(reading, name, type);
	if (text_equal(name, "rw") && (type == DT_DIR || type == DT_LNK)) {
		reading->stack->upper = arena_format(reading->arena, "%s/rw/data", reading->path);
		reading->stack->work = arena_format(reading->arena, "%s/rw/work", reading->path);
		return 0;
	}
	return fail_plain(-EOPNOTSUPP,
			  "cannot use the layered image '%s': its entry '%s' is not built yet "
			  "(what is: directories as layer@ID, and rw)",
			  reading->path, name);
}

/* "layer@1.v" has the order of "layer@1". */
static char *identifier(char *room, size_t size, const char *path)
{
	const char *name = path_name(path) + strlen(LAYER);
	size_t length = strlen(name) - (text_ends(name, ".v") ? 2 : 0);

	length = MIN(length, size - 1);
	memcpy(room, name, length);
	room[length] = '\0';
	return room;
}

static int by_version(const void *a, const void *b)
{
	char left[NAME_MAX + 1], right[NAME_MAX + 1];
	int order = pick_compare(identifier(left, sizeof(left), *(char *const *)a),
				 identifier(right, sizeof(right), *(char *const *)b));

	return order != 0 ? order : strcmp(*(char *const *)a, *(char *const *)b);
}

static int pick_layers(struct arena *arena, struct text_list *layers)
{
	for (size_t i = 0; i < layers->count; i++) {
		int r = pick_version(arena, &layers->items[i], layers->items[i], PICK_DIRECTORY);

		if (r < 0)
			return fail(r, "cannot find a version of the layer '%s'", layers->items[i]);
	}
	return 0;
}

int mstack_read(struct arena *arena, struct mstack *ret, const char *path)
{
	autoclose int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mstack stack = { .upper = NULL };
	struct reading reading = { .arena = arena, .stack = &stack, .path = path };
	int r;

	if (directory < 0)
		return fail(-errno, "cannot open the layered image '%s'", path);
	r = dir_walk(directory, add_entry, &reading);
	if (r < 0)
		return fail_recorded()->code == r
			       ? r
			       : fail(r, "cannot read the layered image '%s'", path);
	if (stack.layers.count == 0 && stack.upper == NULL)
		return fail_plain(-EBADMSG,
				  "cannot use the layered image '%s': it has no layer (a directory "
				  "or link layer@0, say)",
				  path);
	if (stack.layers.count > 0)
		qsort(stack.layers.items, stack.layers.count, sizeof(char *), by_version);
	r = pick_layers(arena, &stack.layers);
	if (r < 0)
		return r;
	*ret = stack;
	return 0;
}

/* ---- making ---- */

/* The upper directory's owner, mode and times become those of the merged root. */
static int look_like(int dir_fd, const char *name, int tree_fd)
{
	struct stat st;

	if (fstat(tree_fd, &st) < 0)
		return -errno;
	/* Without root a tree of somebody else's stays ours to write in the overlay. */
	if (fchownat(dir_fd, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM)
		return -errno;
	if (fchmodat(dir_fd, name, st.st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(dir_fd, name, (struct timespec[]){ st.st_atim, st.st_mtim }, 0) < 0
		       ? -errno
		       : 0;
}

static int make_directory(int dir_fd, const char *name)
{
	int fd;

	if (mkdirat(dir_fd, name, 0700) < 0)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int make_writable(int stack_fd, int tree_fd)
{
	autoclose int rw = make_directory(stack_fd, "rw");

	if (rw < 0)
		return rw;
	if (mkdirat(rw, "data", 0700) < 0 || mkdirat(rw, "work", 0700) < 0)
		return -errno;
	return look_like(rw, "data", tree_fd);
}

int mstack_fill(int stack_fd, const struct text_list *layers, int tree_fd, bool read_only)
{
	char link[32];

	if (layers->count > MSTACK_LAYERS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < layers->count; i++) {
		snprintf(link, sizeof(link), LAYER "%zu", i);
		if (symlinkat(layers->items[i], stack_fd, link) < 0)
			return -errno;
	}
	return read_only ? 0 : make_writable(stack_fd, tree_fd);
}

int mstack_make(int dir_fd, const char *name, const struct text_list *layers, int tree_fd,
		bool read_only)
{
	autoclose int stack = -EBADF;

	if (layers->count > MSTACK_LAYERS_MAX)
		return -E2BIG;
	stack = make_directory(dir_fd, name);
	return stack < 0 ? stack : mstack_fill(stack, layers, tree_fd, read_only);
}

/* ---- whose layer ---- */

struct search {
	struct arena *arena;
	const char *path;
	struct stat tree;
};

static int is_tree(int dir_fd, const char *name, unsigned char type, void *context)
{
	const struct search *search = context;
	const char *path = path_join(search->arena, search->path, name);
	struct stat layer;
	char *picked;

	(void)dir_fd;
	(void)type;
	if (text_after(name, LAYER) == NULL)
		return 0;
	if (pick_version(search->arena, &picked, path, PICK_DIRECTORY) >= 0)
		path = picked;
	return stat(path, &layer) == 0 && layer.st_dev == search->tree.st_dev &&
	       layer.st_ino == search->tree.st_ino;
}

/* Not by mstack_read(): also an image that cannot be used, now or by us, keeps its layers. */
bool mstack_has_layer(struct arena *arena, const char *path, int fd)
{
	autoclose int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct search search = { .arena = arena, .path = path };

	if (directory < 0 || fstat(fd, &search.tree) < 0)
		return false;
	return dir_walk(directory, is_tree, &search) > 0;
}

char *mstack_mark_path(struct arena *arena, const char *path)
{
	return arena_format(arena, "%s/.#%s.base", path_parent(arena, path), path_name(path));
}

int mstack_mark(struct arena *arena, const char *path)
{
	autoclose int fd = open(mstack_mark_path(arena, path),
				O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

bool mstack_is_marked(struct arena *arena, const char *path)
{
	struct stat st;

	return lstat(mstack_mark_path(arena, path), &st) == 0;
}
