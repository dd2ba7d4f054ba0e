/* prog/machinectl/image-inside - what the tree of an image tells about itself.
 *
 * All of it is the image's own choice: printed only escaped. A disk image is never read by the
 * kernel for that, nor with anybody's rights: programs show it (image/raw-serve) to a child of ours
 * that is root of nothing but its own user namespace. Quiet.
 */
#pragma once
#include "machine/facts.h"

struct context;
struct image;

/* NULL: not told. */
struct image_inside {
	const char *hostname, *id, *deployment;
	struct os_release os;
};

/* Nothing is told of a disk image that a machine may be writing to, that has to be verified, or
 * that no installed program shows. */
struct image_inside image_inside(const struct context *context, const struct image *image);
