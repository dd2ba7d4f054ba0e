/* transfer/publish - an image appears complete and on disk, or not at all.
 *
 *	publish_begin()   what grows is hidden in the directory of images (image/growing)
 *	publish_fd()      a worker fills it
 *	publish_side()    NAME.nspawn and the like, hidden as well
 *	publish_commit()  to disk, then each gets its name by one rename, the image last; while
 *			  nobody else gives the name to anything (image/lock)
 *	publish_abort()   nothing is left; accepts the empty one, and what was published
 *
 * A killed one leaves hidden remains, which publish_sweep() removes, as the next publish_begin()
 * in that directory does. Speaking. The job's process; without root in a user namespace with the
 * caller's ids (image/own-ids).
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "image/growing.h"

struct arena;
struct find_scope;

#define PUBLISH_SIDES_MAX 8

enum publish_kind { PUBLISH_TREE, PUBLISH_FILE };

struct publish_request {
	const char *pool;		 /* the directory of images; made with mode 0700 */
	const char *name;		 /* of the image: "web" */
	const char *suffix;		 /* of its file name: NULL, ".raw", ".mstack" */
	enum publish_kind kind;		 /* a tree is a subvolume where the file system is btrfs */
	const struct find_scope *search; /* no image may have the name there; NULL: in POOL only */
	bool force;			 /* replace an image of this name in POOL */
	bool read_only;
	bool unseen; /* nobody is told where it cannot be marked so: it is hidden anyway */
	bool closed; /* POOL is closed to other users, whoever made it */
	bool plain;  /* never a subvolume */
	bool lazy;   /* do not wait until it is on disk */
	bool user;   /* of one who is not root: the host's locks are not his */
};

struct publish {
	struct publish_request request;
	struct arena *arena;
	int pool_fd;
	struct growing main;
	struct {
		const char *suffix;
		struct growing file;
	} sides[PUBLISH_SIDES_MAX];
	size_t side_count;
};

#define PUBLISH_EMPTY                                                     \
	{                                                                 \
		.pool_fd = -EBADF, .main = GROWING_EMPTY, .side_count = 0 \
	}

/* -EEXIST, with a sentence: an image has the name already. For who wants to know before anything
 * else is done; publish_begin() asks, too. */
int publish_check(struct arena *arena, const struct publish_request *request);

/* The strings of REQUEST are borrowed. */
int publish_begin(struct arena *arena, struct publish *ret, const struct publish_request *request);

/* The directory, empty, not O_PATH; or the file, empty, to read and write. Borrowed. */
int publish_fd(const struct publish *publish);

/* A file beside the image: "NAME" and SUFFIX, e.g. ".nspawn". One that is there already stays as it
 * is without force: it is the administrator's. */
int publish_side(struct publish *publish, const char *suffix, const void *data, size_t size);

int publish_commit(struct publish *publish);
void publish_abort(struct publish *publish);

/* Remove what killed ones left in POOL. */
int publish_sweep(const char *pool);
