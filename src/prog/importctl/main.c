/* prog/importctl - images in and out: import, export, download. */
#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/screen.h"
#include "kernel/terminal.h"
#include "machine/find.h"
#include "prog/importctl/importctl.h"

extern char **environ;

int verb_help_text(void *context_, const struct text_list *words)
{
	struct context *context = context_;

	(void)words;
	return program_print_help(&context->program, context->path,
				  "Import, export and download images of machines.",
				  &importctl_verbs, &importctl_options);
}

/* Facts that the options decide about. */
static int look_around(struct context *context)
{
	struct options *options = &context->options;
	struct program *program = &context->program;
	const char *const *environment = program->environment;

	if (!context->terminal ||
	    terminal_size(STDOUT_FILENO, &program->rows, &program->columns) < 0)
		program->rows = program->columns = 0;
	if (options->json_automatic)
		options->table_format = context->terminal ? TABLE_JSON_PRETTY : TABLE_JSON_SHORT;
	program->format = options->table_format;
	program->no_legend = options->no_legend;
	if (options->scope == SCOPE_SYSTEM && geteuid() != 0)
		return fail_plain(-EPERM, "cannot work on the images of the system: only root can "
					  "(leave --system away)");
	if (options->scope == SCOPE_USER && geteuid() == 0)
		return fail_input("cannot use --user: root's images are those of the system");
	context->images = find_scope_of(geteuid(), environment);
	context->runtime = machine_runtime_directory(context->arena, geteuid(), environment);
	if (options->quiet)
		log_set_level(LOG_LEVEL_NOTICE);
	return 0;
}

static int run_verb(struct context *context, const struct verb *verb, const struct text_list *words)
{
	struct text_list page = { 0 };
	int r, status;

	if (verb->flags & VERB_PAGED && context->program.rows > 0 && !context->options.no_pager)
		context->program.page = &page;
	status = verb_run(context->arena, verb, context, words);
	r = program_print_page(&context->program);
	return status < 0 || r >= 0 ? status : r;
}

static int run(struct context *context, int argc, char **argv)
{
	struct options *options = &context->options;
	struct arena *arena = context->arena;
	struct option_result result;
	const struct verb *verb;
	int r;

	options_init(options);
	r = option_parse(arena, &result, &importctl_options, options, argc, argv, NULL);
	if (r < 0)
		return r;
	if (result.list != NULL)
		return program_print(&context->program, result.list);
	if (options->version)
		return program_print(&context->program,
				     arena_format(arena, "%s\n", version_text(arena, "importctl")));
	if (options->help) {
		text_list_clear(&result.words);
		text_list_add(arena, &result.words, arena_text(arena, "help"));
	}
	r = verb_find(arena, &verb, &importctl_verbs, &result.words);
	if (r < 0)
		return r;
	if (verb->run != verb_help_text && (options->host != NULL || options->machine != NULL))
		return remote_run(context, verb, &result.again);
	r = look_around(context);
	if (r < 0)
		return r;
	return run_verb(context, verb, &result.words);
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	struct context context = {
		.arena = &arena,
		.terminal = terminal_is(STDOUT_FILENO),
		.path = argv[0],
		.arguments = argv,
	};

	context.program = (struct program){
		.arena = &arena,
		.environment = (const char *const *)environ,
	};
	context.program.colour = screen_has_colour(context.program.environment, context.terminal);
	log_set_colour(screen_has_colour(context.program.environment, terminal_is(STDERR_FILENO)));
	return program_end(run(&context, argc, argv));
}
