/* transfer/pack - a tree becomes a tar archive (class S49).
 *
 * Inside a worker that sees the tree through a mount of its own, read-only and without what is
 * mounted below. ustar where that is enough, extended headers of pax where it is not: long names,
 * large numbers, parts of seconds, extended attributes, ACLs, sparse files (GNU 1.0). Who lives in
 * the tree may change it meanwhile: an entry is as long as its header says, cut or filled up with
 * zeros, and what has become something else is left out; both are told. Speaking.
 */
#pragma once
#include <stdint.h>

#include "transfer/unpack.h"

struct sink;

#define PACK_DEPTH_MAX UNPACK_DEPTH_MAX
#define PACK_PIECES_MAX 65536 /* of a sparse file; what lies behind is written with its holes */

struct pack_result {
	uint64_t files, bytes;
};

/* CONTEXT as for unpack_tar(). */
int pack_tar(const struct unpack_context *context, struct sink *sink, struct pack_result *ret);

/* Likewise as a layer of an image (OCI): what takes away something of the layers below, as
 * overlayfs has it in the tree (image/layers), becomes ".wh." entries. */
int pack_layer(const struct unpack_context *context, struct sink *sink, struct pack_result *ret);
