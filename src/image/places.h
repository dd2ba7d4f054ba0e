/* image/places - which directories of images use layers of the store.
 *
 * Images may be made in any directory, and a file system with images may not be mounted at the
 * moment. So the store keeps, in "places/", for each directory in which an image was made of its
 * layers, what these are: a file named after the directory's path, its inode and a mark of its own
 * (an attribute; without where there are none), which holds the path and the layers' digits, a line
 * each. Where the path leads to that directory, what lies there
 * counts, and the file is made anew (image/collect); where it does not, the file's layers are held.
 * What is in memory is gone when it is not there, and is not noted. What is moved away by hand
 * nobody hears of. Speaking. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct arena;
struct store;

#define PLACES_FILE_MAX (4 * 1024 * 1024)

struct place {
	const char *path;
	bool there;		 /* the path leads to the directory that it was */
	struct text_list layers; /* names in the room of layers */
};

int places_list(struct arena *arena, struct place **ret, size_t *ret_count,
		const struct store *store);

/* An image is about to be in the directory PATH. PATHS: of its layers; those of the store count.
 * The caller holds leases on them until the image is there. */
int place_add(struct arena *arena, const struct store *store, const char *path,
	      const struct text_list *paths);

/* These layers and no others (names) are used by what lies in PATH. For who collects. */
int place_set(struct arena *arena, const struct store *store, const char *path,
	      const struct text_list *layers);
