/* What a registry wants to know: parts of it go into requests to another server. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "format/challenge.h"
#include "fuzz.h"

static void check(const char *text, size_t room)
{
	size_t length = strnlen(text, room);

	assert(length < room);
	for (size_t i = 0; i < length; i++)
		assert(text[i] >= ' ' && text[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct challenge found = {};
	autoarena struct arena arena = {};

	if (challenge_parse(&found, arena_text_n(&arena, (const char *)data, size)) < 0) {
		assert(!found.basic && !found.bearer);
		return 0;
	}
	assert(found.basic || found.bearer);
	check(found.realm, sizeof(found.realm));
	check(found.service, sizeof(found.service));
	check(found.scope, sizeof(found.scope));
	return 0;
}
