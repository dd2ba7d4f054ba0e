/* image/blob - bytes in the store, each under its digest.
 *
 * Manifests, configurations and what else is kept as it was fetched. Nothing is read here: who
 * writes a blob verifies its digest. Speaking. Any process.
 */
#pragma once
#include "image/store.h"

/* To read, with a lease on it. -ENOENT, with nothing recorded: it is not in the store. */
int blob_find(const struct store *store, const char *digest);

/* A new one: write to RET->fd. */
int blob_begin(const struct store *store, struct store_part *ret);

/* What was written has this digest: it gets its name, on disk. The lease stays, until
 * store_part_done(). */
int blob_commit(struct store_part *blob, const char *digest);
