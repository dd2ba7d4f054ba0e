/* prog/machinectl - running machines: look at them, enter them, stop them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/screen.h"
#include "io/fd.h"
#include "kernel/terminal.h"
#include "machine/find.h"
#include "prog/machinectl/machinectl.h"

extern char **environ;

int context_print(const struct context *context, const char *text)
{
	int r = fd_write_all(STDOUT_FILENO, text, strlen(text));

	(void)context;
	return r < 0 ? fail(r, "cannot write to standard output") : 0;
}

int context_print_table(const struct context *context, const struct table *table,
			const char *things)
{
	const struct options *options = &context->options;
	struct table_style style = {
		.format = options->format,
		.legend = !options->no_legend,
		.colour = context->colour,
	};
	size_t rows = table_rows(table);
	const char *text = table_print(table, &style);

	if (style.format == TABLE_TEXT && style.legend)
		text = rows == 0 ? arena_format(context->arena, "No %s.\n", things)
				 : arena_format(context->arena, "%s\n%zu %s listed.\n", text, rows,
						things);
	return context_print(context, text);
}

int verb_help_text(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct arena *arena = context->arena;

	(void)words;
	return context_print(
		context,
		arena_format(arena,
			     "machinectl [OPTIONS...] COMMAND ...\n\n"
			     "Look at running machines, enter, limit, start and stop them.\n\n"
			     "%s\nOptions:\n%s\nSee machinectl(1) for details.\n",
			     verb_help(arena, &machinectl_verbs),
			     option_help(arena, &machinectl_options)));
}

/* What is run in a machine has options of its own. */
static bool stops_here(const struct text_list *words)
{
	return words->count == 2 &&
	       (text_equal(words->items[0], "shell") || text_equal(words->items[0], "exec"));
}

static int run(struct context *context, int argc, char **argv)
{
	struct text_list words = { 0 };
	int r;

	options_init(&context->options, context->arena);
	r = option_parse(context->arena, &words, &machinectl_options, &context->options, argc, argv,
			 stops_here);
	if (r < 0)
		return r;
	if (context->options.help)
		return verb_help_text(context, &words);
	return verb_run(context->arena, &machinectl_verbs, context, &words);
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	struct context context = {
		.arena = &arena,
		.environment = (const char *const *)environ,
		.terminal = terminal_is(STDOUT_FILENO),
		.program = argv[0],
	};
	int r;

	context.runtime = machine_runtime_directory(&arena, geteuid(), context.environment);
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
