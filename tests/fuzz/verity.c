/* Hash trees: what is taken of the first block is sound, and is told so that the runner takes it.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "format/verity.h"
#include "fuzz.h"

#define OFFSET 4096
#define SIZE (UINT64_C(1) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t block[VERITY_SUPERBLOCK] = { 0 };
	char text[VERITY_TEXT_MAX], table[VERITY_TABLE_MAX];
	struct verity verity, again;
	int r;

	memcpy(block, data, size < sizeof(block) ? size : sizeof(block));
	r = verity_read(&verity, block, OFFSET, SIZE);
	assert(r == 0 || r == -ENOENT || r == -EBADMSG || r == -EOPNOTSUPP);
	if (r < 0)
		return 0;
	assert(verity_size(&verity) > 0 && verity_size(&verity) <= INT64_MAX);
	assert(verity_print(text, &verity) == strlen(text) && strlen(text) < VERITY_TEXT_MAX - 1);
	assert(verity_parse(&again, text, OFFSET + SIZE) == 0);
	assert(verity_size(&again) == verity_size(&verity));
	assert(verity_table(table, &again, "7:0", "7:1", "00") == -EINVAL);
	return 0;
}
