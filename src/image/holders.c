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
#include "image/store.h"
#include "io/dir.h"
#include "io/fd.h"

#define DEPTH_MAX 1000 /* of directories that are measured */

struct reading {
	struct arena *arena;
	struct holders *holders;
	const char *directory; /* that is read */
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

	if (type != DT_REG || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
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
		int r = add_machine(reading, path, name, hidden);

		if (r < 0 && r != -ENOTDIR)
			return r;
	}
	if (reading->depth == 0 && (is_hidden(name) || text_ends(name, ".v")))
		return look_into(reading, path);
	return 0;
}

static int read_machines(struct reading *reading, const struct find_scope *scope,
			 const struct text_list *running)
{
	struct text_list directories = { 0 };
	int r = 0;

	find_directories(reading->arena, &directories, scope);
	for (size_t i = 0; i < directories.count && r >= 0; i++) {
		reading->directory = directories.items[i];
		r = walk(AT_FDCWD, directories.items[i], look_at, reading);
	}
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
	r = read_machines(&reading, scope, running);
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

struct sum {
	struct arena *arena;
	uint64_t bytes;
	dev_t device;
	int depth;
	ino_t *linked; /* hard links that were counted */
	size_t linked_count;
};

static bool is_counted(struct sum *sum, const struct stat *st)
{
	ino_t *slot;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return false;
	for (size_t i = 0; i < sum->linked_count; i++)
		if (sum->linked[i] == st->st_ino)
			return true;
	slot = list_grow(sum->arena, (void **)&sum->linked, &sum->linked_count, sizeof(*slot));
	*slot = st->st_ino;
	return false;
}

static int add_size(int dir_fd, const char *name, unsigned char type, void *context)
{
	autoclose int fd = -EBADF;
	struct sum *sum = context;
	struct stat st;

	(void)type;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != sum->device ||
	    is_counted(sum, &st))
		return 0;
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
