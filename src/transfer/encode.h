/* transfer/encode - bytes compressed as gz, xz, zst, bz2 or lz4.
 *
 * Levels are chosen for speed that keeps up with a disk and for less than 64 MiB of memory. Inside
 * a worker. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "transfer/decode.h"

struct encoder;

/* -ENOMEM; COMPRESSION is not COMPRESSION_NONE. */
int encoder_new(struct encoder **ret, enum compression compression);
void encoder_free(struct encoder *encoder);

/* Uses up all input, as long as there is room; LAST: nothing comes behind it. 1: there is more to
 * come out; 0: all of it was written (only with LAST). */
int encoder_run(struct encoder *encoder, struct decode_piece *piece);
