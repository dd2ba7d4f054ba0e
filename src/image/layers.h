/* image/layers - layers of images, each unpacked once, and machines made of them.
 *
 * A layer is a directory of the store under the digest of its archive, uncompressed (OCI: diff id).
 * It says what it takes away from those below as overlayfs does: a character device 0:0 is no file
 * there, and the extended attribute "user.overlay.opaque" = "y" makes a directory hide what is
 * below it. It is mounted with the option "userxattr", also by root, so that layers made in a user
 * namespace (as the worker that unpacks is in one) are the same as others.
 *
 * All machines share a layer; nobody writes to it. Owners in root's layers are as in the archive,
 * and mapped for each machine when it is mounted; in a user's they are mapped through his user
 * namespace. Speaking. Any process.
 */
#pragma once
#include "image/store.h"

struct text_list;

/* Its top, to read, with a lease on it. -ENOENT, with nothing recorded: it is not in the store. */
int layer_find(const struct store *store, const char *digest);

/* Where it is, or would be; NULL: no digest. */
char *layer_path(struct arena *arena, const struct store *store, const char *digest);

/* A new one: unpack into RET->fd, the empty directory that becomes its top (0755 until the archive
 * says something else). */
int layer_begin(const struct store *store, struct store_part *ret);

/* It is complete, and its archive has this digest: it is written to disk and gets its name. With
 * SYNCED the caller has done the former (syncfs(2)), for several at once. The lease stays, until
 * store_part_done(): not before there is a machine. */
int layer_commit(struct store_part *layer, const char *digest, bool synced);

struct layers_machine {
	const char *pool, *name;	 /* becomes POOL/NAME.mstack */
	const struct text_list *digests; /* from the bottom to the top; leases are the caller's */
	bool read_only;
	bool force; /* a layered image of that name, which nobody may be using, is replaced */
};

/* A machine whose root is these layers and, unless it is read-only, a directory of its own above
 * them. It appears complete or not at all. */
int layers_machine(struct arena *arena, const struct store *store,
		   const struct layers_machine *machine);
