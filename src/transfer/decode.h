/* transfer/decode - what gz, xz, zst, bz2 and lz4 hold, piece by piece.
 *
 * Several streams one behind the other are one. Sums that a format has are checked. No format may
 * want more memory than DECODE_WINDOW_MAX for what it looks back at. Inside a worker. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define DECODE_MAGIC_MAX 6
#define DECODE_WINDOW_MAX ((size_t)128 * 1024 * 1024) /* xz -9: 64 MiB; zstd --long: 128 */

enum compression {
	COMPRESSION_NONE,
	COMPRESSION_GZ,
	COMPRESSION_XZ,
	COMPRESSION_ZST,
	COMPRESSION_BZ2,
	COMPRESSION_LZ4,
	COMPRESSIONS
};

/* By the first bytes (reference 11.4); COMPRESSION_NONE: anything else. */
enum compression compression_detect(const void *data, size_t size);

/* "gz", ...; "none". */
const char *compression_name(enum compression compression);

/* By such a name, "gzip" and the like included; -EINVAL: none of these. */
int compression_parse(const char *name);

/* By the end of a file's name; COMPRESSION_NONE: no such end. */
enum compression compression_of_file(const char *path);

struct decoder;

/* -ENOMEM; COMPRESSION is not COMPRESSION_NONE. */
int decoder_new(struct decoder **ret, enum compression compression);
void decoder_free(struct decoder *decoder);

struct decode_piece {
	const unsigned char *in; /* moved on by what was used */
	size_t in_size;
	unsigned char *out;
	size_t out_room;
	bool last; /* there is nothing behind these bytes */
};

/* Use up input, output or both. 1: go on (with more input, if none is left); 0: all of it was read;
 * -EBADMSG: not what it should be; -ENODATA: it ends too early; -EFBIG: wants too much memory. */
int decoder_run(struct decoder *decoder, struct decode_piece *piece);
