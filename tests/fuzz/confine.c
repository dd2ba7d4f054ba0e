/* How a machine is confined, from its record: what is read says what enters it may do. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "fuzz.h"
#include "machine/confine.h"

#define PRINTED_MAX 4096 /* nobody prints the long ones */

static void check_list(const struct text_list *a, const struct text_list *b)
{
	assert(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert(text_equal(a->items[i], b->items[i]));
		assert(strchr(a->items[i], ' ') == NULL);
	}
}

/* What was printed is read again as the same. */
static void check_print(struct arena *arena, const struct confine *confine)
{
	char *text = confine_print(arena, confine);
	struct confine again;

	assert(confine_parse(arena, &again, text) == 0);
	assert(again.capabilities == confine->capabilities);
	assert(again.no_new_privileges == confine->no_new_privileges);
	assert(again.no_seccomp == confine->no_seccomp && again.nesting == confine->nesting);
	assert(again.suppress_sync == confine->suppress_sync);
	assert(again.families_set == confine->families_set);
	assert(again.families_deny == confine->families_deny);
	assert(again.personality_set == confine->personality_set);
	assert(again.personality == confine->personality);
	assert(text_equal(again.selinux, confine->selinux));
	check_list(&again.allow, &confine->allow);
	check_list(&again.deny, &confine->deny);
	check_list(&again.families, &confine->families);
	assert(text_equal(confine_print(arena, &again), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena arena = {};
	struct confine confine = { .capabilities = 1 };
	char *text = arena_text_n(&arena, (const char *)data, size);

	if (confine_parse(&arena, &confine, text) < 0) {
		assert(confine.capabilities == 1 && confine.allow.count == 0);
		return 0;
	}
	assert(strchr("0123456789abcdef ", text[0]) != NULL);
	if (size <= PRINTED_MAX)
		check_print(&arena, &confine);
	return 0;
}
