/* What redd-dissect says, if somebody else had its place: what is taken is sound. */
#include <assert.h>
#include <string.h>

#include "format/disk.h"
#include "fuzz.h"

#define SIZE (UINT64_C(1) << 30)

static void check_table(const struct verity *verity)
{
	char table[VERITY_TABLE_MAX], hash[128 + 1];

	for (size_t digits = 64; digits <= 128; digits += 32) {
		memset(hash, 'a', digits);
		hash[digits] = '\0';
		if (verity_table(table, verity, "7:0", "7:1048575", hash) == 0)
			assert(strlen(table) < VERITY_TABLE_MAX - 1 && strstr(table, hash) != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verity verity, same;
	struct disk disk, again;
	char text[DISK_TEXT_MAX];
	size_t length;

	if (disk_parse(&disk, &verity, (const char *)data, size, SIZE) != DISK_FINE)
		return 0;
	for (int i = 0; i < DISK_ROLES; i++)
		if (disk.parts[i].type != SUPERBLOCK_NONE)
			assert(superblock_name(disk.parts[i].type) != NULL &&
			       disk.parts[i].size > 0 && disk.parts[i].size <= SIZE &&
			       disk.parts[i].offset <= SIZE - disk.parts[i].size);
	if (verity.algorithm != NULL)
		check_table(&verity);
	length = disk_print(text, &disk, &verity, DISK_FINE);
	assert(length < DISK_TEXT_MAX);
	assert(disk_parse(&again, &same, text, length, SIZE) == DISK_FINE);
	return 0;
}
