/* image/view - the tree that a layered image shows, to be looked at.
 *
 * An overlay of all layers that nobody can write to and that is attached nowhere, so that what
 * looks below its descriptor, which itself cannot be read (O_PATH), sees what a machine sees there.
 * Speaking. Any process that may mount,
 * or may make a user namespace.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct mstack;

/* A descriptor of its top; with what was CHANGED in "rw", or the layers alone. A process that may
 * not mount enters namespaces of its own for that, for good. */
int view_open(struct arena *arena, const struct mstack *stack, bool changed);

/* Likewise of the image at PATH: a directory, or a layered one. -ENOTDIR: it is neither, but a disk
 * image, say; -ENOENT: it is gone. */
int view_tree(struct arena *arena, const char *path, bool changed);

#define VIEW_ROOMS_MAX 4

/* No collector takes a layer of the image while these are open: shared locks on the directories
 * that the layers lie in. Open the layers afterwards: they are there and stay, or were gone before.
 * Returns how many. */
int view_hold(int ret[VIEW_ROOMS_MAX], const struct mstack *stack);
