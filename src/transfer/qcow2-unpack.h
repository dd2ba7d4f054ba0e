/* transfer/qcow2-unpack - one compressed cluster of a qcow2 image. Quiet. Worker. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qcow2_unpack; /* of one thread, for any number of clusters */

/* NULL: no memory. ZSTD: else raw deflate. */
struct qcow2_unpack *qcow2_unpack_new(bool zstd);
void qcow2_unpack_free(struct qcow2_unpack *unpack); /* accepts NULL */

/* Exactly SIZE bytes from the begin of the PACKED_SIZE bytes at PACKED; behind them may stand
 * anything. Returns how much of them it took. -EBADMSG: they do not give it. Takes no memory. */
int qcow2_unpack(struct qcow2_unpack *unpack, uint8_t *data, size_t size, const uint8_t *packed,
		 size_t packed_size);
