#include "transfer/qcow2-unpack.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <zstd.h>

struct qcow2_unpack {
	ZSTD_DCtx *zstd; /* NULL: deflate */
	struct inflate_state deflate;
};

struct qcow2_unpack *qcow2_unpack_new(bool zstd)
{
	struct qcow2_unpack *unpack = calloc(1, sizeof(*unpack));

	if (unpack == NULL)
		return NULL;
	isal_inflate_init(&unpack->deflate);
	unpack->deflate.crc_flag = ISAL_DEFLATE; /* without header and sum */
	if (!zstd)
		return unpack;
	unpack->zstd = ZSTD_createDCtx();
	if (unpack->zstd != NULL)
		return unpack;
	free(unpack);
	return NULL;
}

void qcow2_unpack_free(struct qcow2_unpack *unpack)
{
	if (unpack == NULL)
		return;
	ZSTD_freeDCtx(unpack->zstd);
	free(unpack);
}

/* In one step, where all that was unpacked before is in reach: the window, which has 12 bits in
 * qcow2 images, need not be said. */
static int unpack_deflate(struct inflate_state *state, uint8_t *data, size_t size,
			  const uint8_t *packed, size_t packed_size)
{
	int r;

	state->next_in = (uint8_t *)packed; /* is not written to */
	state->avail_in = (uint32_t)packed_size;
	state->next_out = data;
	state->avail_out = (uint32_t)size;
	r = isal_inflate_stateless(state);
	/* Some writers leave out the end. */
	if (r < 0 || state->avail_out != 0 || state->avail_in > packed_size)
		return -EBADMSG;
	return (int)(packed_size - state->avail_in);
}

/* As one frame in one step: there the library needs no window of its own, whose size the frame
 * would say. */
static int unpack_zstd(ZSTD_DCtx *context, uint8_t *data, size_t size, const uint8_t *packed,
		       size_t packed_size)
{
	size_t frame = ZSTD_findFrameCompressedSize(packed, packed_size);
	size_t found;

	if (ZSTD_isError(frame))
		return -EBADMSG;
	found = ZSTD_decompressDCtx(context, data, size, packed, frame);
	if (ZSTD_isError(found) || found != size)
		return -EBADMSG;
	return (int)frame;
}

int qcow2_unpack(struct qcow2_unpack *unpack, uint8_t *data, size_t size, const uint8_t *packed,
		 size_t packed_size)
{
	if (unpack->zstd != NULL)
		return unpack_zstd(unpack->zstd, data, size, packed, packed_size);
	return unpack_deflate(&unpack->deflate, data, size, packed, packed_size);
}
