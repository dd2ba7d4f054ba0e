#include "image/places.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/text.h"
#include "image/store.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

#define ROOM "places"
#define IN_MEMORY "-memory" /* in the place of a mark and an inode */
#define MARK "user.redd.place"

/* The room, for nobody else until it is closed. -ENOENT: nothing is noted. */
static int open_room(const struct store *store, bool make)
{
	autoclose int fd = -EBADF;
	int r;

	if (make && mkdirat(store->fd, ROOM, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(store->fd, ROOM, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_lock(fd, LOCK_EX);
	return r < 0 ? r : take_fd(&fd);
}

/* Roots of file systems of a kind have all the same inode, and some are known by their device only.
 * MAKE: it is marked if it was not. 0: it is not, or cannot be. */
static uint64_t mark_of(const char *path, bool make)
{
	uint64_t mark;

	if (make && getxattr(path, MARK, NULL, 0) < 0 &&
	    getrandom(&mark, sizeof(mark), 0) == (ssize_t)sizeof(mark))
		(void)setxattr(path, MARK, &mark, sizeof(mark), XATTR_CREATE);
	return getxattr(path, MARK, &mark, sizeof(mark)) == (ssize_t)sizeof(mark) ? mark : 0;
}

/* NULL: it is not there. */
static char *file_of(struct arena *arena, const char *path, bool make)
{
	static const uint8_t key[16] = "redd/places";
	unsigned long long hash = hash_siphash24(path, strlen(path), key);
	struct statfs fs;
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode) || statfs(path, &fs) < 0)
		return NULL;
	if (fs.f_type == TMPFS_MAGIC)
		return arena_format(arena, "%016llx" IN_MEMORY, hash);
	return arena_format(arena, "%016llx-%016llx-%llu", hash,
			    (unsigned long long)mark_of(path, make), (unsigned long long)st.st_ino);
}

static int read_place(struct arena *arena, struct place *ret, int room_fd, const char *file)
{
	struct place place = { 0 };
	char *text, *rest;
	size_t size;
	int r = file_read(arena, &text, &size, room_fd, file, PLACES_FILE_MAX);

	if (r < 0)
		return r;
	place.path = strsep(&text, "\n");
	if (text == NULL || !path_is_absolute(place.path))
		return -EBADMSG;
	while ((rest = strsep(&text, "\n")) != NULL && *rest != '\0') {
		if (!store_is_name(rest))
			return -EBADMSG;
		text_list_add(arena, &place.layers, rest);
	}
	place.there = text_equal(file_of(arena, place.path, false), file);
	*ret = place;
	return 0;
}

static int write_place(struct arena *arena, int room_fd, const char *file, const char *path,
		       const struct text_list *layers)
{
	size_t size = strlen(path) + 1 + 65 * layers->count;
	char *text = arena_take(arena, size + 1), *at = text;

	if (strchr(path, '\n') != NULL)
		return -EINVAL;
	at = stpcpy(stpcpy(at, path), "\n");
	for (size_t i = 0; i < layers->count; i++)
		at = stpcpy(stpcpy(at, layers->items[i]), "\n");
	return file_replace(room_fd, file, text, size, 0600);
}

/* ---- all ---- */

struct reading {
	struct arena *arena;
	struct place *places;
	size_t count;
};

static int add_place(int room_fd, const char *name, unsigned char type, void *context)
{
	struct reading *reading = context;
	struct place place, *slot;
	int r;

	/* Who was killed while it wrote one: its image is not there. */
	if (type != DT_REG || name[0] == '.')
		return 0;
	r = read_place(reading->arena, &place, room_fd, name);
	if (r < 0)
		return r;
	if (!place.there && text_ends(name, IN_MEMORY)) {
		(void)unlinkat(room_fd, name, 0);
		return 0;
	}
	slot = list_grow(reading->arena, (void **)&reading->places, &reading->count, sizeof(*slot));
	*slot = place;
	return 0;
}

int places_list(struct arena *arena, struct place **ret, size_t *ret_count,
		const struct store *store)
{
	autoclose int room = open_room(store, false);
	struct reading reading = { .arena = arena };
	int r = room == -ENOENT ? 0 : room;

	if (room >= 0)
		r = dir_walk(room, add_place, &reading);
	if (r < 0)
		return fail(r, "cannot read which directories use layers in '%s/" ROOM "'",
			    store->path);
	*ret = reading.places;
	*ret_count = reading.count;
	return 0;
}

/* ---- one ---- */

static int failed(int r, const char *path)
{
	return fail(r, "cannot note that images in '%s' use layers", path);
}

/* A name in the room of layers; NULL: it lies elsewhere. */
static char *layer_of(const char *path)
{
	const char *room = strstr(path, "/" STORE_LAYERS "/"), *name = path_name(path);

	return room != NULL && store_is_name(name) ? (char *)name : NULL;
}

int place_add(struct arena *arena, const struct store *store, const char *path,
	      const struct text_list *paths)
{
	autoclose int room = -EBADF;
	struct place place = { 0 };
	const char *file;
	size_t had;
	int r;

	/* Those are always looked at. */
	if (path_is_below(path, store->path))
		return 0;
	file = file_of(arena, path, true);
	if (file == NULL)
		return failed(-ENOENT, path);
	room = open_room(store, true);
	if (room < 0)
		return failed(room, path);
	r = read_place(arena, &place, room, file);
	if (r < 0 && r != -ENOENT)
		return failed(r, path);
	had = place.layers.count;
	for (size_t i = 0; i < paths->count; i++) {
		char *layer = layer_of(paths->items[i]);

		if (layer != NULL && !text_list_has(&place.layers, layer))
			text_list_add(arena, &place.layers, layer);
	}
	if (place.layers.count == had)
		return 0;
	r = write_place(arena, room, file, path, &place.layers);
	return r < 0 ? failed(r, path) : 0;
}

static bool is_same(const struct text_list *one, const struct text_list *other)
{
	for (size_t i = 0; i < one->count; i++)
		if (!text_list_has(other, one->items[i]))
			return false;
	return one->count == other->count;
}

int place_set(struct arena *arena, const struct store *store, const char *path,
	      const struct text_list *layers)
{
	const char *file = file_of(arena, path, layers->count > 0);
	autoclose int room = -EBADF;
	struct place place = { 0 };
	int r;

	if (file == NULL)
		return 0;
	room = open_room(store, layers->count > 0);
	if (room == -ENOENT)
		return 0;
	if (room < 0)
		return failed(room, path);
	r = read_place(arena, &place, room, file);
	if (r >= 0 && is_same(&place.layers, layers))
		return 0;
	if (layers->count > 0)
		r = write_place(arena, room, file, path, layers);
	else
		r = r == -ENOENT || unlinkat(room, file, 0) == 0 ? 0 : -errno;
	return r < 0 ? failed(r, path) : 0;
}
