/* image/holders - who holds what of the store.
 *
 * A layer is held by layered images in the directories of images, finished or not, and in others
 * where any were made (image/places; if that cannot be looked at, by what was there), by those that
 * machines run from wherever they are, and by references that are kept. Blobs are held by
 * references. Leases (image/store) are not told here: who wants to take something asks for it.
 * Speaking. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "image/references.h"

struct arena;
struct find_scope;
struct store;

struct holders_layer {
	const char *name; /* its digits, or ".#…" */
	bool unfinished;
	dev_t device;
	ino_t inode;
	struct text_list machines, references; /* names; only references that are kept */
	uint64_t size;			       /* 0 until it is measured */
};

struct holders_machine {
	const char *name, *path;
	bool hidden; /* unfinished, or on its way out */
	size_t *layers, count;
	uint64_t own, shared, exclusive; /* own: its changes; exclusive: layers of nobody else */
};

struct holders_blob {
	const char *name;
	bool unfinished;
	uint64_t size;
	struct text_list references;
};

struct holders {
	struct holders_layer *layers;
	struct holders_machine *machines;
	struct holders_blob *blobs;
	struct reference *references;
	struct text_list directories; /* that were looked at */
	size_t layer_count, machine_count, blob_count, reference_count;
};

/* RUNNING: paths of layered images that machines run from; may be NULL. */
int holders_read(struct arena *arena, struct holders *ret, const struct store *store,
		 const struct find_scope *scope, const struct text_list *running);

/* How many bytes each takes on disk. Every file of every layer is looked at. */
void holders_measure(struct arena *arena, struct holders *holders, const struct store *store);

/* NULL: there is none of this digest ("sha256:…"). */
struct holders_layer *holders_layer(const struct holders *holders, const char *digest);

/* What the files below PATH take on disk, hard links once; what is mounted there is left out. */
uint64_t holders_size(const char *path);
