/* Command lines of nixos-container: one word a line. Whatever is refused must say why; what is left
 * can be said again and means the same. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "fuzz.h"
#include "prog/nixos-container/nixos-container.h"
#include "words.h"

static int parse(struct arena *arena, struct option_result *result, struct options *options,
		 const struct text_list *words)
{
	*options = (struct options){ 0 };
	return option_parse(arena, result, &nixos_options, options, (int)words->count, words->items,
			    NULL);
}

static void check_again(struct arena *arena, const struct option_result *result,
			const struct options *options)
{
	struct text_list words = { 0 };
	struct option_result again;
	struct options same;

	text_list_add(arena, &words, arena_text(arena, "nixos-container"));
	for (size_t i = 0; i < result->again.count; i++)
		text_list_add(arena, &words, result->again.items[i]);
	assert(parse(arena, &again, &same, &words) == 0);
	assert(again.words.count == result->words.count);
	for (size_t i = 0; i < again.words.count; i++)
		assert(text_equal(again.words.items[i], result->words.items[i]));
	assert(same.nix.count == options->nix.count);
	assert(same.nix_pairs.count == options->nix_pairs.count);
	for (size_t i = 0; i < same.nix_pairs.count; i++)
		assert(text_equal(same.nix_pairs.items[i], options->nix_pairs.items[i]));
	assert(same.flags.count == options->flags.count);
	assert(same.checked.count == options->checked.count);
	assert(text_equal(same.flake, options->flake) && same.format == options->format);
}

/* The name behind the "#" holds nothing that would end the quotes that it is put in. */
static void check_flake(struct arena *arena, struct options *options)
{
	if (options_check_sources(arena, options) == 0)
		assert(*options->attribute != '\0' && strchr(options->attribute, '"') == NULL);
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
	fuzz_words(&arena, &words, "nixos-container", data, size);
	r = parse(&arena, &result, &options, &words);
	assert(r >= 0 || (fail_recorded()->code < 0 && fail_recorded()->text[0] != '\0'));
	if (r < 0 || result.list != NULL || options.help || options.version)
		return 0;
	check_again(&arena, &result, &options);
	check_flake(&arena, &options);
	return 0;
}
