/* What differs between two generations. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "declare/generation.h"
#include "format/json-out.h"
#include "prog/redd/forecast.h"
#include "prog/redd/image-count.h"
#include "prog/redd/outlook.h"
#include "prog/redd/prepare-nix.h"
#include "prog/redd/redd.h"

static int number_of(unsigned int *ret, const char *word)
{
	uint32_t number;

	if (parse_u32(&number, word) < 0 || number == 0 || number > GENERATION_NUMBER_MAX)
		return fail_input("cannot use '%s' as the number of a generation", word);
	*ret = number;
	return 0;
}

/* 0: from before the first. */
static int read_side(struct arena *arena, struct generation *ret,
		     const struct generations *generations, unsigned int number)
{
	return number == 0 ? 0 : generation_read(arena, ret, generations, number);
}

/* One word: from it to the current one; none: from the one that was current before. */
static int choose(struct arena *arena, struct generation *old, struct generation *new,
		  const struct generations *generations, const struct text_list *words)
{
	unsigned int from = 0, to = 0;
	int r = generations_current(generations);

	if (r == 0)
		return fail_plain(-ENOENT, "cannot compare generations: nothing was applied yet");
	if (r > 0)
		to = (unsigned int)r;
	if (r > 0 && words->count > 0)
		r = number_of(&from, words->items[0]);
	if (r >= 0 && words->count > 1)
		r = number_of(&to, words->items[1]);
	if (r >= 0)
		r = read_side(arena, new, generations, to);
	if (r >= 0 && words->count == 0)
		from = new->previous;
	return r < 0 ? r : read_side(arena, old, generations, from);
}

/* Of the closures, or NULL: not only what a system consists of is shown. */
static const char *count_paths(struct context *context, const char *old, const char *new)
{
	struct text_list had = { 0 }, has = { 0 };
	struct arena *arena = context->arena;
	size_t added = 0, removed = 0;
	const char *system;

	if (prepare_nix_read(arena, &system, &had, context->store, old) < 0 ||
	    prepare_nix_read(arena, &system, &has, context->store, new) < 0) {
		fail_forget();
		return NULL;
	}
	for (size_t i = 0; i < has.count; i++)
		added += !text_list_has(&had, has.items[i]);
	for (size_t i = 0; i < had.count; i++)
		removed += !text_list_has(&has, had.items[i]);
	return had.count == 0 || has.count == 0
		       ? NULL
		       : arena_format(arena, "closure: %zu added, %zu removed", added, removed);
}

/* How much differs, of each image that is another one. */
static void add_counts(struct context *context, struct outlook *outlook,
		       const struct generation *old, const struct generation *new)
{
	for (size_t i = 0; i < outlook->count; i++) {
		struct outlook_line *line = &outlook->lines[i];
		const struct generation_machine *had = generation_find(old, line->machine);
		const struct generation_machine *has = generation_find(new, line->machine);

		if (!text_equal(line->section, "X-Image") || !text_equal(line->key, "Digest") ||
		    had == NULL || has == NULL)
			continue;
		if (text_equal(line->subject, "system"))
			line->note = count_paths(context, had->digest, has->digest);
		else if (image_count(context->arena, context->program.environment, &line->note,
				     context->store, had->digest, has->digest) < 0) {
			log_warning("%s, going on without", fail_recorded()->text);
			fail_forget();
		}
	}
}

static int print(struct context *context, const struct outlook *outlook,
		 const struct generation *old, const struct generation *new)
{
	struct arena *arena = context->arena;
	struct json_out json;

	if (!context->options.json && outlook->count == 0)
		return context->options.no_legend
			       ? 0
			       : program_print(&context->program,
					       arena_format(arena,
							    "Generations %u and %u say the same.\n",
							    old->number, new->number));
	if (!context->options.json)
		return program_print(&context->program, outlook_text(arena, outlook));
	json_out_init(&json, arena, context->program.format == TABLE_JSON_PRETTY);
	json_out_begin_object(&json, NULL);
	json_out_unsigned(&json, "from", old->number);
	json_out_unsigned(&json, "to", new->number);
	outlook_json(&json, "changes", outlook);
	json_out_end_object(&json);
	return program_print(&context->program, json_out_done(&json));
}

int verb_diff(void *context_, const struct text_list *words)
{
	struct generations generations = GENERATIONS_EMPTY;
	struct generation old = { .number = 0 }, new = { .number = 0 };
	struct context *context = context_;
	struct outlook outlook;
	int r;

	r = generations_open(context->arena, &generations, context->store, false);
	if (r == -ENOENT)
		return fail_plain(r, "cannot compare generations: nothing was applied yet");
	if (r >= 0)
		r = choose(context->arena, &old, &new, &generations, words);
	generations_done(&generations);
	if (r < 0)
		return r;
	forecast_between(context, &outlook, &old, &new,
			 &(struct outlook_facts){
				 .files_only = true,
				 .rootless = geteuid() != 0,
				 .wants = forecast_wants,
				 .context = context,
			 });
	add_counts(context, &outlook, &old, &new);
	r = print(context, &outlook, &old, &new);
	if (r < 0)
		return r;
	return outlook.count > 0 ? STATUS_CHANGES : STATUS_SAME;
}
