/* Other programs' definitions. The first byte says of which format; files that one names hold the
 * same bytes. What is accepted is written, and reads as a definition. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "declare/import-kinds.h"
#include "declare/import.h"
#include "fuzz.h"

struct given {
	const char *text;
	size_t size;
};

static int read_given(void *context, struct arena *arena, const char *path, char **ret,
		      size_t *ret_size)
{
	const struct given *given = context;

	(void)path;
	*ret = arena_text_n(arena, given->text, given->size);
	*ret_size = given->size;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const environment[] = { "HOME=/root", "TAG=1", NULL };
	autoarena struct arena arena = { 0 };
	struct text_list names = { 0 };
	const struct import_kind *kind;
	struct import import;
	struct given given;
	char *text;

	if (size == 0 || size > 65536)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	fail_forget();
	kind = &import_kinds[data[0] % import_kinds_count];
	/* The text ends with a NUL, as what is read from a file does. */
	text = arena_text_n(&arena, (const char *)data + 1, size - 1);
	given = (struct given){ text, size - 1 };
	import_begin(&import, &arena, read_given, &given, environment);
	text_list_add(&arena, &names, arena_text(&arena, "a.container"));
	text_list_add(&arena, &names, arena_text(&arena, "b.volume"));
	assert(import_run(&import, kind->word, "/srv/a/file", text, size - 1, &names));
	if (import_end(&import) < 0)
		assert(fail_recorded()->text[0] != '\0');
	return 0;
}
