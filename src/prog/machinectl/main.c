/* prog/machinectl - running machines: look at them, enter them, stop them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/pager.h"
#include "cli/screen.h"
#include "format/help.h"
#include "io/fd.h"
#include "kernel/terminal.h"
#include "machine/find.h"
#include "machine/network-repair.h"
#include "prog/machinectl/machinectl.h"

extern char **environ;

static int print_now(const char *text)
{
	int r = fd_write_all(STDOUT_FILENO, text, strlen(text));

	return r < 0 ? fail(r, "cannot write to standard output") : 0;
}

int context_print(const struct context *context, const char *text)
{
	if (context->page == NULL)
		return print_now(text);
	text_list_add(context->arena, context->page, arena_text(context->arena, text));
	return 0;
}

/* What was collected, even after a failure. */
static int print_page(struct context *context)
{
	struct text_list *page = context->page;
	size_t size = 0;
	char *text, *at;

	if (page == NULL)
		return 0;
	for (size_t i = 0; i < page->count; i++)
		size += strlen(page->items[i]);
	at = text = arena_take(context->arena, size + 1);
	for (size_t i = 0; i < page->count; i++)
		at = stpcpy(at, page->items[i]);
	if (pager_wanted(text, context->rows) &&
	    pager_show(context->arena, text, context->environment) >= 0)
		return 0;
	return print_now(text);
}

static char *join(struct arena *arena, const char *text, const char *more)
{
	char *joined = arena_take(arena, strlen(text) + strlen(more) + 1);

	stpcpy(stpcpy(joined, text), more);
	return joined;
}

int context_print_table(const struct context *context, const struct table *table,
			const char *things)
{
	const struct options *options = &context->options;
	struct table_style style = {
		.format = options->format,
		.legend = !options->no_legend,
		.colour = context->colour,
		.columns = context->columns,
	};
	size_t rows = table_rows(table);
	const char *text = table_print(table, &style);

	if (style.format == TABLE_TEXT && style.legend)
		text = rows == 0 ? arena_format(context->arena, "No %s.\n", things)
				 : join(context->arena, text,
					arena_format(context->arena, "\n%zu %s listed.\n", rows,
						     things));
	return context_print(context, text);
}

int verb_help_text(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct arena *arena = context->arena;
	const char *name = path_name(context->program); /* a package may call it nspawnctl */
	struct help help;

	(void)words;
	help_init(&help, arena, context->colour, name, "[OPTIONS…] [COMMAND [NAME…]]",
		  "Look at running machines, enter, limit, start and stop them.");
	verb_help(&help, &machinectl_verbs);
	help_heading(&help, "Options");
	option_help(&help, &machinectl_options);
	return context_print(context,
			     arena_format(arena, "%s\n",
					  help_done(&help, arena_format(arena, "man %s", name))));
}

/* What is run in a machine has options of its own. */
static bool stops_here(const struct text_list *words)
{
	return words->count == 2 &&
	       (text_equal(words->items[0], "shell") || text_equal(words->items[0], "exec"));
}

/* Facts that the options decide about. */
static void look_around(struct context *context)
{
	const struct options *options = &context->options;
	uid_t uid = options->scope == SCOPE_SYSTEM ? 0 : geteuid();

	context->runtime = machine_runtime_directory(context->arena, uid, context->environment);
	if (!context->terminal ||
	    terminal_size(STDOUT_FILENO, &context->rows, &context->columns) < 0)
		context->rows = context->columns = 0;
	if (options->full)
		context->columns = 0;
}

static int run_verb(struct context *context, const struct verb *verb, const struct text_list *words)
{
	struct text_list page = { 0 };
	int r, status;

	network_repair(context->arena, context->runtime);
	if (verb->flags & VERB_PAGED && context->rows > 0 && !context->options.no_pager)
		context->page = &page;
	status = verb_run(context->arena, verb, context, words);
	r = print_page(context);
	return status < 0 || r >= 0 ? status : r;
}

static int run(struct context *context, int argc, char **argv)
{
	struct options *options = &context->options;
	struct arena *arena = context->arena;
	struct option_result result;
	const struct verb *verb;
	int r;

	options_init(options, context->environment);
	r = option_parse(arena, &result, &machinectl_options, options, argc, argv, stops_here);
	if (r < 0)
		return r;
	if (result.list != NULL)
		return print_now(result.list);
	if (options->version)
		return print_now(arena_format(arena, "%s\n", version_text(arena, "machinectl")));
	if (options->help) {
		text_list_clear(&result.words);
		text_list_add(arena, &result.words, arena_text(arena, "help"));
	}
	r = verb_find(arena, &verb, &machinectl_verbs, &result.words);
	if (r < 0)
		return r;
	look_around(context);
	if (verb->run != verb_help_text && (options->host != NULL || options->machine != NULL))
		return remote_run(context, verb, &result.again);
	return run_verb(context, verb, &result.words);
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	struct context context = {
		.arena = &arena,
		.environment = (const char *const *)environ,
		.terminal = terminal_is(STDOUT_FILENO),
		.program = argv[0],
		.arguments = argv,
	};
	int r;

	context.colour = screen_has_colour(context.environment, context.terminal);
	log_set_colour(screen_has_colour(context.environment, terminal_is(STDERR_FILENO)));
	r = run(&context, argc, argv);
	if (r >= 0)
		return r;
	if (fail_recorded()->code == 0)
		fail(r, "cannot go on");
	log_error("%s", fail_recorded()->text);
	return EXIT_FAILURE;
}
