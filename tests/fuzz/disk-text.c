/* What redd-dissect says, if somebody else had its place: what is taken is sound. */
#include <assert.h>
#include <string.h>

#include "format/disk.h"
#include "fuzz.h"

#define SIZE (UINT64_C(1) << 30)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disk disk, again;
	char text[DISK_TEXT_MAX];
	size_t length;

	if (disk_parse(&disk, (const char *)data, size, SIZE) != DISK_FINE)
		return 0;
	for (int i = 0; i < DISK_ROLES; i++)
		if (disk.parts[i].type != SUPERBLOCK_NONE)
			assert(superblock_name(disk.parts[i].type) != NULL &&
			       disk.parts[i].size > 0 && disk.parts[i].size <= SIZE &&
			       disk.parts[i].offset <= SIZE - disk.parts[i].size);
	length = disk_print(text, &disk, DISK_FINE);
	assert(disk_parse(&again, text, length, SIZE) == DISK_FINE);
	return 0;
}
