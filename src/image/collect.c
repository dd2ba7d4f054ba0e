#include "image/collect.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/holders.h"
#include "image/places.h"
#include "image/references.h"
#include "image/store.h"
#include "io/dir.h"
#include "io/fd.h"

/* A start holds the layers' directory for some milliseconds. */
#define TRIES 100
#define PAUSE_NS (20 * 1000 * 1000)

struct collection {
	struct arena *arena;
	const struct store *store;
	struct holders holders;
	bool *doomed; /* layers */
	int layers_fd, blobs_fd;
	bool downloads;
	struct text_list released; /* kept references that hold nothing any more */
	struct text_list gone;	   /* hidden names in layers_fd that are to be removed */
	struct collect_result result;
};

/* 1: nobody else can come any more; 0: busy. */
static int have_alone(int room_fd)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };

	for (int i = 0; i < TRIES; i++) {
		if (flock(room_fd, LOCK_EX | LOCK_NB) == 0)
			return 1;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* The thing with a lock that excludes leases; the lock lasts as long as the descriptor. */
static int take_alone(int room_fd, const char *name)
{
	autoclose int fd = openat(room_fd, name,
				  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : take_fd(&fd);
}

/* ---- what is kept ---- */

static bool machines_have(const struct collection *collection, const struct reference *reference)
{
	for (size_t i = 0; i < reference->layers.count; i++) {
		const struct holders_layer *layer = holders_layer(&collection->holders,
								  reference->layers.items[i]);

		if (layer == NULL || layer->machines.count == 0)
			return false;
	}
	return true;
}

static void release(struct collection *collection)
{
	for (size_t i = 0; i < collection->holders.reference_count; i++) {
		const struct reference *reference = &collection->holders.references[i];

		if (reference->keep && !machines_have(collection, reference))
			text_list_add(collection->arena, &collection->released,
				      (char *)reference->name);
	}
}

/* By others than those in WITHOUT. */
static bool are_held(const struct text_list *references, const struct text_list *without)
{
	for (size_t i = 0; i < references->count; i++)
		if (!text_list_has(without, references->items[i]))
			return true;
	return false;
}

/* ---- layers ---- */

/* From now on it cannot be found under its name; it is removed when nobody waits for us. */
static int bury(struct collection *collection, const struct holders_layer *layer)
{
	char *hidden = (char *)layer->name;

	/* An unfinished one may have been made a moment ago, before it could be leased: its maker
	 * has to see that it is gone. One of this digest may be on its way out still: then it is
	 * the next one's to take. */
	if (!text_after(layer->name, STORE_OUTGOING)) {
		hidden = arena_format(collection->arena, STORE_OUTGOING "%s", layer->name);
		if (renameat2(collection->layers_fd, layer->name, collection->layers_fd, hidden,
			      RENAME_NOREPLACE) < 0)
			return errno == EEXIST ? 0 : -errno;
	}
	if (layer->unfinished)
		collection->result.unfinished++;
	else
		collection->result.layers++;
	text_list_add(collection->arena, &collection->gone, hidden);
	return 0;
}

static int collect_layers(struct collection *collection)
{
	for (size_t i = 0; i < collection->holders.layer_count; i++) {
		const struct holders_layer *layer = &collection->holders.layers[i];
		autoclose int alone = -EBADF;
		int r;

		if (layer->machines.count > 0 ||
		    are_held(&layer->references, &collection->released))
			continue;
		alone = take_alone(collection->layers_fd, layer->name);
		if (alone < 0)
			continue;
		r = bury(collection, layer);
		if (r < 0)
			return r;
		collection->doomed[i] = true;
	}
	return 0;
}

/* ---- references and blobs ---- */

static bool is_whole(const struct collection *collection, const struct reference *reference)
{
	for (size_t i = 0; i < reference->layers.count; i++) {
		const struct holders_layer *layer = holders_layer(&collection->holders,
								  reference->layers.items[i]);

		if (layer == NULL || collection->doomed[layer - collection->holders.layers])
			return false;
	}
	return true;
}

static bool stays(const struct collection *collection, const struct reference *reference)
{
	return reference->keep ? !text_list_has(&collection->released, reference->name)
			       : is_whole(collection, reference);
}

static int collect_references(struct collection *collection, struct text_list *ret_gone)
{
	for (size_t i = 0; i < collection->holders.reference_count; i++) {
		const struct reference *reference = &collection->holders.references[i];
		int r;

		if (stays(collection, reference))
			continue;
		r = reference_forget(collection->store, reference->name);
		if (r < 0 && r != -ENOENT)
			return r;
		text_list_add(collection->arena, ret_gone, (char *)reference->name);
		collection->result.references++;
	}
	return 0;
}

static int collect_blobs(struct collection *collection, const struct text_list *gone)
{
	for (size_t i = 0; i < collection->holders.blob_count; i++) {
		const struct holders_blob *blob = &collection->holders.blobs[i];
		autoclose int alone = -EBADF;
		int r;

		if (are_held(&blob->references, gone))
			continue;
		alone = take_alone(collection->blobs_fd, blob->name);
		if (alone < 0)
			continue;
		r = dir_remove_all(collection->blobs_fd, blob->name);
		if (r < 0)
			return r;
		if (blob->unfinished)
			collection->result.unfinished++;
		else
			collection->result.blobs++;
	}
	return 0;
}

/* ---- who uses layers ---- */

static void add_layers(struct collection *collection, struct text_list *ret,
		       const struct holders_machine *machine)
{
	for (size_t i = 0; i < machine->count; i++) {
		const struct holders_layer *layer = &collection->holders.layers[machine->layers[i]];

		if (!layer->unfinished && !text_list_has(ret, layer->name))
			text_list_add(collection->arena, ret, (char *)layer->name);
	}
}

/* For the next one, which might not be able to look there. */
static void note_places(struct collection *collection)
{
	const struct holders *holders = &collection->holders;

	for (size_t i = 0; i < holders->directories.count; i++) {
		const char *directory = holders->directories.items[i];
		struct text_list layers = { 0 };

		for (size_t j = 0; j < holders->machine_count; j++)
			if (path_is_below(holders->machines[j].path, directory))
				add_layers(collection, &layers, &holders->machines[j]);
		if (place_set(collection->arena, collection->store, directory, &layers) >= 0)
			continue;
		log_warning("%s, going on without", fail_recorded()->text);
		fail_forget();
	}
}

/* ---- */

static int mark_and_bury(struct collection *collection, const struct find_scope *scope,
			 collect_running_fn *running, void *context)
{
	struct text_list stacks = { 0 }, gone = { 0 };
	int r = running ? running(collection->arena, &stacks, context) : 0;

	if (r >= 0)
		r = holders_read(collection->arena, &collection->holders, collection->store, scope,
				 &stacks);
	if (r < 0)
		return r;
	note_places(collection);
	if (collection->downloads)
		release(collection);
	collection->doomed = arena_take_array(collection->arena,
					      collection->holders.layer_count + 1, sizeof(bool));
	r = collect_layers(collection);
	if (r >= 0)
		r = collect_references(collection, &gone);
	if (r >= 0)
		r = collect_blobs(collection, &gone);
	return r < 0 ? fail_in(r, "cannot collect what is no longer used in '%s'",
			       collection->store->path)
		     : 0;
}

/* Who was killed while it noted a reference; those that live wait for us. */
static int remove_half_written(int images_fd, const char *name, unsigned char type, void *context)
{
	struct collection *collection = context;

	(void)type;
	if (text_after(name, ".#") == NULL)
		return 0;
	if (unlinkat(images_fd, name, 0) == 0)
		collection->result.unfinished++;
	return 0;
}

static void remove_buried(struct collection *collection)
{
	for (size_t i = 0; i < collection->gone.count; i++) {
		int r = dir_remove_all(collection->layers_fd, collection->gone.items[i]);

		/* The next one finds it under its hidden name. */
		if (r < 0)
			log_warning("cannot remove the layer '%s/" STORE_LAYERS
				    "/%s': %s, going on without",
				    collection->store->path, collection->gone.items[i],
				    strerror(-r));
	}
}

static int open_room(const struct store *store, const char *room)
{
	int fd = openat(store->fd, room, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? fail(-errno, "cannot open '%s/%s'", store->path, room) : fd;
}

static int collect_in(struct collection *collection, const struct find_scope *scope,
		      collect_running_fn *running, void *context)
{
	autoclose int layers = -EBADF, blobs = -EBADF, images = -EBADF;
	int r;

	layers = open_room(collection->store, STORE_LAYERS);
	if (layers < 0)
		return layers;
	blobs = open_room(collection->store, STORE_BLOBS);
	if (blobs < 0)
		return blobs;
	images = open_room(collection->store, STORE_IMAGES);
	if (images < 0)
		return images;
	collection->layers_fd = layers;
	collection->blobs_fd = blobs;
	r = have_alone(layers);
	/* What a reference was when we read it, it is when it is forgotten. */
	if (r > 0)
		r = have_alone(images);
	if (r <= 0) {
		collection->result.busy = r == 0;
		return r < 0 ? fail(r, "cannot lock the store '%s'", collection->store->path) : 0;
	}
	(void)dir_walk(images, remove_half_written, collection);
	r = mark_and_bury(collection, scope, running, context);
	flock(images, LOCK_UN);
	flock(layers, LOCK_UN);
	remove_buried(collection);
	return r;
}

int collect(struct arena *arena, struct collect_result *ret, const struct find_scope *scope,
	    bool downloads, collect_running_fn *running, void *context)
{
	struct store store = STORE_EMPTY;
	struct collection collection = { .arena = arena, .store = &store, .downloads = downloads };
	int r = store_open(arena, &store, scope, false);

	if (r == -ENOENT) {
		*ret = (struct collect_result){ 0 };
		return 0;
	}
	if (r >= 0) {
		store_done(&store);
		r = store_open(arena, &store, scope, true); /* also what is missing of it */
	}
	if (r < 0)
		return r;
	r = collect_in(&collection, scope, running, context);
	store_done(&store);
	if (r < 0)
		return r;
	*ret = collection.result;
	return 0;
}
