/* Disk images: what is found in one lies inside of it, and is told so that the runner takes it. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "format/disk-find.h"
#include "fuzz.h"

#define HASH "00112233445566778899aabbccddeefffedcba98765432100f1e2d3c4b5a6978"

struct bytes {
	const uint8_t *data;
	size_t size;
};

/* The bytes are the beginning of a disk of 1 GiB; the rest is empty. */
static int read_bytes(void *context, void *to, size_t size, uint64_t offset)
{
	const struct bytes *bytes = context;

	assert(offset <= UINT64_C(1) << 30 && size <= (UINT64_C(1) << 30) - offset);
	memset(to, 0, size);
	if (offset < bytes->size)
		memcpy(to, bytes->data + offset,
		       size < bytes->size - offset ? size : bytes->size - (size_t)offset);
	return 0;
}

static void check(const struct disk_source *source)
{
	struct verity verity = { 0 }, same;
	struct disk disk = { 0 }, again;
	char text[DISK_TEXT_MAX];
	enum disk_problem problem = disk_find(&disk, &verity, source);
	size_t length = disk_print(text, &disk, &verity, problem);

	assert(length < DISK_TEXT_MAX);
	assert(disk_parse(&again, &same, text, length, source->size) == (int)problem);
	if (problem == DISK_FINE && source->hash != NULL)
		assert(same.algorithm != NULL && again.parts[source->hashed].read_only &&
		       verity_size(&same) <= again.parts[source->hashed].size);
	else
		assert(problem != DISK_FINE || same.algorithm == NULL);
}

/* As it is, with hashes elsewhere, and with a root hash. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { data, size };
	struct disk_source source = {
		.read = read_bytes,
		.context = &bytes,
		.size = UINT64_C(1) << 30,
		.machine = "x86_64",
	};

	check(&source);
	source.whole = true;
	check(&source);
	source.whole = false;
	source.hash = HASH;
	check(&source);
	source.hashed = DISK_USR;
	check(&source);
	return 0;
}
