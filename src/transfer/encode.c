#include "transfer/encode.h"

#include <bzlib.h>
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/macros.h"

#define XZ_PRESET 4 /* 48 MiB; the next one takes 94 */
#define ZST_LEVEL 3
#define BZ2_LEVEL 9
#define LZ4_PART ((size_t)64 * 1024)

struct encoder {
	enum compression compression;
	union {
		struct isal_zstream gz;
		lzma_stream xz;
		ZSTD_CCtx *zst;
		bz_stream bz2;
		LZ4F_cctx *lz4;
	};
	/* What the format's library holds back, or gives in one piece only. */
	unsigned char *extra;
	size_t extra_room, extra_at, extra_size;
	bool begun, ended;
};

static int begin_gz(struct encoder *encoder)
{
	encoder->extra = malloc(ISAL_DEF_LVL2_DEFAULT);
	if (encoder->extra == NULL)
		return -ENOMEM;
	isal_deflate_init(&encoder->gz);
	encoder->gz.level = 2;
	encoder->gz.level_buf = encoder->extra;
	encoder->gz.level_buf_size = ISAL_DEF_LVL2_DEFAULT;
	encoder->gz.gzip_flag = IGZIP_GZIP;
	encoder->gz.flush = NO_FLUSH;
	return 0;
}

static int run_gz(struct encoder *encoder, struct decode_piece *piece)
{
	struct isal_zstream *stream = &encoder->gz;

	stream->next_in = (uint8_t *)piece->in;
	stream->avail_in = (uint32_t)piece->in_size;
	stream->next_out = piece->out;
	stream->avail_out = (uint32_t)piece->out_room;
	stream->end_of_stream = piece->last;
	if (isal_deflate(stream) != COMP_OK)
		return -EIO;
	piece->in = stream->next_in;
	piece->in_size = stream->avail_in;
	piece->out = stream->next_out;
	piece->out_room = stream->avail_out;
	return stream->internal_state.state == ZSTATE_END ? 0 : 1;
}

static int run_xz(struct encoder *encoder, struct decode_piece *piece)
{
	lzma_stream *stream = &encoder->xz;
	lzma_ret r;

	stream->next_in = piece->in;
	stream->avail_in = piece->in_size;
	stream->next_out = piece->out;
	stream->avail_out = piece->out_room;
	r = lzma_code(stream, piece->last ? LZMA_FINISH : LZMA_RUN);
	piece->in = stream->next_in;
	piece->in_size = stream->avail_in;
	piece->out = stream->next_out;
	piece->out_room = stream->avail_out;
	if (r == LZMA_STREAM_END)
		return 0;
	return r == LZMA_OK || r == LZMA_BUF_ERROR ? 1 : -EIO;
}

static int run_zst(struct encoder *encoder, struct decode_piece *piece)
{
	ZSTD_inBuffer in = { piece->in, piece->in_size, 0 };
	ZSTD_outBuffer out = { piece->out, piece->out_room, 0 };
	size_t r = ZSTD_compressStream2(encoder->zst, &out, &in,
					piece->last ? ZSTD_e_end : ZSTD_e_continue);

	if (ZSTD_isError(r))
		return -EIO;
	piece->in += in.pos;
	piece->in_size -= in.pos;
	piece->out += out.pos;
	piece->out_room -= out.pos;
	return piece->last && r == 0 ? 0 : 1;
}

static int run_bz2(struct encoder *encoder, struct decode_piece *piece)
{
	bz_stream *stream = &encoder->bz2;
	int r;

	stream->next_in = (char *)piece->in;
	stream->avail_in = (unsigned int)piece->in_size;
	stream->next_out = (char *)piece->out;
	stream->avail_out = (unsigned int)piece->out_room;
	if (stream->avail_in == 0 && !piece->last)
		return 1;
	r = BZ2_bzCompress(stream, piece->last ? BZ_FINISH : BZ_RUN);
	piece->in_size = stream->avail_in;
	piece->in = (unsigned char *)stream->next_in;
	piece->out_room = stream->avail_out;
	piece->out = (unsigned char *)stream->next_out;
	if (r == BZ_STREAM_END)
		return 0;
	return r < 0 ? -EIO : 1;
}

/* lz4 gives a part only as a whole. */
static int make_lz4(struct encoder *encoder, struct decode_piece *piece)
{
	size_t n, size = MIN(piece->in_size, LZ4_PART);

	if (!encoder->begun) {
		n = LZ4F_compressBegin(encoder->lz4, encoder->extra, encoder->extra_room, NULL);
		encoder->begun = true;
	} else if (size > 0) {
		n = LZ4F_compressUpdate(encoder->lz4, encoder->extra, encoder->extra_room,
					piece->in, size, NULL);
		piece->in += size;
		piece->in_size -= size;
	} else {
		n = LZ4F_compressEnd(encoder->lz4, encoder->extra, encoder->extra_room, NULL);
		encoder->ended = true;
	}
	if (LZ4F_isError(n))
		return -EIO;
	encoder->extra_at = 0;
	encoder->extra_size = n;
	return 0;
}

static int run_lz4(struct encoder *encoder, struct decode_piece *piece)
{
	for (;;) {
		size_t size = MIN(encoder->extra_size, piece->out_room);
		int r;

		memcpy(piece->out, encoder->extra + encoder->extra_at, size);
		encoder->extra_at += size;
		encoder->extra_size -= size;
		piece->out += size;
		piece->out_room -= size;
		if (encoder->extra_size > 0)
			return 1;
		if (encoder->ended)
			return 0;
		if (piece->in_size == 0 && !piece->last && encoder->begun)
			return 1;
		r = make_lz4(encoder, piece);
		if (r < 0)
			return r;
	}
}

static int begin_lz4(struct encoder *encoder)
{
	encoder->extra_room = LZ4F_compressBound(LZ4_PART, NULL) + LZ4F_HEADER_SIZE_MAX;
	encoder->extra = malloc(encoder->extra_room);
	if (encoder->extra == NULL ||
	    LZ4F_isError(LZ4F_createCompressionContext(&encoder->lz4, LZ4F_VERSION)))
		return -ENOMEM;
	return 0;
}

static int begin(struct encoder *encoder)
{
	switch (encoder->compression) {
	case COMPRESSION_GZ: return begin_gz(encoder);
	case COMPRESSION_XZ:
		return lzma_easy_encoder(&encoder->xz, XZ_PRESET, LZMA_CHECK_CRC64) == LZMA_OK
			       ? 0
			       : -ENOMEM;
	case COMPRESSION_ZST:
		encoder->zst = ZSTD_createCCtx();
		if (encoder->zst == NULL)
			return -ENOMEM;
		ZSTD_CCtx_setParameter(encoder->zst, ZSTD_c_compressionLevel, ZST_LEVEL);
		ZSTD_CCtx_setParameter(encoder->zst, ZSTD_c_checksumFlag, 1);
		return 0;
	case COMPRESSION_BZ2:
		return BZ2_bzCompressInit(&encoder->bz2, BZ2_LEVEL, 0, 0) == BZ_OK ? 0 : -ENOMEM;
	case COMPRESSION_LZ4: return begin_lz4(encoder);
	default: return -EINVAL;
	}
}

int encoder_new(struct encoder **ret, enum compression compression)
{
	struct encoder *encoder = calloc(1, sizeof(*encoder));
	int r;

	if (encoder == NULL)
		return -ENOMEM;
	encoder->compression = compression;
	r = begin(encoder);
	if (r < 0) {
		encoder_free(encoder);
		return r;
	}
	*ret = encoder;
	return 0;
}

void encoder_free(struct encoder *encoder)
{
	if (encoder == NULL)
		return;
	switch (encoder->compression) {
	case COMPRESSION_XZ: lzma_end(&encoder->xz); break;
	case COMPRESSION_ZST: ZSTD_freeCCtx(encoder->zst); break;
	case COMPRESSION_BZ2: BZ2_bzCompressEnd(&encoder->bz2); break;
	case COMPRESSION_LZ4: LZ4F_freeCompressionContext(encoder->lz4); break;
	default: break;
	}
	free(encoder->extra);
	free(encoder);
}

int encoder_run(struct encoder *encoder, struct decode_piece *piece)
{
	switch (encoder->compression) {
	case COMPRESSION_GZ: return run_gz(encoder, piece);
	case COMPRESSION_XZ: return run_xz(encoder, piece);
	case COMPRESSION_ZST: return run_zst(encoder, piece);
	case COMPRESSION_BZ2: return run_bz2(encoder, piece);
	case COMPRESSION_LZ4: return run_lz4(encoder, piece);
	default: return -EINVAL;
	}
}
