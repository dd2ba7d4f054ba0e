/* prog/nixos-container/remove - the files of a container go. Speaking.
 *
 * What is mounted below its tree is unmounted first, and left alone. The tree gets a hidden name
 * before it is removed (image/tidy): whoever is killed meanwhile leaves nothing of the container
 * behind that could be taken for it. All of these accept what is gone already.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>

#include "image/lock.h"

struct context;
struct nixos;

/* A tree that nobody else uses, nor begins to, whatever machine it would be. */
struct remove_hold {
	const char *path; /* without links */
	int fd;		  /* O_PATH; -EBADF: there is no tree */
	struct lock lock;
};

#define REMOVE_HOLD_EMPTY                        \
	{                                        \
		.fd = -EBADF, .lock = LOCK_EMPTY \
	}

/* VERB: for the sentence. -EBUSY: somebody uses the tree. Waits for nobody. */
int remove_hold(const struct context *context, struct remove_hold *ret,
		const struct nixos *container, const char *verb);
void remove_let_go(struct remove_hold *hold);

/* Its tree is a link, and what that leads to may be anything: refused. */
int remove_refuse_link(const struct context *context, const struct nixos *container);

/* What is mounted below the tree is unmounted; not what is mounted as the tree. */
int remove_mounts(const struct context *context, const struct remove_hold *hold);

/* The whole tree; one that is a mount only comes off. */
int remove_tree(const struct context *context, const struct nixos *container,
		const struct remove_hold *hold);

struct remove_kept {
	bool profiles, gcroots, configuration; /* stay */
};

/* All else: systems, roots of the garbage collector, companion file if it was made here, what they
 * are built of, and last the conf. */
int remove_definition(const struct context *context, const struct nixos *container,
		      const struct remove_kept *kept);

/* What the first line of a companion file says that was made here. */
#define REMOVE_COMPANION_MARK "# Made by nixos-container"
