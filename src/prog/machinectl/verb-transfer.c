/* What moves images between files, servers and the store is importctl's: the same words. */
#include "base/arena.h"
#include "cli/program.h"
#include "prog/machinectl/machinectl.h"

#define PROGRAM "importctl"

static void add(const struct context *context, struct text_list *list, const char *word)
{
	text_list_add(context->arena, list, arena_text(context->arena, word));
}

static void add_options(const struct context *context, struct text_list *list)
{
	const struct options *options = &context->options;
	struct arena *arena = context->arena;

	add(context, list, "--class=machine");
	if (options->force)
		add(context, list, "--force");
	if (options->read_only)
		add(context, list, "--read-only");
	if (options->verify != NULL)
		text_list_add(arena, list, arena_format(arena, "--verify=%s", options->verify));
	if (options->compression != NULL)
		text_list_add(arena, list,
			      arena_format(arena, "--format=%s", options->compression));
	if (options->quiet)
		add(context, list, "--quiet");
	if (options->no_pager)
		add(context, list, "--no-pager");
	if (options->no_legend)
		add(context, list, "--no-legend");
	if (options->no_ask_password)
		add(context, list, "--no-ask-password");
	if (options->format != TABLE_TEXT)
		add(context, list,
		    options->format == TABLE_JSON_PRETTY ? "--json=pretty" : "--json=short");
	if (options->scope != SCOPE_UNSET)
		add(context, list, options->scope == SCOPE_USER ? "--user" : "--system");
}

int transfer_as(const struct context *context, const char *verb, const struct text_list *words)
{
	struct text_list command = { 0 };

	add_options(context, &command);
	add(context, &command, verb);
	add(context, &command, "--");
	for (size_t i = 0; i < words->count; i++)
		text_list_add(context->arena, &command, words->items[i]);
	return program_become(context->arena, context->program.environment, PROGRAM, &command);
}

int verb_transfer(void *context_, const struct text_list *words)
{
	const struct context *context = context_;

	return transfer_as(context, context->verb->name, words);
}
