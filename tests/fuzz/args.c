/* Command lines: one word a line. Whatever is refused must say why. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "fuzz.h"
#include "spec/print.h"
#include "spec/readers.h"

#define WORDS_MAX 64

static int split(struct arena *arena, char **words, const char *text, size_t size)
{
	int count = 0;

	words[count++] = arena_text(arena, "systemd-nspawn");
	while (size > 0 && count < WORDS_MAX) {
		const char *end = memchr(text, '\n', size);
		size_t length = end == NULL ? size : (size_t)(end - text);

		words[count++] = arena_text_n(arena, text, length);
		length += end != NULL;
		text += length;
		size -= length;
	}
	words[count] = NULL;
	return count;
}

static void check_failure(int result)
{
	assert(result >= 0 || (fail_recorded()->code < 0 && fail_recorded()->text[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const environment[] = { "HOME=/root", "TERM=linux", NULL };
	const struct reader_facts facts = {
		.working_directory = "/srv",
		.environment = environment,
	};
	const struct resolve_facts resolve = {
		.stdin_is_terminal = true,
		.stdout_is_terminal = true,
		.host_name = "host",
		.working_directory = "/srv",
	};
	const struct setting *words_of = NULL;
	autoarena struct arena arena = {};
	char *words[WORDS_MAX + 1];
	struct spec spec;
	int count, r;

	log_set_level(LOG_LEVEL_ERROR);
	fail_forget();
	count = split(&arena, words, (const char *)data, size);
	spec_init(&spec);
	r = args_parse(&arena, &spec, &facts, count, words, &words_of);
	check_failure(r);
	if (r > 0)
		assert(spec_words(&arena, words_of) != NULL);
	if (r != 0)
		return 0;
	r = spec_resolve_name(&arena, &spec, &resolve);
	check_failure(r);
	if (r < 0)
		return 0;
	r = spec_resolve(&arena, &spec, &resolve);
	check_failure(r);
	if (r == 0)
		assert(spec_print(&arena, &spec) != NULL);
	return 0;
}
