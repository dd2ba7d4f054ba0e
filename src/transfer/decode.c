#include "transfer/decode.h"

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

/* liblzma counts its own structures too. */
#define XZ_MEMORY_MAX (DECODE_WINDOW_MAX + ((size_t)1024 * 1024))
#define ZST_WINDOW_LOG 27 /* DECODE_WINDOW_MAX */

static const struct {
	const char *name, *other, *ends[3];
	unsigned char magic[DECODE_MAGIC_MAX], magic_size;
} kinds[COMPRESSIONS] = {
	[COMPRESSION_NONE] = { "none", "uncompressed", { NULL }, { 0 }, 0 },
	[COMPRESSION_GZ] = { "gz", "gzip", { ".gz", ".tgz" }, { 0x1f, 0x8b }, 2 },
	[COMPRESSION_XZ] = { "xz", "xz", { ".xz", ".txz" }, { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6 },
	[COMPRESSION_ZST] = { "zst",
			      "zstd",
			      { ".zst", ".zstd", ".tzst" },
			      { 0x28, 0xb5, 0x2f, 0xfd },
			      4 },
	[COMPRESSION_BZ2] = { "bz2", "bzip2", { ".bz2", ".tbz2" }, { 'B', 'Z', 'h' }, 3 },
	[COMPRESSION_LZ4] = { "lz4", "lz4", { ".lz4" }, { 0x04, 0x22, 0x4d, 0x18 }, 4 },
};

enum compression compression_detect(const void *data, size_t size)
{
	for (enum compression i = COMPRESSION_GZ; i < COMPRESSIONS; i++)
		if (size >= kinds[i].magic_size &&
		    memcmp(data, kinds[i].magic, kinds[i].magic_size) == 0)
			return i;
	return COMPRESSION_NONE;
}

const char *compression_name(enum compression compression)
{
	return kinds[compression].name;
}

int compression_parse(const char *name)
{
	for (int i = 0; i < COMPRESSIONS; i++)
		if (strcmp(name, kinds[i].name) == 0 || strcmp(name, kinds[i].other) == 0)
			return i;
	return -EINVAL;
}

enum compression compression_of_file(const char *path)
{
	size_t length = strlen(path);

	for (enum compression i = COMPRESSION_GZ; i < COMPRESSIONS; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds[i].ends) && kinds[i].ends[k]; k++) {
			size_t size = strlen(kinds[i].ends[k]);

			if (length > size && strcmp(path + length - size, kinds[i].ends[k]) == 0)
				return i;
		}
	return COMPRESSION_NONE;
}

struct decoder {
	enum compression compression;
	bool between; /* a stream has ended, and another may follow */
	union {
		struct inflate_state gz;
		lzma_stream xz;
		ZSTD_DCtx *zst;
		bz_stream bz2;
		LZ4F_dctx *lz4;
	};
};

/* ---- gz ---- */

static void gz_begin(struct decoder *decoder)
{
	isal_inflate_init(&decoder->gz);
	decoder->gz.crc_flag = ISAL_GZIP;
}

/* As gzip(1): what follows the last stream and is not another one is padding. */
static bool gz_follows(const struct decode_piece *piece)
{
	return piece->in_size > 0 && piece->in[0] == 0x1f;
}

static int gz_run(struct decoder *decoder, struct decode_piece *piece)
{
	struct inflate_state *state = &decoder->gz;
	int r;

	if (decoder->between) {
		if (piece->in_size == 0)
			return piece->last ? 0 : 1;
		if (!gz_follows(piece))
			return 0;
		gz_begin(decoder);
		decoder->between = false;
	}
	state->next_in = (uint8_t *)piece->in;
	state->avail_in = (uint32_t)MIN(piece->in_size, (size_t)UINT32_MAX);
	state->next_out = piece->out;
	state->avail_out = (uint32_t)MIN(piece->out_room, (size_t)UINT32_MAX);
	r = isal_inflate(state);
	piece->in_size -= (size_t)(state->next_in - piece->in);
	piece->in = state->next_in;
	piece->out_room -= (size_t)(state->next_out - piece->out);
	piece->out = state->next_out;
	if (r < 0 || r == ISAL_NEED_DICT)
		return -EBADMSG;
	decoder->between = state->block_state == ISAL_BLOCK_FINISH;
	if (!decoder->between && piece->last && piece->in_size == 0 && piece->out_room > 0)
		return -ENODATA;
	return 1;
}

/* ---- xz ---- */

static int xz_begin(struct decoder *decoder)
{
	lzma_ret r = lzma_stream_decoder(&decoder->xz, XZ_MEMORY_MAX, LZMA_CONCATENATED);

	return r == LZMA_OK ? 0 : -ENOMEM;
}

static int xz_run(struct decoder *decoder, struct decode_piece *piece)
{
	lzma_stream *stream = &decoder->xz;
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
	switch (r) {
	case LZMA_OK: return 1;
	case LZMA_STREAM_END: return 0;
	case LZMA_BUF_ERROR: return piece->last && piece->out_room > 0 ? -ENODATA : 1;
	case LZMA_MEM_ERROR:
	case LZMA_MEMLIMIT_ERROR: return -EFBIG;
	default: return -EBADMSG;
	}
}

/* ---- zst ---- */

static int zst_begin(struct decoder *decoder)
{
	decoder->zst = ZSTD_createDCtx();
	if (decoder->zst == NULL)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(decoder->zst, ZSTD_d_windowLogMax, ZST_WINDOW_LOG);
	decoder->between = true;
	return 0;
}

static int zst_run(struct decoder *decoder, struct decode_piece *piece)
{
	ZSTD_inBuffer in = { piece->in, piece->in_size, 0 };
	ZSTD_outBuffer out = { piece->out, piece->out_room, 0 };
	size_t r;

	if (decoder->between && piece->in_size == 0)
		return piece->last ? 0 : 1;
	r = ZSTD_decompressStream(decoder->zst, &out, &in);
	piece->in += in.pos;
	piece->in_size -= in.pos;
	piece->out += out.pos;
	piece->out_room -= out.pos;
	if (ZSTD_isError(r)) {
		/* ZSTD_getErrorCode() is not in the library's stable part. */
		const char *name = ZSTD_getErrorName(r);

		return strstr(name, "memory") != NULL ? -EFBIG : -EBADMSG;
	}
	decoder->between = r == 0;
	if (!decoder->between && piece->last && piece->in_size == 0 && piece->out_room > 0)
		return -ENODATA;
	return 1;
}

/* ---- bz2 ---- */

static int bz2_run(struct decoder *decoder, struct decode_piece *piece)
{
	bz_stream *stream = &decoder->bz2;
	int r;

	if (decoder->between) {
		if (piece->in_size == 0)
			return piece->last ? 0 : 1;
		if (piece->in[0] != 'B')
			return 0;
		BZ2_bzDecompressEnd(stream);
		memset(stream, 0, sizeof(*stream));
		if (BZ2_bzDecompressInit(stream, 0, 0) != BZ_OK)
			return -ENOMEM;
		decoder->between = false;
	}
	stream->next_in = (char *)piece->in;
	stream->avail_in = (unsigned int)MIN(piece->in_size, (size_t)UINT32_MAX);
	stream->next_out = (char *)piece->out;
	stream->avail_out = (unsigned int)MIN(piece->out_room, (size_t)UINT32_MAX);
	r = BZ2_bzDecompress(stream);
	piece->in_size -= (size_t)(stream->next_in - (char *)piece->in);
	piece->in = (unsigned char *)stream->next_in;
	piece->out_room -= (size_t)(stream->next_out - (char *)piece->out);
	piece->out = (unsigned char *)stream->next_out;
	if (r == BZ_STREAM_END)
		decoder->between = true;
	else if (r != BZ_OK)
		return r == BZ_MEM_ERROR ? -EFBIG : -EBADMSG;
	else if (piece->last && piece->in_size == 0 && piece->out_room > 0)
		return -ENODATA;
	return 1;
}

/* ---- lz4 ---- */

static int lz4_run(struct decoder *decoder, struct decode_piece *piece)
{
	size_t used = piece->in_size, made = piece->out_room, r;

	if (decoder->between && piece->in_size == 0)
		return piece->last ? 0 : 1;
	r = LZ4F_decompress(decoder->lz4, piece->out, &made, piece->in, &used, NULL);
	if (LZ4F_isError(r))
		return -EBADMSG;
	piece->in += used;
	piece->in_size -= used;
	piece->out += made;
	piece->out_room -= made;
	decoder->between = r == 0;
	if (!decoder->between && piece->last && piece->in_size == 0 && piece->out_room > 0)
		return -ENODATA;
	return 1;
}

/* ---- all of them ---- */

int decoder_new(struct decoder **ret, enum compression compression)
{
	struct decoder *decoder = calloc(1, sizeof(*decoder));
	int r = 0;

	if (decoder == NULL)
		return -ENOMEM;
	decoder->compression = compression;
	switch (compression) {
	case COMPRESSION_XZ: r = xz_begin(decoder); break;
	case COMPRESSION_ZST: r = zst_begin(decoder); break;
	case COMPRESSION_LZ4:
		if (LZ4F_isError(LZ4F_createDecompressionContext(&decoder->lz4, LZ4F_VERSION)))
			r = -ENOMEM;
		break;
	default: break;
	}
	decoder->between = true;
	if (r < 0) {
		free(decoder);
		return r;
	}
	*ret = decoder;
	return 0;
}

void decoder_free(struct decoder *decoder)
{
	if (decoder == NULL)
		return;
	switch (decoder->compression) {
	case COMPRESSION_XZ: lzma_end(&decoder->xz); break;
	case COMPRESSION_ZST: ZSTD_freeDCtx(decoder->zst); break;
	case COMPRESSION_BZ2: BZ2_bzDecompressEnd(&decoder->bz2); break;
	case COMPRESSION_LZ4: LZ4F_freeDecompressionContext(decoder->lz4); break;
	default: break;
	}
	free(decoder);
}

int decoder_run(struct decoder *decoder, struct decode_piece *piece)
{
	switch (decoder->compression) {
	case COMPRESSION_GZ: return gz_run(decoder, piece);
	case COMPRESSION_XZ: return xz_run(decoder, piece);
	case COMPRESSION_ZST: return zst_run(decoder, piece);
	case COMPRESSION_BZ2: return bz2_run(decoder, piece);
	case COMPRESSION_LZ4: return lz4_run(decoder, piece);
	default: return -EINVAL;
	}
}
