/* SHA256SUMS: the first line is the name that is looked for, the rest the list. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "format/checksums.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *feed = size == 0 ? NULL : memchr(data, '\n', size);
	char sum[CHECKSUMS_DIGITS + 1], name[256] = "";
	size_t length = feed == NULL ? 0 : (size_t)(feed - data);

	if (feed == NULL || length >= sizeof(name))
		return 0;
	memcpy(name, data, length);
	size -= length + 1;
	if (checksums_find(sum, (const char *)feed + 1, size, name) >= 0) {
		assert(checksums_is_sum(sum));
		assert(memmem(feed + 1, size, sum, CHECKSUMS_DIGITS) != NULL);
		assert(memmem(feed + 1, size, name, strlen(name)) != NULL);
	}
	return 0;
}
