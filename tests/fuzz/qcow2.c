/* Whatever a disk image holds: nothing is read outside of it, nothing is written outside of the
 * disk, and no more than its bytes can give. */
#include <assert.h>
#include <string.h>

#include "format/qcow2.h"
#include "fuzz.h"
#include "transfer/qcow2.h"

#define DISK_MAX (1 << 20)

struct image {
	const uint8_t *data;
	size_t size;
	uint64_t disk; /* as its header says */
};

static int read_image(void *context, void *data, size_t size, uint64_t offset)
{
	const struct image *image = context;

	assert(offset <= image->size && size <= image->size - offset);
	memcpy(data, image->data + offset, size);
	return 0;
}

static int write_disk(void *context, const void *data, size_t size, uint64_t offset)
{
	const struct image *image = context;
	static uint8_t disk[DISK_MAX];

	assert(size > 0 && offset <= image->disk && size <= image->disk - offset);
	memcpy(disk + offset, data, size);
	return 0;
}

static int add_up(void *context, uint64_t bytes)
{
	*(uint64_t *)context += bytes;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image image = { data, size, 0 };
	const struct qcow2_ends ends = {
		.file_size = size,
		.read = read_image,
		.write = write_disk,
		.context = &image,
	};
	uint64_t sum = 0, disk = 0;
	const struct qcow2_job job = {
		.size_max = DISK_MAX,
		.threads = 1,
		.step = add_up,
		.context = &sum,
	};
	const char *why = NULL;
	struct qcow2 header;

	if (qcow2_header(&header, data, size, size, DISK_MAX, &why) == 0)
		image.disk = header.size;
	else
		assert(why != NULL);
	if (qcow2_convert(&job, &ends, &disk, &why) < 0) {
		assert(why != NULL);
		return 0;
	}
	assert(why == NULL && disk == image.disk && sum == disk);
	return 0;
}
