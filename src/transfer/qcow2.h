/* transfer/qcow2 - a qcow2 disk image becomes a raw, sparse one.
 *
 * What reads as zeros stays a hole, and so do zeros that were written out, unless their blocks can
 * be shared with the image. The work is bounded by the size of the disk, which the caller bounds;
 * and no byte of the image is used twice, so that a small one cannot become whatever it likes.
 * Memory: at most 8 MiB for each thread, whatever the image's size.
 *
 * Quiet; as of format/qcow2, *ret_why says what is wrong with the image; it is NULL where the
 * reading or writing itself failed. Worker.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "io/file.h"

#define QCOW2_THREADS 4 /* at most; one of them is the caller's */

/* Where the bytes come from and go to. All are called by several threads at once. */
struct qcow2_ends {
	uint64_t file_size; /* of the image */

	/* All of the bytes, or a negative errno. */
	int (*read)(void *context, void *data, size_t size, uint64_t offset);
	int (*write)(void *context, const void *data, size_t size, uint64_t offset);

	/* May be NULL. Let TO have the same blocks as FROM in the image. Negative: it cannot, and
	 * the bytes are copied. */
	int (*share)(void *context, uint64_t to, uint64_t from, uint64_t size);

	/* May be NULL. The first part of the image from OFFSET on that is no hole of the image's
	 * own: where it begins, and where it ends; both UINT64_MAX: there is none. */
	void (*find)(void *context, uint64_t *ret_begin, uint64_t *ret_end, uint64_t offset);

	void *context;
};

struct qcow2_job {
	uint64_t size_max; /* of the disk */
	unsigned threads;  /* 1 to QCOW2_THREADS */

	/* May be NULL. Called on the caller's thread with how much more of the disk is done; ends
	 * the work with what it returns, if that is negative. */
	file_step_fn *step;
	void *context;
};

/* Only what is not zero is written: the other end is all zeros before. */
int qcow2_convert(const struct qcow2_job *job, const struct qcow2_ends *ends, uint64_t *ret_size,
		  const char **ret_why);

/* From the regular file IMAGE_FD to the regular file RAW_FD, which is emptied first, and gets the
 * disk's size. */
int qcow2_convert_file(const struct qcow2_job *job, int raw_fd, int image_fd, const char **ret_why);
