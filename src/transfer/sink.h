/* transfer/sink - where an archive is written to, compressed on the way.
 *
 * Inside a worker. A second thread compresses and writes; without compression there is none. Memory
 * is bounded. Speaking: "cannot write the archive: ...".
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transfer/stream.h"

struct sink;

/* Borrows FD, which is written to from where it stands. DIGESTS: SHA-256 before (digest_out, of the
 * bytes as a stream gives them again) and after compression (digest_in). */
int sink_open(struct sink **ret, int fd, enum compression compression, bool digests);
void sink_close(struct sink *sink); /* accepts NULL; what was not finished is lost */
void sink_closep(struct sink **sink);
#define autosink __attribute__((cleanup(sink_closep)))

/* Where the next bytes belong: *ret_room of them, at least 1; then sink_fill() says how many there
 * are now. */
int sink_room(struct sink *sink, unsigned char **ret, size_t *ret_room);
int sink_fill(struct sink *sink, size_t size);

int sink_write(struct sink *sink, const void *data, size_t size);
int sink_zeros(struct sink *sink, uint64_t size);

/* Bytes so far, before compression. */
uint64_t sink_size(const struct sink *sink);

/* All is written, but not synced. */
int sink_finish(struct sink *sink, struct stream_result *ret);
