/* The line of a record that tells how a machine is confined: printed again, it means the same. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "fuzz.h"
#include "machine/confine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena arena = {};
	const char *text = arena_text_n(&arena, (const char *)data, size);
	struct confine confine, again;
	const char *printed;

	if (confine_parse(&arena, &confine, text) < 0)
		return 0;
	printed = confine_print(&arena, &confine);
	assert(confine_parse(&arena, &again, printed) == 0);
	assert(again.capabilities == confine.capabilities);
	assert(again.no_new_privileges == confine.no_new_privileges);
	assert(again.no_seccomp == confine.no_seccomp);
	assert(again.allow.count == confine.allow.count && again.deny.count == confine.deny.count);
	assert(again.families.count == confine.families.count);
	assert(again.personality == confine.personality);
	assert(strcmp(printed, confine_print(&arena, &again)) == 0);
	return 0;
}
