/* Command lines of machinectl: one word a line. Whatever is refused must say why; what is said
 * again on another host must mean the same there. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "fuzz.h"
#include "prog/machinectl/machinectl.h"
#include "words.h"

static bool stops_here(const struct text_list *words)
{
	return words->count == 2 && text_equal(words->items[0], "shell");
}

static int parse(struct arena *arena, struct option_result *result, struct options *options,
		 const struct text_list *words)
{
	static const char *const environment[] = { "TERM=linux", NULL };

	options_init(options, environment);
	return option_parse(arena, result, &machinectl_options, options, (int)words->count,
			    words->items, stops_here);
}

static void check_again(struct arena *arena, const struct option_result *result,
			const struct options *options)
{
	struct text_list words = { 0 };
	struct option_result again;
	struct options same;

	text_list_add(arena, &words, arena_text(arena, "machinectl"));
	for (size_t i = 0; i < result->again.count; i++)
		text_list_add(arena, &words, result->again.items[i]);
	assert(parse(arena, &again, &same, &words) == 0);
	assert(again.words.count == result->words.count);
	for (size_t i = 0; i < again.words.count; i++)
		assert(text_equal(again.words.items[i], result->words.items[i]));
	assert(again.again.count == result->again.count);
	assert(same.host == NULL && same.machine == NULL && same.environment.count == 0);
	assert(same.all == options->all && same.signal == options->signal);
	assert(same.properties.count == options->properties.count);
	assert(same.format == options->format && text_equal(same.user, options->user));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena arena = {};
	struct text_list words = { 0 };
	struct option_result result;
	struct options options;
	int r;

	log_set_level(LOG_LEVEL_ERROR);
	fail_forget();
	fuzz_words(&arena, &words, "machinectl", data, size);
	r = parse(&arena, &result, &options, &words);
	assert(r >= 0 || (fail_recorded()->code < 0 && fail_recorded()->text[0] != '\0'));
	if (r == 0 && result.list == NULL && !options.help && !options.version)
		check_again(&arena, &result, &options);
	return 0;
}
