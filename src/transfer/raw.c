#include "transfer/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "transfer/sink.h"
#include "transfer/stream.h"
#include "transfer/worker.h"

#define BLOCK 4096
#define PART ((size_t)256 * 1024)

static bool is_zero(const unsigned char *data, size_t size)
{
	static const unsigned char zero[BLOCK];

	return memcmp(data, zero, size) == 0;
}

static int write_at(int fd, const unsigned char *data, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(-errno, "cannot write the image");
		data += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* The blocks that are not all zero, as many as follow each other at once. Returns how many bytes
 * were written. */
static ssize_t write_part(int fd, const unsigned char *data, size_t size, uint64_t offset)
{
	size_t from = 0, at = 0, written = 0;
	int r = 0;

	while (at < size && r >= 0) {
		size_t block = MIN((size_t)BLOCK, size - at);
		bool zero = is_zero(data + at, block);

		if (zero && at > from) {
			r = write_at(fd, data + from, at - from, offset + from);
			written += at - from;
		}
		at += block;
		if (zero)
			from = at;
	}
	if (r >= 0 && size > from) {
		r = write_at(fd, data + from, size - from, offset + from);
		written += size - from;
	}
	return r < 0 ? r : (ssize_t)written;
}

/* Holes cost nothing, so that the ratio is looked at for the rest alone. */
static int check_ratio(const struct stream *stream, uint64_t written)
{
	if (written <= STREAM_RATIO_FREE || written / STREAM_RATIO_MAX <= stream_in(stream))
		return 0;
	return fail_plain(-E2BIG,
			  "cannot read '%s': it holds more than %d times as many bytes as it has, "
			  "like something made to fill the disk",
			  stream_name(stream), STREAM_RATIO_MAX);
}

int raw_is_qcow2(struct stream *stream)
{
	const void *data;
	ssize_t n = stream_peek(stream, &data, sizeof(uint32_t));

	if (n < 0)
		return (int)n;
	return n == sizeof(uint32_t) && memcmp(data, RAW_QCOW2_MAGIC, sizeof(uint32_t)) == 0;
}

int raw_write(struct worker_side *side, int fd, struct stream *stream, struct raw_result *ret)
{
	struct raw_result result = { 0 };
	uint64_t written = 0;
	const void *data;
	ssize_t n = 0, done;
	int r = 0;

	while (r >= 0) {
		n = stream_take(stream, &data, PART);
		if (n <= 0)
			break;
		done = write_part(fd, data, (size_t)n, result.bytes);
		if (done < 0)
			return (int)done;
		result.bytes += (uint64_t)n;
		written += (uint64_t)done;
		r = check_ratio(stream, written);
		if (side)
			worker_progress(side, stream_in(stream), stream_total(stream));
	}
	if (n < 0 || r < 0)
		return r < 0 ? r : (int)n;
	if (result.bytes == 0)
		return fail_plain(-ENODATA, "cannot read '%s': it is empty", stream_name(stream));
	if (ftruncate(fd, (off_t)result.bytes) < 0)
		return fail(-errno, "cannot write the image");
	*ret = result;
	return 0;
}

/* ---- out ---- */

static int read_part(int fd, struct sink *sink, uint64_t offset, uint64_t size)
{
	while (size > 0) {
		unsigned char *to;
		size_t room;
		ssize_t n;
		int r = sink_room(sink, &to, &room);

		if (r < 0)
			return r;
		n = pread(fd, to, (size_t)MIN((uint64_t)room, size), (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(n < 0 ? -errno : -EIO, "cannot read the image");
		r = sink_fill(sink, (size_t)n);
		if (r < 0)
			return r;
		offset += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

int raw_read(struct worker_side *side, int fd, struct sink *sink, struct raw_result *ret)
{
	uint64_t at = 0, size;
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return fail(-errno, "cannot read the image");
	size = (uint64_t)st.st_size;
	while (r >= 0 && at < size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		uint64_t end = MIN(at + PART, size);

		if (data < 0 && errno == ENXIO) {
			r = sink_zeros(sink, size - at);
			at = size;
		} else if (data > (off_t)at) {
			end = MIN((uint64_t)data, size);
			r = sink_zeros(sink, end - at);
			at = end;
		} else {
			r = read_part(fd, sink, at, end - at);
			at = end;
		}
		if (side)
			worker_progress(side, at, size);
	}
	if (r < 0)
		return r;
	ret->bytes = size;
	return 0;
}

static bool is_empty_file(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	return flags >= 0 && (flags & O_APPEND) == 0 && fstat(fd, &st) == 0 &&
	       S_ISREG(st.st_mode) && st.st_size == 0 && lseek(fd, 0, SEEK_CUR) == 0;
}

static ssize_t read_some(int fd, unsigned char *data, size_t size, uint64_t offset)
{
	ssize_t n;

	do
		n = pread(fd, data, size, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n > 0 ? n : fail(n < 0 ? -errno : -EIO, "cannot read the image");
}

static int copy_data(struct worker_side *side, int to_fd, int fd, uint64_t size)
{
	unsigned char *data = malloc(PART);
	ssize_t n = data != NULL ? 0 : fail(-ENOMEM, "cannot copy the image");

	for (uint64_t at = 0; n >= 0 && at < size; at += (uint64_t)n) {
		off_t start = lseek(fd, (off_t)at, SEEK_DATA);

		if (start < 0 && errno == ENXIO)
			break; /* only a hole is left */
		at = start > (off_t)at ? MIN((uint64_t)start, size) : at;
		n = read_some(fd, data, (size_t)MIN((uint64_t)PART, size - at), at);
		if (n > 0) {
			ssize_t written = write_part(to_fd, data, (size_t)n, at);

			n = written < 0 ? written : n;
		}
		if (side)
			worker_progress(side, at, size);
	}
	free(data);
	return n < 0 ? (int)n : 0;
}

int raw_copy(struct worker_side *side, int to_fd, int fd, struct raw_result *ret)
{
	struct stat st;
	int r = 0;

	if (!is_empty_file(to_fd))
		return 0;
	if (fstat(fd, &st) < 0)
		return fail(-errno, "cannot read the image");
	if (ioctl(to_fd, FICLONE, fd) < 0)
		r = copy_data(side, to_fd, fd, (uint64_t)st.st_size);
	/* What a shell writes there afterwards comes behind it. */
	if (r >= 0 && (ftruncate(to_fd, st.st_size) < 0 || lseek(to_fd, st.st_size, SEEK_SET) < 0))
		r = fail(-errno, "cannot write the image");
	if (r < 0)
		return r;
	ret->bytes = (uint64_t)st.st_size;
	return 1;
}
