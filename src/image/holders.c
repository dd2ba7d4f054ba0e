#include "image/holders.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "image/find.h"
#include "image/mstack.h"
#include "image/places.h"
#include "image/store.h"
#include "io/dir.h"
#include "io/fd.h"

#define DEPTH_MAX 1000 /* of directories that are measured */

struct reading {
	struct arena *arena;
	struct holders *holders;
	const char *directory; /* that is read */
	const char *machine;   /* whose all of it is; NULL: each has its own name */
	int depth;
};

static bool is_hidden(const char *name)
{
	return text_after(name, ".#") != NULL;
}

/* ---- what there is ---- */

static int add_layer(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct reading *reading = context;
	struct holders *holders = reading->holders;
	struct holders_layer *layer;
	struct stat st;

	if (type != DT_DIR || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	layer = list_grow(reading->arena, (void **)&holders->layers, &holders->layer_count,
			  sizeof(*layer));
	layer->name = arena_text(reading->arena, name);
	layer->unfinished = is_hidden(name);
	layer->device = st.st_dev;
	layer->inode = st.st_ino;
	return 0;
}

static int add_blob(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct reading *reading = context;
	struct holders *holders = reading->holders;
	struct holders_blob *blob;
	struct stat st;

	/* An archive that is being made is a directory meanwhile. */
	if ((type != DT_REG && !(type == DT_DIR && is_hidden(name))) ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	blob = list_grow(reading->arena, (void **)&holders->blobs, &holders->blob_count,
			 sizeof(*blob));
	blob->name = arena_text(reading->arena, name);
	blob->unfinished = is_hidden(name);
	blob->size = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int walk(int dir_fd, const char *path, dir_visit_fn *visit, struct reading *reading)
{
	autoclose int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return dir_walk(fd, visit, reading);
}

static int by_inode(const void *a, const void *b)
{
	const struct holders_layer *left = a, *right = b;

	if (left->inode != right->inode)
		return left->inode < right->inode ? -1 : 1;
	return left->device < right->device ? -1 : left->device > right->device;
}

struct holders_layer *holders_layer(const struct holders *holders, const char *digest)
{
	const char *name = store_digest_name(digest);

	for (size_t i = 0; name != NULL && i < holders->layer_count; i++)
		if (text_equal(holders->layers[i].name, name))
			return &holders->layers[i];
	return NULL;
}

/* ---- machines ---- */

/* However it is linked: what counts is where it leads. */
static int add_use(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct reading *reading = context;
	struct holders *holders = reading->holders;
	struct holders_machine *machine = &holders->machines[holders->machine_count - 1];
	struct holders_layer key, *layer;
	size_t *slots;
	struct stat st;

	(void)type;
	if (text_after(name, "layer@") == NULL || fstatat(dir_fd, name, &st, 0) < 0 ||
	    holders->layer_count == 0)
		return 0;
	key = (struct holders_layer){ .device = st.st_dev, .inode = st.st_ino };
	layer = bsearch(&key, holders->layers, holders->layer_count, sizeof(key), by_inode);
	if (layer == NULL)
		return 0;
	text_list_add(reading->arena, &layer->machines, (char *)machine->name);
	slots = list_grow(reading->arena, (void **)&machine->layers, &machine->count,
			  sizeof(*slots));
	*slots = (size_t)(layer - holders->layers);
	return 0;
}

static int add_machine(struct reading *reading, const char *path, const char *name, bool hidden)
{
	struct holders *holders = reading->holders;
	size_t length = strlen(name);
	struct holders_machine *machine;

	for (size_t i = 0; i < holders->machine_count; i++)
		if (text_equal(holders->machines[i].path, path))
			return 0;
	machine = list_grow(reading->arena, (void **)&holders->machines, &holders->machine_count,
			    sizeof(*machine));
	if (text_ends(name, MSTACK_SUFFIX))
		length -= strlen(MSTACK_SUFFIX);
	machine->path = arena_text(reading->arena, path);
	machine->name = arena_text_n(reading->arena, name, length);
	machine->hidden = hidden;
	return walk(AT_FDCWD, path, add_use, reading);
}

static int look_at(int dir_fd, const char *name, unsigned char type, void *context);

static int look_into(struct reading *reading, const char *path)
{
	struct reading below = *reading;
	int r;

	below.directory = path;
	below.depth++;
	r = walk(AT_FDCWD, path, look_at, &below);
	return r == -ENOTDIR || r == -EACCES ? 0 : r;
}

/* "web.mstack"; versions in "web.mstack.v"; and what grows or goes hidden, whatever its form. */
static int look_at(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct reading *reading = context;
	char *path = path_join(reading->arena, reading->directory, name);
	bool hidden = is_hidden(name) || reading->depth > 0;
	struct stat st;

	if (type != DT_DIR &&
	    (type != DT_LNK || fstatat(dir_fd, name, &st, 0) < 0 || !S_ISDIR(st.st_mode)))
		return 0;
	if (text_ends(name, MSTACK_SUFFIX) || hidden) {
		const char *whose = reading->machine != NULL ? reading->machine : name;
		int r = add_machine(reading, path, whose, hidden);

		if (r < 0 && r != -ENOTDIR)
			return r;
	}
	if (reading->depth == 0 && (is_hidden(name) || text_ends(name, ".v")))
		return look_into(reading, path);
	return 0;
}

/* All roots of declared machines: also those that only an older generation has. */
static int look_at_roots(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct reading below = *(struct reading *)context;

	below.directory = path_join(below.arena, below.directory, name);
	below.machine = arena_text(below.arena, name);
	return type == DT_DIR ? walk(dir_fd, name, look_at, &below) : 0;
}

static int read_roots(struct reading *reading, const struct store *store)
{
	struct reading below = *reading;
	int r;

	below.directory = path_join(reading->arena, store->path, STORE_TREES);
	r = walk(AT_FDCWD, below.directory, look_at, &below);
	below.directory = path_join(reading->arena, store->path, STORE_ROOTS);
	return r < 0 ? r : walk(AT_FDCWD, below.directory, look_at_roots, &below);
}

static int read_directory(struct reading *reading, const char *path)
{
	text_list_add(reading->arena, &reading->holders->directories, (char *)path);
	reading->directory = path;
	return walk(AT_FDCWD, path, look_at, reading);
}

/* Under another path, maybe. */
static bool was_read(const struct holders *holders, const char *path)
{
	struct stat here, there;

	for (size_t i = 0; i < holders->directories.count; i++)
		if (text_equal(holders->directories.items[i], path) ||
		    (stat(path, &here) == 0 && stat(holders->directories.items[i], &there) == 0 &&
		     here.st_dev == there.st_dev && here.st_ino == there.st_ino))
			return true;
	return false;
}

static void hold_layers(struct reading *reading, const struct place *place)
{
	for (size_t i = 0; i < reading->holders->layer_count; i++) {
		struct holders_layer *layer = &reading->holders->layers[i];

		if (text_list_has(&place->layers, layer->name))
			text_list_add(reading->arena, &layer->machines, (char *)place->path);
	}
}

/* Also what lies elsewhere than new images do, or is not mounted now. */
static int read_places(struct reading *reading, const struct store *store)
{
	struct place *places;
	size_t count;
	int r = places_list(reading->arena, &places, &count, store);

	for (size_t i = 0; r >= 0 && i < count; i++) {
		if (!places[i].there)
			hold_layers(reading, &places[i]);
		else if (!was_read(reading->holders, places[i].path))
			r = read_directory(reading, places[i].path);
	}
	return r;
}

static int read_machines(struct reading *reading, const struct store *store,
			 const struct find_scope *scope, const struct text_list *running)
{
	struct text_list directories = { 0 };
	int r = read_roots(reading, store);

	find_directories(reading->arena, &directories, scope);
	for (size_t i = 0; i < directories.count && r >= 0; i++) {
		if (text_ends(directories.items[i], "/" FIND_DECLARED))
			continue; /* links to what was read already */
		r = read_directory(reading, directories.items[i]);
	}
	if (r >= 0)
		r = read_places(reading, store);
	for (size_t i = 0; running != NULL && i < running->count && r >= 0; i++)
		r = add_machine(reading, running->items[i], path_name(running->items[i]), false);
	return r;
}

/* ---- references ---- */

static void hold_blob(struct reading *reading, const char *digest, const char *reference)
{
	const char *name = store_digest_name(digest);

	for (size_t i = 0; name != NULL && i < reading->holders->blob_count; i++)
		if (text_equal(reading->holders->blobs[i].name, name))
			text_list_add(reading->arena, &reading->holders->blobs[i].references,
				      (char *)reference);
}

static void hold_by(struct reading *reading, const struct reference *reference)
{
	hold_blob(reading, reference->manifest, reference->name);
	hold_blob(reading, reference->config, reference->name);
	for (size_t i = 0; reference->keep && i < reference->layers.count; i++) {
		struct holders_layer *layer = holders_layer(reading->holders,
							    reference->layers.items[i]);

		if (layer != NULL)
			text_list_add(reading->arena, &layer->references, (char *)reference->name);
	}
	for (size_t i = 0; reference->keep && i < reference->blobs.count; i++)
		hold_blob(reading, reference->blobs.items[i], reference->name);
}

int holders_read(struct arena *arena, struct holders *ret, const struct store *store,
		 const struct find_scope *scope, const struct text_list *running)
{
	struct holders holders = { 0 };
	struct reading reading = { .arena = arena, .holders = &holders };
	int r;

	r = walk(store->fd, STORE_LAYERS, add_layer, &reading);
	if (r >= 0 && holders.layer_count > 0)
		qsort(holders.layers, holders.layer_count, sizeof(*holders.layers), by_inode);
	if (r >= 0)
		r = walk(store->fd, STORE_BLOBS, add_blob, &reading);
	if (r < 0)
		return fail(r, "cannot read the store '%s'", store->path);
	r = read_machines(&reading, store, scope, running);
	if (r < 0)
		return fail(r, "cannot look for the machines that use the store '%s'", store->path);
	r = references_list(arena, &holders.references, &holders.reference_count, store);
	if (r < 0)
		return r;
	for (size_t i = 0; i < holders.reference_count; i++)
		hold_by(&reading, &holders.references[i]);
	*ret = holders;
	return 0;
}

/* ---- sizes ---- */

struct linked {
	ino_t inode;
	uint64_t bytes;
};

struct sum {
	struct arena *arena;
	uint64_t bytes;
	dev_t device;
	int depth;
	struct linked *linked; /* one for each name of what may have several */
	size_t linked_count;
};

static int by_number(const void *a, const void *b)
{
	const struct linked *left = a, *right = b;

	return left->inode < right->inode ? -1 : left->inode > right->inode;
}

static void add_linked(struct sum *sum)
{
	if (sum->linked_count > 0)
		qsort(sum->linked, sum->linked_count, sizeof(*sum->linked), by_number);
	for (size_t i = 0; i < sum->linked_count; i++)
		if (i == 0 || sum->linked[i].inode != sum->linked[i - 1].inode)
			sum->bytes += sum->linked[i].bytes;
}

static int add_size(int dir_fd, const char *name, unsigned char type, void *context)
{
	autoclose int fd = -EBADF;
	struct sum *sum = context;
	struct linked *linked;
	struct stat st;

	(void)type;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != sum->device)
		return 0;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		linked = list_grow(sum->arena, (void **)&sum->linked, &sum->linked_count,
				   sizeof(*linked));
		*linked = (struct linked){ st.st_ino, (uint64_t)st.st_blocks * 512 };
		return 0;
	}
	sum->bytes += (uint64_t)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode) || sum->depth >= DEPTH_MAX)
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	sum->depth++;
	(void)dir_walk(fd, add_size, sum);
	sum->depth--;
	return 0;
}

uint64_t holders_size(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoarena struct arena scratch = { 0 };
	struct sum sum = { .arena = &scratch };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	sum.device = st.st_dev;
	sum.bytes = (uint64_t)st.st_blocks * 512;
	(void)dir_walk(fd, add_size, &sum);
	add_linked(&sum);
	return sum.bytes;
}

static bool is_only_of(const struct holders_layer *layer, const char *machine)
{
	for (size_t i = 0; i < layer->machines.count; i++)
		if (!text_equal(layer->machines.items[i], machine))
			return false;
	return layer->references.count == 0;
}

void holders_measure(struct arena *arena, struct holders *holders, const struct store *store)
{
	for (size_t i = 0; i < holders->layer_count; i++)
		holders->layers[i].size = holders_size(arena_format(
			arena, "%s/" STORE_LAYERS "/%s", store->path, holders->layers[i].name));
	for (size_t i = 0; i < holders->machine_count; i++) {
		struct holders_machine *machine = &holders->machines[i];

		machine->own = holders_size(machine->path);
		for (size_t j = 0; j < machine->count; j++) {
			const struct holders_layer *layer = &holders->layers[machine->layers[j]];

			if (is_only_of(layer, machine->name))
				machine->exclusive += layer->size;
			else
				machine->shared += layer->size;
		}
	}
}
