/* image/image - what images there are, and what each is.
 *
 * By the search path of image/find, with the kinds and numbers of the original (machinectl
 * catalogue, 2.2). Of several images with one name the first directory's is seen. Speaking. Any
 * process; numbers of quotas are known to root only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "image/find.h"

struct arena;
struct text_list;

#define IMAGE_UNKNOWN UINT64_MAX /* a size; a limit: there is none */

struct image {
	const char *name;
	struct found found;
	const char *path;			   /* the same as found.path */
	const char *type;			   /* "directory", "subvolume", "raw", … */
	bool hidden;				   /* begins with a dot */
	uint64_t created_us, modified_us;	   /* since 1970; 0: unknown */
	uint64_t usage, limit;			   /* bytes */
	uint64_t usage_exclusive, limit_exclusive; /* not shared with others */
};

/* By name. HIDDEN: also those, and the running root. */
int image_list(struct arena *arena, struct image **ret, size_t *ret_count,
	       const struct find_scope *scope, bool hidden);

/* The same of other DIRECTORIES, in which those that come first win. */
int image_list_in(struct arena *arena, struct image **ret, size_t *ret_count,
		  const struct text_list *directories, bool hidden);

/* One. -ENOENT: there is none, -EINVAL: no image name; both with a sentence. */
int image_open(struct arena *arena, struct image *ret, const char *name,
	       const struct find_scope *scope);

/* The directory whose size can be counted and limited: the tree, or what is written of a layered
 * image. Quiet. -ENOTDIR: it is a file; -ENOENT: nothing is written of it. */
int image_open_counted(const struct image *image);

/* Whether it is all there still, after it was read from FD (O_PATH is enough): who removes or
 * replaces an image hides it first. -ESTALE: it was, with a sentence about NAME. */
int image_still_there(struct arena *arena, int fd, const char *name);

/* Names of the layered images that have the tree at FD (O_PATH is enough) as a layer: it must not
 * change. Quiet. */
void image_layered_on(struct arena *arena, struct text_list *ret, const struct find_scope *scope,
		      int fd);

/* The directory of new images as an image of its own, for its usage and limit. */
void image_pool(struct arena *arena, struct image *ret, const struct find_scope *scope);
