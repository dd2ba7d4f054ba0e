/* image/references - what the store knows of images by their references.
 *
 * "docker.io/library/debian:12" was this manifest, this configuration and these layers when it was
 * fetched last. A second pull asks here what is there already, and a machine made of such layers
 * can be sent on as the image that it came from. A record is no promise that the layers are still
 * there, unless it is kept: then whoever collects leaves them. One small file each in the store;
 * the newest wins. Speaking. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct arena;
struct store;

#define REFERENCES_TEXT_MAX 4096 /* bytes of a reference */
#define REFERENCES_LAYERS_MAX 500
#define REFERENCES_FILE_MAX (128 * 1024)

/* Digests as "sha256:…". */
struct reference {
	const char *name;	 /* "docker.io/library/debian:12": printable, no blanks */
	const char *manifest;	 /* a blob of the store */
	const char *config;	 /* likewise */
	struct text_list layers; /* from the bottom to the top: directories of the store */
	struct text_list blobs;	 /* what was fetched for each of them; may be none, else as many */
	bool keep;		 /* hold manifest, configuration, layers and blobs for it */
};

/* -ENOENT, with nothing recorded: not known. */
int reference_read(struct arena *arena, struct reference *ret, const struct store *store,
		   const char *name);

/* Written to disk, in the place of an older one of this name. The caller holds leases on what it
 * names until then. */
int reference_write(struct arena *arena, const struct store *store,
		    const struct reference *reference);

/* -ENOENT, with nothing recorded: not known. */
int reference_forget(const struct store *store, const char *name);

/* All that can be read, sorted by name. */
int references_list(struct arena *arena, struct reference **ret, size_t *ret_count,
		    const struct store *store);

/* The newest image with exactly these layers: what a machine that was made of them came from.
 * -ENOENT, with nothing recorded. */
int reference_of_layers(struct arena *arena, struct reference *ret, const struct store *store,
			const struct text_list *layers);
