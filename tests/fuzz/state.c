/* The state of a supervisor, which the program that replaces it believes. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "engine/state.h"
#include "fuzz.h"

static void check_blob(const struct state_blob *blob, const uint8_t *data, size_t size)
{
	const uint8_t *at = blob->data;

	assert(blob->size == 0 || (at >= data && at + blob->size <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state state = { 0 }, again;
	autoarena struct arena arena = { 0 };
	size_t length;
	char *text;

	if (state_parse(&arena, &state, (const char *)data, size) < 0) {
		assert(state.machine == NULL && state.arguments.count == 0);
		return 0;
	}
	assert(state.pid > 1 && state.machine != NULL && state.tree != NULL);
	assert(state.arguments.count <= STATE_LIST_MAX);
	check_blob(&state.uids, data, size);
	check_blob(&state.terminal, data, size);
	check_blob(&state.from_guest, data, size);
	text = state_print(&arena, &length, &state);
	assert(state_parse(&arena, &again, text, length) == 0);
	assert(strcmp(again.machine, state.machine) == 0 && again.pid == state.pid);
	assert(again.environment.count == state.environment.count);
	assert(again.to_guest.size == state.to_guest.size);
	return 0;
}
