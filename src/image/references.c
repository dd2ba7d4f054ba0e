#include "image/references.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/text.h"
#include "image/store.h"
#include "io/dir.h"
#include "io/file.h"

#define NAME_ROOM 40

/* A reference may be longer than a file name, and has slashes. Only its own file is ever believed
 * in: the reference stands in it. */
static void file_name(char ret[NAME_ROOM], const char *reference)
{
	static const uint8_t keys[2][16] = { "redd-references", "references-redd" };
	size_t size = strlen(reference);

	snprintf(ret, NAME_ROOM, "%016llx%016llx",
		 (unsigned long long)hash_siphash24(reference, size, keys[0]),
		 (unsigned long long)hash_siphash24(reference, size, keys[1]));
}

/* ---- reading ---- */

/* "sha256:…" or "sha256:… sha256:…": the layer, and what was fetched for it */
static bool take_layer(struct arena *arena, struct reference *ret, char *value)
{
	char *blob = strchr(value, ' ');

	if (blob != NULL)
		*blob++ = '\0';
	if (store_digest_name(value) == NULL || (blob != NULL && store_digest_name(blob) == NULL) ||
	    ret->layers.count >= REFERENCES_LAYERS_MAX)
		return false;
	text_list_add(arena, &ret->layers, value);
	if (blob != NULL)
		text_list_add(arena, &ret->blobs, blob);
	return true;
}

static bool take_line(struct arena *arena, struct reference *ret, char *line)
{
	char *value = strchr(line, '=');

	if (value == NULL)
		return false;
	*value++ = '\0';
	if (text_equal(line, "Layer"))
		return take_layer(arena, ret, value);
	if (text_equal(line, "Reference"))
		ret->name = value;
	else if (text_equal(line, "Manifest"))
		ret->manifest = value;
	else if (text_equal(line, "Config"))
		ret->config = value;
	else if (text_equal(line, "Keep"))
		ret->keep = text_equal(value, "yes");
	return true;
}

static bool is_whole(const struct reference *reference)
{
	return reference->name != NULL && store_digest_name(reference->manifest) != NULL &&
	       store_digest_name(reference->config) != NULL && reference->layers.count > 0 &&
	       (reference->blobs.count == 0 || reference->blobs.count == reference->layers.count);
}

static int read_file(struct arena *arena, struct reference *ret, int room_fd, const char *name)
{
	struct reference reference = { 0 };
	char *text, *rest, *line;
	size_t size;
	int r = file_read(arena, &text, &size, room_fd, name, REFERENCES_FILE_MAX);

	if (r < 0)
		return r;
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		if (!take_line(arena, &reference, line))
			return -EBADMSG;
	if (!is_whole(&reference))
		return -EBADMSG;
	*ret = reference;
	return 0;
}

static int open_images(const struct store *store)
{
	int fd = openat(store->fd, STORE_IMAGES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int reference_read(struct arena *arena, struct reference *ret, const struct store *store,
		   const char *name)
{
	autoclose int room = open_images(store);
	struct reference reference;
	char file[NAME_ROOM];
	int r = room;

	file_name(file, name);
	if (r >= 0)
		r = read_file(arena, &reference, room, file);
	/* What was cut short, or is of another version, is fetched again. */
	if (r == -ENOENT || r == -EBADMSG || r == -EFBIG)
		return -ENOENT;
	if (r < 0)
		return fail(r, "cannot read what is known of '%s' in '%s'", name, store->path);
	if (!text_equal(reference.name, name))
		return -ENOENT;
	*ret = reference;
	return 0;
}

/* ---- writing ---- */

static bool is_name(const char *name)
{
	size_t length = text_empty(name) ? 0 : strlen(name);

	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] == 0x7f) /* also what is not ASCII */
			return false;
	return length > 0 && length <= REFERENCES_TEXT_MAX;
}

static bool are_digests(const struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (store_digest_name(list->items[i]) == NULL)
			return false;
	return list->count <= REFERENCES_LAYERS_MAX;
}

static char *write_text(struct arena *arena, const struct reference *reference)
{
	size_t room = REFERENCES_FILE_MAX, used;
	char *text = arena_take(arena, room);

	used = (size_t)snprintf(text, room, "Reference=%s\nManifest=%s\nConfig=%s\nKeep=%s\n",
				reference->name, reference->manifest, reference->config,
				reference->keep ? "yes" : "no");
	for (size_t i = 0; i < reference->layers.count; i++) {
		const char *blob = reference->blobs.count > 0 ? reference->blobs.items[i] : NULL;

		used += (size_t)snprintf(text + used, room - used, "Layer=%s%s%s\n",
					 reference->layers.items[i], blob ? " " : "",
					 blob ? blob : "");
	}
	return text;
}

int reference_write(struct arena *arena, const struct store *store,
		    const struct reference *reference)
{
	autoclose int room = open_images(store);
	char file[NAME_ROOM], *text;
	int r = room;

	if (!is_name(reference->name))
		return fail_input("cannot note an image: its reference has blanks, is not ASCII, "
				  "is empty or too long");
	if (!is_whole(reference) || !are_digests(&reference->layers) ||
	    !are_digests(&reference->blobs))
		return fail_input("cannot note the image '%s': a digest is none, or one is missing",
				  reference->name);
	text = write_text(arena, reference);
	file_name(file, reference->name);
	/* Whoever collects forgets what he has read, not what was written meanwhile. */
	r = r < 0 ? r : fd_lock(room, LOCK_SH);
	if (r >= 0)
		r = file_replace(room, file, text, strlen(text), 0600);
	if (r >= 0 && fsync(room) < 0)
		r = -errno;
	return r < 0 ? fail(r, "cannot note the image '%s' in '%s'", reference->name, store->path)
		     : 0;
}

int reference_forget(const struct store *store, const char *name)
{
	autoclose int room = open_images(store);
	char file[NAME_ROOM];

	if (room < 0)
		return room == -ENOENT ? room
				       : fail(room, "cannot open the images of '%s'", store->path);
	file_name(file, name);
	if (unlinkat(room, file, 0) == 0)
		return 0;
	return errno == ENOENT ? -ENOENT : fail(-errno, "cannot forget the image '%s'", name);
}

/* ---- all of them ---- */

struct listing {
	struct arena *arena;
	struct reference *items;
	size_t count;
	const struct text_list *layers; /* NULL: any */
	struct timespec newest;
};

static bool same_list(const struct text_list *a, const struct text_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!text_equal(a->items[i], b->items[i]))
			return false;
	return true;
}

static int visit(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct listing *listing = context;
	struct reference reference, *item;

	if (type != DT_REG || name[0] == '.' ||
	    read_file(listing->arena, &reference, dir_fd, name) < 0)
		return 0;
	item = list_grow(listing->arena, (void **)&listing->items, &listing->count, sizeof(*item));
	*item = reference;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct reference *)a)->name, ((const struct reference *)b)->name);
}

int references_list(struct arena *arena, struct reference **ret, size_t *ret_count,
		    const struct store *store)
{
	autoclose int room = open_images(store);
	struct listing listing = { .arena = arena };
	int r = room;

	if (r >= 0)
		r = dir_walk(room, visit, &listing);
	if (r < 0 && r != -ENOENT)
		return fail(r, "cannot read the images of '%s'", store->path);
	if (listing.count > 0)
		qsort(listing.items, listing.count, sizeof(*listing.items), by_name);
	*ret = listing.items;
	*ret_count = listing.count;
	return 0;
}

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static int visit_newest(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct listing *listing = context;
	struct reference reference;
	struct stat st;

	if (type != DT_REG || name[0] == '.' ||
	    read_file(listing->arena, &reference, dir_fd, name) < 0 ||
	    !same_list(&reference.layers, listing->layers) ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (listing->count > 0 && !is_newer(&st.st_mtim, &listing->newest))
		return 0;
	if (listing->count == 0)
		(void)list_grow(listing->arena, (void **)&listing->items, &listing->count,
				sizeof(reference));
	listing->items[0] = reference;
	listing->newest = st.st_mtim;
	return 0;
}

int reference_of_layers(struct arena *arena, struct reference *ret, const struct store *store,
			const struct text_list *layers)
{
	autoclose int room = open_images(store);
	struct listing listing = { .arena = arena, .layers = layers };
	int r = room;

	if (r >= 0)
		r = dir_walk(room, visit_newest, &listing);
	if (r < 0 && r != -ENOENT)
		return fail(r, "cannot read the images of '%s'", store->path);
	if (listing.count == 0)
		return -ENOENT;
	*ret = listing.items[0];
	return 0;
}
