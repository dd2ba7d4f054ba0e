/* The file that tells which mounts of a machine may be taken away again. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "fuzz.h"
#include "machine/bind-notes.h"

#define LEADER "42 1234"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bind_notes notes = BIND_NOTES_EMPTY;
	autoarena struct arena arena = {};
	char *text = arena_text_n(&arena, (const char *)data, size);

	bind_notes_parse(&arena, &notes, text, LEADER);
	assert(notes.count <= BIND_NOTES_MAX && notes.count <= size);
	assert(notes.count == 0 || strncmp(text, LEADER "\n", strlen(LEADER) + 1) == 0);
	for (size_t i = 0; i < notes.count; i++)
		assert(bind_notes_have(&notes, notes.mounts[i]));
	return 0;
}
