/* image/change - images get other names, marks and limits, and go.
 *
 * By the rules of the original (machinectl catalogue, 2.3): what is below /usr and the running root
 * stay as they are, an image in use cannot be changed, a new name is free in the whole search path.
 * One more: what a layered image is made of can neither go nor get another name, and is not
 * written to. Whoever is killed half-way leaves nothing that can be seen (image/tidy). Without root
 * the caller entered its user namespace before (image/own-ids), while SCOPE still has its own id.
 * Speaking. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "image/find.h"
#include "image/image.h"
#include "image/lock.h"
#include "image/tidy.h"

struct arena;

int change_rename(struct arena *arena, const struct find_scope *scope, const char *from,
		  const char *to);

/* RET_FREED: bytes that nobody else used, IMAGE_UNKNOWN. */
int change_remove(struct arena *arena, const struct find_scope *scope, const char *name,
		  uint64_t *ret_freed);

int change_read_only(struct arena *arena, const struct find_scope *scope, const char *name,
		     bool read_only);

/* NAME NULL: of all images in the directory for new ones. BYTES: QUOTA_UNLIMITED. */
int change_limit(struct arena *arena, const struct find_scope *scope, const char *name,
		 uint64_t bytes);

/* ---- for other modules that make images ---- */

/* An image that somebody is about to change. */
struct change {
	struct image image;
	const char *directory; /* that holds it; of versions: that holds those */
	int fd;		       /* O_PATH: the tree or file, links followed */
	struct lock lock;
	struct tidy tidy; /* of the directory that its path is in */
};

#define CHANGE_EMPTY                                                 \
	{                                                            \
		.fd = -EBADF, .lock = LOCK_EMPTY, .tidy = TIDY_EMPTY \
	}

/* Nobody uses it, and nobody will until change_end(). VERB: "remove", for sentences. */
int change_begin(struct arena *arena, struct change *ret, const struct find_scope *scope,
		 const char *name, const char *verb);
void change_end(struct change *change);

/* The name can be given to a new image in DIRECTORY, and is ours until lock_release(). -EEXIST: an
 * image has it, somewhere. */
int change_take_name(struct arena *arena, struct lock *ret, const struct find_scope *scope,
		     const char *directory, const char *name);

/* The directory for new images, made if it is missing, for nobody but its owner (class S39: files
 * in trees give rights to whoever can reach them). */
int change_open_pool(struct arena *arena, struct tidy *ret, const struct find_scope *scope);

/* The same for one that is open already. */
int change_close_pool(int fd, const char *path);

/* Mark what is at FD (not O_PATH) as read-only, or no more. PATH is for sentences. */
int change_mark(int fd, const char *path, enum find_kind kind, bool read_only);

/* The path without links by which everybody knows the tree at FD, and locks it. */
const char *change_real_path(struct arena *arena, int fd, const char *path);
