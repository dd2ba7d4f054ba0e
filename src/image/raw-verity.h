/* image/raw-verity - disk images whose every block is compared with a root hash (dm-verity).
 *
 * Where the hash comes with the image, in a file beside it or in an attribute, whoever made it
 * wants that: it is never left out in silence. A block that is not what it should be is an I/O
 * error for who reads it. Part of image/raw. Speaking. Any process of one thread.
 */
#pragma once
#include <errno.h>

#include "format/disk.h"

struct arena;

struct raw_verity {
	const char *hash;    /* in hexadecimal, lower case; NULL: nothing is verified */
	enum disk_role role; /* of what: root or usr */
	int hashes_fd;	     /* the file of hashes; negative: they are in the image */
	struct verity tree;  /* raw_look() */
};

/* HASH and DATA: --root-hash=, --verity-data=, or NULL: what lies beside the image at PATH. */
int raw_verity_find(struct arena *arena, struct raw_verity *ret, int file_fd, const char *path,
		    const char *hash, const char *data);

/* Instead of *DEVICE, which becomes a part of it, a device that is verified, by the hashes that
 * HASHES, a device too, has. PROGRAM: redd-dissect. NAME: for who looks at it. */
int raw_verity_attach(const struct raw_verity *verity, int *device, int hashes, const char *program,
		      const char *name, const char *path);
