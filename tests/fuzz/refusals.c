/* What a restricted machine was refused, as its supervisor noted it: what is read is written as it
 * was understood. */
#include <assert.h>
#include <string.h>

#include "base/names.h"
#include "fuzz.h"
#include "machine/refusals.h"

static void check_line(const char *line, size_t size)
{
	struct refusal refusal = { .port = 77 }, again;
	char text[REFUSALS_LINE_MAX], second[REFUSALS_LINE_MAX];

	if (refusals_parse(&refusal, line, size) < 0) {
		assert(refusal.port == 77 && refusal.name[0] == '\0');
		return;
	}
	assert(strchr(refusal.name, ' ') == NULL);
	size = refusals_print(text, &refusal);
	assert(size > 0 && size < sizeof(text) && text[size - 1] == '\n');
	assert(refusals_parse(&again, text, size - 1) == 0);
	assert(refusals_print(second, &again) == size && strcmp(text, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[REFUSALS_ROOM + 8], machine[REFUSALS_ROOM];
	const char *text = (const char *)data, *end = text + size;

	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));

		if (line_end == NULL)
			line_end = end;
		check_line(text, (size_t)(line_end - text));
		text = line_end + 1;
	}
	memcpy(name, data, size < sizeof(name) ? size : sizeof(name) - 1);
	name[size < sizeof(name) ? size : sizeof(name) - 1] = '\0';
	if (refusals_machine(machine, name) == 0)
		assert(name_is_machine(machine));
	return 0;
}
