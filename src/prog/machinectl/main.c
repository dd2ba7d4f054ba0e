/* prog/machinectl - running machines: look at them, enter them, stop them. */
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"
#include "cli/program.h"
#include "machine/find.h"
#include "machine/network-repair.h"
#include "prog/machinectl/machinectl.h"

struct find_scope context_scope(const struct context *context)
{
	bool system = context->options.scope == SCOPE_SYSTEM;

	return find_scope_of(system ? 0 : geteuid(), context->program.environment);
}

struct visit context_visit(const struct context *context)
{
	struct visit visit = VISIT_EMPTY;

	visit.arena = context->arena;
	visit.runtime = context->runtime;
	visit.environment = context->program.environment;
	visit.arguments = context->program.arguments;
	visit.assigned = &context->options.environment;
	visit.quiet = context->options.quiet;
	return visit;
}

int verb_help_text(void *context_, const struct text_list *words)
{
	struct context *context = context_;

	(void)words;
	return program_print_help(
		&context->program,
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

	context->runtime = machine_runtime_directory(context->arena, uid,
						     context->program.environment);
	if (options->full)
		context->program.columns = 0;
	context->program.format = options->format;
	context->program.no_legend = options->no_legend;
	context->program.no_pager = options->no_pager;
}

static int run(struct context *context, int argc, char **argv)
{
	struct options *options = &context->options;
	struct arena *arena = context->arena;
	const struct program_line line = {
		.name = "machinectl",
		.options = &machinectl_options,
		.verbs = &machinectl_verbs,
		.stop = stops_here,
		.values = options,
		.help = &options->help,
		.version = &options->version,
	};
	struct option_result result;
	const struct verb *verb;
	int r;

	options_init(options, context->program.environment);
	r = program_parse(&context->program, &verb, &result, &line, argc, argv);
	if (r < 0 || verb == NULL)
		return r;
	look_around(context);
	if (verb->run != verb_help_text && (options->host != NULL || options->machine != NULL))
		return remote_run(context, verb, &result.again);
	context->verb = verb;
	network_repair(arena, context->runtime);
	return program_run_verb(&context->program, verb, context, &result.words);
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	struct context context = { .arena = &arena };

	program_begin(&context.program, &arena, argv);
	return program_end(run(&context, argc, argv));
}
