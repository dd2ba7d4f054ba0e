/* Extended .nspawn files: what is printed of one is read as the same definition, that differs in
 * nothing from it. A zero byte separates the file from a drop-in. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "declare/compare.h"
#include "declare/definition.h"
#include "fuzz.h"

static void check_again(struct arena *arena, const struct definition *definition, bool origins)
{
	static const struct definition_facts flat = { .flat = true };
	char *text = definition_print(arena, definition, origins);
	struct definition_items items = { 0 };
	struct definition again;
	struct compare compare;

	definition_add_text(arena, &items, text, strlen(text), "again.nspawn");
	assert(definition_make(arena, &again, "web", "again.nspawn", &items, &flat) == 0);
	assert(again.managed == definition->managed && again.autostart == definition->autostart);
	assert(again.items.count == definition->items.count);
	assert(text_equal(definition_print(arena, &again, false),
			  definition_print(arena, definition, false)));
	compare_definitions(arena, &compare, definition, &again, false);
	assert(compare.count == 0 && compare.consequence == CONSEQUENCE_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct definition_facts facts = { .machine_id = "0123", .host_name = "host" };
	const uint8_t *zero = size == 0 ? NULL : memchr(data, '\0', size);
	size_t first = zero == NULL ? size : (size_t)(zero - data);
	struct definition_items items = { 0 };
	autoarena struct arena arena = {};
	struct definition definition;

	fail_forget();
	definition_add_text(&arena, &items, (const char *)data, first, "web.nspawn");
	if (zero != NULL)
		definition_add_text(&arena, &items, (const char *)zero + 1, size - first - 1,
				    "a.conf");
	if (definition_make(&arena, &definition, "web", "web.nspawn", &items, &facts) < 0) {
		assert(fail_recorded()->text[0] != '\0');
		return 0;
	}
	assert(definition.managed == definition_is_managed(&items));
	check_again(&arena, &definition, false);
	check_again(&arena, &definition, true);
	return 0;
}
