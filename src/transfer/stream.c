#include "transfer/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "transfer/ring.h"

#define IN_SIZE ((size_t)256 * 1024)

struct stream {
	struct stream_wish wish;
	int fd;
	struct stream_result result;
	EVP_MD_CTX *sum_in;
	struct decoder *decoder;

	/* Of the thread that fills. */
	unsigned char *in; /* IN_SIZE */
	struct decode_piece piece;
	bool finished;
	_Atomic uint64_t done_in;
	uint64_t total;

	/* Of the caller: what is left of the current buffer. */
	struct ring ring;
	unsigned char *at;
	size_t left;
	bool held, ended, threaded;
	int code;
	pthread_t thread;
};

/* ---- filling: in a thread of its own if there is one, so nothing here records a sentence ---- */

static int feed(struct stream *stream)
{
	ssize_t n;

	do
		n = read(stream->fd, stream->in, IN_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -EIO;
	if (n > 0 && stream->sum_in)
		EVP_DigestUpdate(stream->sum_in, stream->in, (size_t)n);
	stream->piece.in = stream->in;
	stream->piece.in_size = (size_t)n;
	stream->piece.last = n == 0;
	atomic_fetch_add_explicit(&stream->done_in, (uint64_t)n, memory_order_relaxed);
	return 0;
}

/* The digest is that of all bytes, also of padding that no format looks at. */
static int feed_rest(struct stream *stream)
{
	int r = 0;

	while (r >= 0 && !stream->piece.last)
		r = feed(stream);
	return r;
}

/* Bytes that need no work come to where they are wanted, but for the first that were looked at. */
static int fill_plain(struct stream *stream)
{
	struct decode_piece *piece = &stream->piece;
	size_t size = MIN(piece->in_size, piece->out_room);
	ssize_t n;

	if (size > 0) {
		memcpy(piece->out, piece->in, size);
		piece->in += size;
		piece->in_size -= size;
	} else {
		do
			n = read(stream->fd, piece->out, piece->out_room);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -EIO;
		size = (size_t)n;
		if (stream->sum_in)
			EVP_DigestUpdate(stream->sum_in, piece->out, size);
		atomic_fetch_add_explicit(&stream->done_in, size, memory_order_relaxed);
		piece->last = size == 0;
	}
	piece->out += size;
	piece->out_room -= size;
	return !piece->last;
}

static int check_limits(const struct stream *stream, uint64_t out)
{
	uint64_t in = atomic_load_explicit(&stream->done_in, memory_order_relaxed);

	if (out > stream->wish.bytes_max)
		return -EOVERFLOW;
	if (stream->decoder && out > STREAM_RATIO_FREE && stream->wish.ratio != UINT_MAX &&
	    out / stream->wish.ratio > in)
		return -E2BIG;
	return 0;
}

/* A buffer, to its last byte. Its size; 0: there is no more. */
static int fill(struct stream *stream, unsigned char *buffer)
{
	struct decode_piece *piece = &stream->piece;
	int r = !stream->finished;

	piece->out = buffer;
	piece->out_room = RING_SIZE;
	while (r > 0 && piece->out_room > 0) {
		if (stream->decoder == NULL) {
			r = fill_plain(stream);
			continue;
		}
		if (piece->in_size == 0 && !piece->last)
			r = feed(stream);
		if (r >= 0)
			r = decoder_run(stream->decoder, piece);
	}
	if (r == 0 && !stream->finished) {
		stream->finished = true;
		r = feed_rest(stream);
	}
	if (r >= 0) {
		size_t size = RING_SIZE - piece->out_room;

		stream->result.out += size;
		r = check_limits(stream, stream->result.out);
		if (r >= 0)
			return (int)size;
	}
	return r;
}

static void *fill_all(void *context)
{
	struct stream *stream = context;
	unsigned char *buffer;
	int n = 0;

	for (;;) {
		buffer = ring_room(&stream->ring);
		if (buffer == NULL)
			break;
		n = fill(stream, buffer);
		if (n > 0)
			ring_filled(&stream->ring, (size_t)n);
		if (n < (int)RING_SIZE)
			break;
	}
	ring_end(&stream->ring, MIN(n, 0));
	return NULL;
}

/* ---- opening ---- */

static int start_sum(EVP_MD_CTX **ret, bool wanted)
{
	if (!wanted)
		return 0;
	*ret = EVP_MD_CTX_new();
	if (*ret == NULL)
		return -ENOMEM;
	return EVP_DigestInit_ex(*ret, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

/* Enough bytes to know the format, though a pipe may give them one by one. */
static int look(struct stream *stream)
{
	size_t have = 0;
	ssize_t n;

	while (have < DECODE_MAGIC_MAX) {
		n = read(stream->fd, stream->in + have, IN_SIZE - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -EIO;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	if (stream->sum_in)
		EVP_DigestUpdate(stream->sum_in, stream->in, have);
	stream->done_in = have;
	stream->piece.in = stream->in;
	stream->piece.in_size = have;
	stream->result.compression = stream->wish.plain ? COMPRESSION_NONE
							: compression_detect(stream->in, have);
	return 0;
}

static int prepare(struct stream *stream)
{
	struct stat st;
	int r;

	stream->in = malloc(IN_SIZE);
	if (stream->in == NULL)
		return -ENOMEM;
	r = ring_init(&stream->ring);
	if (r >= 0)
		r = start_sum(&stream->sum_in, stream->wish.digest_in);
	if (r < 0)
		return r;
	if (fstat(stream->fd, &st) == 0 && S_ISREG(st.st_mode))
		stream->total = (uint64_t)st.st_size;
	posix_fadvise(stream->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	r = look(stream);
	if (r >= 0 && stream->result.compression != COMPRESSION_NONE)
		r = decoder_new(&stream->decoder, stream->result.compression);
	return r;
}

int stream_open(struct stream **ret, int fd, const struct stream_wish *wish)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int r = -ENOMEM;

	if (stream) {
		stream->wish = *wish;
		stream->fd = fd;
		if (wish->bytes_max == 0)
			stream->wish.bytes_max = STREAM_BYTES_MAX;
		if (wish->ratio == 0)
			stream->wish.ratio = STREAM_RATIO_MAX;
		r = prepare(stream);
	}
	if (r < 0) {
		stream_close(stream);
		return fail(r, "cannot read '%s'", wish->name ? wish->name : "the archive");
	}
	/* Bytes that need no work are as quickly read by who wants them. */
	if (stream->decoder || stream->sum_in)
		stream->threaded = pthread_create(&stream->thread, NULL, fill_all, stream) == 0;
	*ret = stream;
	return 0;
}

void stream_close(struct stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->threaded) {
		ring_stop(&stream->ring);
		pthread_join(stream->thread, NULL);
	}
	ring_done(&stream->ring);
	decoder_free(stream->decoder);
	EVP_MD_CTX_free(stream->sum_in);
	free(stream->in);
	free(stream);
}

void stream_closep(struct stream **stream)
{
	stream_close(*stream);
	*stream = NULL;
}

/* ---- taking ---- */

const char *stream_name(const struct stream *stream)
{
	return stream->wish.name ? stream->wish.name : "the archive";
}

static int explain(const struct stream *stream, int code)
{
	const char *name = stream_name(stream);
	const char *kind = compression_name(stream->result.compression);

	switch (code) {
	case -EBADMSG: return fail_plain(code, "cannot read '%s': it is damaged (%s)", name, kind);
	case -ENODATA:
		return fail_plain(code, "cannot read '%s': it ends too early (%s)", name, kind);
	case -EFBIG:
		return fail_plain(code,
				  "cannot read '%s': it wants more than %zu MiB of memory to be "
				  "decompressed (compress it with a smaller window)",
				  name, DECODE_WINDOW_MAX >> 20);
	case -EOVERFLOW:
		return fail_plain(code, "cannot read '%s': it holds more than %llu bytes", name,
				  (unsigned long long)stream->wish.bytes_max);
	case -E2BIG:
		return fail_plain(
			code,
			"cannot read '%s': it holds more than %u times as many bytes as it "
			"has, like something made to fill the disk",
			name, stream->wish.ratio);
	default: return fail(code, "cannot read '%s'", name);
	}
}

/* 1: there are bytes; 0: the end. */
static int more(struct stream *stream)
{
	int n;

	if (stream->left > 0)
		return 1;
	if (stream->code < 0)
		return explain(stream, stream->code);
	if (stream->ended)
		return 0;
	if (stream->threaded) {
		if (stream->held)
			ring_emptied(&stream->ring);
		n = ring_next(&stream->ring, &stream->at);
		stream->held = n > 0;
	} else {
		stream->at = stream->ring.data;
		n = fill(stream, stream->at);
	}
	if (n < 0) {
		stream->code = n;
		return explain(stream, n);
	}
	stream->left = (size_t)n;
	stream->ended = n == 0;
	return n > 0;
}

ssize_t stream_peek(struct stream *stream, const void **ret, size_t max)
{
	int r = more(stream);

	if (r <= 0)
		return r;
	*ret = stream->at;
	return (ssize_t)MIN(max, stream->left);
}

ssize_t stream_take(struct stream *stream, const void **ret, size_t max)
{
	ssize_t n = stream_peek(stream, ret, max);

	if (n > 0) {
		stream->at += n;
		stream->left -= (size_t)n;
	}
	return n;
}

ssize_t stream_read(struct stream *stream, void *data, size_t size)
{
	size_t have = 0;

	while (have < size) {
		const void *from;
		ssize_t n = stream_take(stream, &from, size - have);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		memcpy((char *)data + have, from, (size_t)n);
		have += (size_t)n;
	}
	return (ssize_t)have;
}

int stream_skip(struct stream *stream, uint64_t size)
{
	while (size > 0) {
		const void *from;
		ssize_t n = stream_take(stream, &from, (size_t)MIN(size, (uint64_t)RING_SIZE));

		if (n < 0)
			return (int)n;
		if (n == 0)
			return explain(stream, -ENODATA);
		size -= (uint64_t)n;
	}
	return 0;
}

uint64_t stream_in(const struct stream *stream)
{
	return atomic_load_explicit(&stream->done_in, memory_order_relaxed);
}

uint64_t stream_total(const struct stream *stream)
{
	return stream->total;
}

enum compression stream_compression(const struct stream *stream)
{
	return stream->result.compression;
}

uint64_t stream_limit(const struct stream *stream)
{
	return stream->wish.bytes_max;
}

int stream_finish(struct stream *stream, struct stream_result *ret)
{
	const void *from;
	ssize_t n;

	do
		n = stream_take(stream, &from, RING_SIZE);
	while (n > 0);
	if (n < 0)
		return (int)n;
	stream->result.in = stream_in(stream);
	if (stream->sum_in)
		EVP_DigestFinal_ex(stream->sum_in, stream->result.digest_in, NULL);
	*ret = stream->result;
	return 0;
}
