/* A machine's record: what is read decides which processes are killed and which paths removed. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "fuzz.h"
#include "machine/confine.h"
#include "machine/record.h"

static void check_leader(const char *value)
{
	uint64_t start = 0;
	pid_t pid = -1;

	if (record_parse_process(&pid, &start, value) == 0)
		assert(pid > 1);
	else
		assert(pid == -1 && start == 0);
}

/* Whoever enters reads it; a broken one must be told from a wide one. */
static void check_confine(struct arena *arena, const char *value)
{
	struct confine confine;

	if (confine_parse(arena, &confine, value) < 0)
		return;
	assert(strspn(value, " 0123456789abcdef") > 0);
	for (size_t i = 0; i < confine.allow.count; i++)
		assert(strstr(value, "allow:") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_content content = {};
	autoarena struct arena arena = {};
	size_t total = 0;

	if (record_parse(&arena, &content, (const char *)data, size) < 0) {
		assert(content.count == 0 && content.notes == NULL && content.tag[0] == '\0');
		return 0;
	}
	assert(size <= RECORD_SIZE_MAX && content.count <= RECORD_NOTES_MAX);
	assert(memcmp(data, "redd-record=1\n", 14) == 0);
	assert(strspn(content.tag, "0123456789abcdef") == RECORD_TAG_ROOM - 1);
	assert(memmem(data, size, content.tag, RECORD_TAG_ROOM - 1) != NULL);
	assert(content.supervisor == 0 || content.supervisor > 1);
	for (size_t i = 0; i < content.count; i++) {
		assert(content.notes[i].kind < RECORD_KINDS);
		assert(strchr(content.notes[i].value, '\n') == NULL);
		total += strlen(content.notes[i].value) + 1;
		check_leader(content.notes[i].value);
		check_confine(&arena, content.notes[i].value);
	}
	assert(total <= size);
	return 0;
}
