/* prog/machinectl - running machines: look at them, enter them, stop them. */
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/program.h"
#include "cli/screen.h"
#include "kernel/terminal.h"
#include "machine/find.h"
#include "machine/network-repair.h"
#include "prog/machinectl/machinectl.h"

extern char **environ;

static struct program program_of(const struct context *context)
{
	return (struct program){
		.arena = context->arena,
		.environment = context->environment,
		.colour = context->colour,
		.rows = context->rows,
		.columns = context->columns,
		.page = context->page,
		.format = context->options.format,
		.no_legend = context->options.no_legend,
	};
}

int context_print(const struct context *context, const char *text)
{
	struct program program = program_of(context);

	return program_print(&program, text);
}

int context_print_table(const struct context *context, const struct table *table,
			const char *things)
{
	struct program program = program_of(context);

	return program_print_table(&program, table, things);
}

struct find_scope context_scope(const struct context *context)
{
	bool system = context->options.scope == SCOPE_SYSTEM;

	return find_scope_of(system ? 0 : geteuid(), context->environment);
}

int verb_help_text(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct program program = program_of(context);

	(void)words;
	return program_print_help(
		&program, context->program,
		"Look at machines and their images, enter, limit, start and stop them.",
		&machinectl_verbs, &machinectl_options);
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
	struct program program;
	int r, status;

	context->verb = verb;
	network_repair(context->arena, context->runtime);
	if (verb->flags & VERB_PAGED && context->rows > 0 && !context->options.no_pager)
		context->page = &page;
	status = verb_run(context->arena, verb, context, words);
	program = program_of(context);
	r = program_print_page(&program);
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
		return context_print(context, result.list);
	if (options->version)
		return context_print(context, arena_format(arena, "%s\n",
							   version_text(arena, "machinectl")));
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

	context.colour = screen_has_colour(context.environment, context.terminal);
	log_set_colour(screen_has_colour(context.environment, terminal_is(STDERR_FILENO)));
	return program_end(run(&context, argc, argv));
}
