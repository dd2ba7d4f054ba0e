/* transfer/raw - disk images, byte by byte.
 *
 * Inside a worker. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct sink;
struct stream;
struct worker_side;

struct raw_result {
	uint64_t bytes; /* with its holes */
};

#define RAW_QCOW2_MAGIC "QFI\xfb"

/* 1: what comes is an image in qcow2, which is to be converted (transfer/qcow2). */
int raw_is_qcow2(struct stream *stream);

/* Into the empty regular file FD, with holes where there are only zeros. SIDE: for progress, or
 * NULL. */
int raw_write(struct worker_side *side, int fd, struct stream *stream, struct raw_result *ret);

/* All of the regular file FD. */
int raw_read(struct worker_side *side, int fd, struct sink *sink, struct raw_result *ret);

/* Likewise into TO_FD, uncompressed, with its holes and with blocks that are shared where they can
 * be. 1: done; 0: that is no empty regular file that is written from its start, and nothing was. */
int raw_copy(struct worker_side *side, int to_fd, int fd, struct raw_result *ret);
