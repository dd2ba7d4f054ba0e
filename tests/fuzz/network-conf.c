/* /etc/redd/network.conf: what is taken is a list of ranges that do not overlap. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "fuzz.h"
#include "net/config.h"

static void check_ranges(const struct config *config)
{
	assert(config->count > 0 && config->count <= CONFIG_RANGES_MAX);
	for (size_t i = 0; i < config->count; i++) {
		const struct config_range *range = &config->ranges[i];
		uint32_t size = (uint32_t)1 << (32 - range->length);

		assert(range->length >= CONFIG_RANGE_SHORTEST &&
		       range->length <= CONFIG_RANGE_LONGEST);
		assert(range->address % size == 0);
		for (size_t j = 0; j < config->count; j++)
			assert(j == i || config->ranges[j].address - range->address >= size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config = { .count = 77 };
	autoarena struct arena arena = {};

	log_set_level(LOG_LEVEL_ERROR);
	if (config_parse(&arena, &config, (const char *)data, size, "network.conf") == 0)
		check_ranges(&config);
	else
		assert(config.count == 77);
	return 0;
}
