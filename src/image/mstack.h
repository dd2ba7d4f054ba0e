/* image/mstack - layered images: what a directory "NAME.mstack" says.
 *
 * The form is the one of systemd's mount stacks, systemd.mstack(7):
 *
 *	layer@ID	a directory, or a link to one, read-only; IDs ascend as versions
 *			do, from the bottom to the top
 *	rw		a directory: what is written, in "data" (the upper layer) and "work"
 *
 * Without "rw" the image is read-only. Of what else a mount stack may have, disk images as layers
 * ("layer@ID.raw"), "bind@PATH", "robind@PATH", "root" and "usr", nothing is built yet; hidden
 * names do not count. Links to layers are the administrator's and are followed. Who uses an image
 * locks its directory, as that of any tree (image/lock).
 *
 * A tree that is a layer of somebody's must not change. Two things tell that it is: the mark beside
 * it, ".#NAME.base", which costs a start one call, and the layered images themselves, which a start
 * only searches where the mark is. Speaking. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct arena;

/* What overlayfs takes (OVL_MAX_STACK). */
#define MSTACK_LAYERS_MAX 500

#define MSTACK_SUFFIX ".mstack"

struct mstack {
	struct text_list layers;  /* paths "…/NAME.mstack/layer@ID", from the bottom to the top */
	const char *upper, *work; /* paths, maybe not there yet; NULL: read-only */
};

/* Read the directory PATH. At least one layer, or "rw", is there; else, and for what is not built:
 * a negative errno. Layers are not opened: -ENOENT later, when somebody took one away. */
int mstack_read(struct arena *arena, struct mstack *ret, const char *path);

/* Make PATH (which is not there) below DIR_FD as NAME: LAYERS (paths for links, from the bottom to
 * the top), and unless it is read-only "rw", whose top looks like TREE_FD (owner, mode,
 * attributes). What was made stays there after a failure. Quiet. */
int mstack_make(int dir_fd, const char *name, const struct text_list *layers, int tree_fd,
		bool read_only);

/* The same in the empty directory STACK_FD (not O_PATH). */
int mstack_fill(int stack_fd, const struct text_list *layers, int tree_fd, bool read_only);

/* The directory at FD (O_PATH is enough) is the one of a layer of the image at PATH. Quiet. */
bool mstack_has_layer(struct arena *arena, const char *path, int fd);

/* ".#NAME.base" beside the tree at PATH: it is, or was, a layer of others. Quiet. */
char *mstack_mark_path(struct arena *arena, const char *path);
int mstack_mark(struct arena *arena, const char *path);
bool mstack_is_marked(struct arena *arena, const char *path);
