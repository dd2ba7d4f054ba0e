/* The list of who is in the namespace between a user's machines and pasta: what is read is written
 * as it was understood. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "fuzz.h"
#include "machine/middle.h"

static void check_line(struct arena *arena, const char *line)
{
	struct middle_member member = { .pid = 77 }, again;
	const char *text;

	if (!middle_parse(arena, &member, line)) {
		assert(member.pid == 77);
		return;
	}
	assert(member.pid > 0);
	text = middle_print(arena, &member);
	assert(middle_parse(arena, &again, text));
	assert(again.pid == member.pid && again.start == member.start);
	assert(again.number == member.number && again.fd == member.fd);
	assert(again.id == member.id && again.slot == member.slot);
	assert(strcmp(middle_print(arena, &again), text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena arena = {};
	char *text = arena_text_n(&arena, (const char *)data, size), *line;

	while ((line = strsep(&text, "\n")) != NULL)
		check_line(&arena, line);
	return 0;
}
