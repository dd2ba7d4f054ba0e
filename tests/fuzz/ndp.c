/* Router solicitations: the first byte says whether the sender has an address. */
#include <assert.h>

#include "format/ndp.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	/* What is good without an address is good with one. */
	if (ndp_read_solicitation(data + 1, size - 1, data[0] != 0) == 0)
		assert(ndp_read_solicitation(data + 1, size - 1, false) == 0);
	return 0;
}
