/* transfer/stream - bytes from outside, decompressed by content.
 *
 * Inside a worker. gz, xz, zst, bz2 and lz4 are known by their first bytes, whatever the name was;
 * anything else is as it is. A second thread reads and decompresses ahead where that is worth it.
 * Memory is bounded whatever comes. Speaking: "cannot read 'NAME': ...".
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "transfer/decode.h"

#define STREAM_BYTES_MAX (UINT64_C(1) << 40)	/* after decompression, if nothing else is said */
#define STREAM_RATIO_MAX 256			/* of bytes out to bytes in, likewise */
#define STREAM_RATIO_FREE (UINT64_C(256) << 20) /* bytes out that no ratio is looked at for */
#define STREAM_DIGEST 32

struct stream_wish {
	const char *name;   /* for sentences; NULL: "the archive" */
	uint64_t bytes_max; /* 0: STREAM_BYTES_MAX */
	unsigned int ratio; /* 0: STREAM_RATIO_MAX; UINT_MAX: any */
	bool plain;	    /* whatever it looks like: it was decompressed before */
	bool digest_in;	    /* SHA-256 of the bytes as they come: a blob's digest */
};

struct stream_result {
	enum compression compression;
	uint64_t in, out;
	/* OUT: after decompression, a layer's "diff id". A stream's reader does not sum what he
	 * gives to who parses it in the same process: see transfer/between. */
	unsigned char digest_in[STREAM_DIGEST], digest_out[STREAM_DIGEST];
};

struct stream;

/* Borrows FD, which is read from where it stands; waits for its first bytes. */
int stream_open(struct stream **ret, int fd, const struct stream_wish *wish);
void stream_close(struct stream *stream); /* accepts NULL */
void stream_closep(struct stream **stream);
#define autostream CLEANUP(stream_closep)

/* Up to MAX of the next bytes, where they lie, until the next call; their number, 0 at the end.
 * Who takes whole blocks of 512 bytes from the beginning on never gets less than a block, except at
 * the end. */
ssize_t stream_take(struct stream *stream, const void **ret, size_t max);

/* As stream_take(), and the bytes stay. */
ssize_t stream_peek(struct stream *stream, const void **ret, size_t max);

/* Copied: SIZE bytes, or fewer at the end. */
ssize_t stream_read(struct stream *stream, void *data, size_t size);

/* Passed over: -ENODATA, with a sentence, if there are fewer. */
int stream_skip(struct stream *stream, uint64_t size);

/* Bytes of the input used so far, and what its length is (0: not known), for progress. */
uint64_t stream_in(const struct stream *stream);
uint64_t stream_total(const struct stream *stream);

/* What the first bytes said, and how many there may be at most. */
enum compression stream_compression(const struct stream *stream);
uint64_t stream_limit(const struct stream *stream);

/* The name for sentences. */
const char *stream_name(const struct stream *stream);

/* Read all that is left, so that sums and digests are those of the whole. */
int stream_finish(struct stream *stream, struct stream_result *ret);
