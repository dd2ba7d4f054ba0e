/* Limits as words: of a command line, and of who sets them while a machine runs. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "format/property.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena arena = {};
	struct property property = { .number = 7 };
	char *text = arena_text_n(&arena, (const char *)data, size);

	if (property_parse(&arena, &property, text) < 0) {
		assert(property.name == NULL && property.number == 7);
		return 0;
	}
	assert(strncmp(text, property.name, strlen(property.name)) == 0);
	assert(text[strlen(property.name)] == '=');
	assert(strlen(text) <= PROPERTY_LENGTH_MAX);
	assert(property.bits_size <= PROPERTY_CPUS_MAX / 8);
	if (property.kind == PROPERTY_WEIGHT && !property.reset)
		assert(property.number <= 10000 || property.number == PROPERTY_INFINITY);
	if (property.kind == PROPERTY_FLAG)
		assert(property.number <= 1);
	return 0;
}
