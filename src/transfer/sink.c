#include "transfer/sink.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/macros.h"
#include "io/fd.h"
#include "transfer/encode.h"
#include "transfer/ring.h"

struct sink {
	int fd;
	struct stream_result result;
	EVP_MD_CTX *sum_in, *sum_out;
	struct encoder *encoder;
	unsigned char *out; /* RING_SIZE: compressed bytes, of the thread */
	size_t out_used;

	struct ring ring;
	unsigned char *at; /* the buffer that is being filled */
	size_t used;
	bool threaded, finished;
	_Atomic int code; /* of the thread */
	pthread_t thread;
};

/* ---- writing: in the thread, if there is one ---- */

static int write_out(struct sink *sink, const void *data, size_t size)
{
	int r = fd_write_all(sink->fd, data, size);

	if (r >= 0 && sink->sum_in)
		EVP_DigestUpdate(sink->sum_in, data, size);
	sink->result.in += size;
	return r;
}

static int flush_out(struct sink *sink)
{
	int r = sink->out_used > 0 ? write_out(sink, sink->out, sink->out_used) : 0;

	sink->out_used = 0;
	return r;
}

/* DATA NULL: the end. */
static int consume(struct sink *sink, const void *data, size_t size)
{
	struct decode_piece piece = { .in = data, .in_size = size, .last = data == NULL };
	int r = 1;

	if (data && sink->sum_out)
		EVP_DigestUpdate(sink->sum_out, data, size);
	if (sink->encoder == NULL)
		return data ? write_out(sink, data, size) : 0;
	while (r > 0 && (piece.in_size > 0 || piece.last)) {
		piece.out = sink->out + sink->out_used;
		piece.out_room = RING_SIZE - sink->out_used;
		r = encoder_run(sink->encoder, &piece);
		sink->out_used = RING_SIZE - piece.out_room;
		if (r >= 0 && piece.out_room == 0) {
			int code = flush_out(sink);

			r = code < 0 ? code : r;
		}
	}
	if (r == 0 && piece.last)
		r = flush_out(sink);
	return r < 0 ? r : 0;
}

static void *consume_all(void *context)
{
	struct sink *sink = context;
	unsigned char *data;
	int n, r = 0;

	for (;;) {
		n = ring_next(&sink->ring, &data);
		if (n <= 0)
			break;
		if (r >= 0)
			r = consume(sink, data, (size_t)n);
		if (r < 0) { /* what still comes is thrown away */
			sink->code = r;
			ring_stop(&sink->ring);
		}
		ring_emptied(&sink->ring);
	}
	if (r >= 0 && n == 0)
		r = consume(sink, NULL, 0);
	sink->code = r;
	return NULL;
}

/* ---- the caller ---- */

static int explain(int code)
{
	return fail(code, "cannot write the archive");
}

int sink_open(struct sink **ret, int fd, enum compression compression, bool digests)
{
	struct sink *sink = calloc(1, sizeof(*sink));
	int r;

	if (sink == NULL)
		return explain(-ENOMEM);
	sink->fd = fd;
	sink->result.compression = compression;
	r = ring_init(&sink->ring);
	if (r >= 0 && compression != COMPRESSION_NONE) {
		sink->out = malloc(RING_SIZE);
		r = sink->out ? encoder_new(&sink->encoder, compression) : -ENOMEM;
	}
	if (r >= 0 && digests) {
		sink->sum_in = EVP_MD_CTX_new();
		sink->sum_out = EVP_MD_CTX_new();
		if (sink->sum_in == NULL || sink->sum_out == NULL ||
		    EVP_DigestInit_ex(sink->sum_in, EVP_sha256(), NULL) != 1 ||
		    EVP_DigestInit_ex(sink->sum_out, EVP_sha256(), NULL) != 1)
			r = -ENOMEM;
	}
	if (r >= 0 && (sink->encoder || digests)) {
		r = -pthread_create(&sink->thread, NULL, consume_all, sink);
		sink->threaded = r == 0;
	}
	if (r < 0) {
		sink_close(sink);
		return explain(r);
	}
	*ret = sink;
	return 0;
}

static void join(struct sink *sink, int code)
{
	if (!sink->threaded)
		return;
	ring_end(&sink->ring, code);
	pthread_join(sink->thread, NULL);
	sink->threaded = false;
}

void sink_close(struct sink *sink)
{
	if (sink == NULL)
		return;
	join(sink, -ECANCELED);
	ring_done(&sink->ring);
	encoder_free(sink->encoder);
	EVP_MD_CTX_free(sink->sum_in);
	EVP_MD_CTX_free(sink->sum_out);
	free(sink->out);
	free(sink);
}

void sink_closep(struct sink **sink)
{
	sink_close(*sink);
	*sink = NULL;
}

static int pass_on(struct sink *sink)
{
	int r = 0;

	if (sink->used == 0)
		return 0;
	if (sink->threaded)
		ring_filled(&sink->ring, sink->used);
	else
		r = consume(sink, sink->at, sink->used);
	sink->at = NULL;
	sink->used = 0;
	return r < 0 ? explain(r) : 0;
}

int sink_room(struct sink *sink, unsigned char **ret, size_t *ret_room)
{
	if (sink->at == NULL) {
		sink->at = sink->threaded ? ring_room(&sink->ring) : sink->ring.data;
		if (sink->at == NULL)
			return explain(sink->code < 0 ? sink->code : -EIO);
	}
	*ret = sink->at + sink->used;
	*ret_room = RING_SIZE - sink->used;
	return 0;
}

int sink_fill(struct sink *sink, size_t size)
{
	sink->used += size;
	sink->result.out += size;
	return sink->used == RING_SIZE ? pass_on(sink) : 0;
}

int sink_write(struct sink *sink, const void *data, size_t size)
{
	const char *from = data;

	while (size > 0) {
		unsigned char *to;
		size_t room;
		int r = sink_room(sink, &to, &room);

		if (r < 0)
			return r;
		room = MIN(room, size);
		memcpy(to, from, room);
		r = sink_fill(sink, room);
		if (r < 0)
			return r;
		from += room;
		size -= room;
	}
	return 0;
}

int sink_zeros(struct sink *sink, uint64_t size)
{
	while (size > 0) {
		unsigned char *to;
		size_t room;
		int r = sink_room(sink, &to, &room);

		if (r < 0)
			return r;
		room = (size_t)MIN((uint64_t)room, size);
		memset(to, 0, room);
		r = sink_fill(sink, room);
		if (r < 0)
			return r;
		size -= room;
	}
	return 0;
}

uint64_t sink_size(const struct sink *sink)
{
	return sink->result.out;
}

int sink_finish(struct sink *sink, struct stream_result *ret)
{
	bool threaded = sink->threaded;
	int r = pass_on(sink);

	if (r < 0)
		return r;
	join(sink, 0);
	if (threaded && sink->code < 0)
		return explain(sink->code);
	if (sink->sum_in)
		EVP_DigestFinal_ex(sink->sum_in, sink->result.digest_in, NULL);
	if (sink->sum_out)
		EVP_DigestFinal_ex(sink->sum_out, sink->result.digest_out, NULL);
	*ret = sink->result;
	return 0;
}
