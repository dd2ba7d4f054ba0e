/* prog/importctl - images in and out: import, export, download. */
#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "machine/find.h"
#include "prog/importctl/importctl.h"

int verb_help_text(void *context_, const struct text_list *words)
{
	struct context *context = context_;

	(void)words;
	return program_print_help(&context->program,
				  "Import, export and download images of machines.",
				  &importctl_verbs, &importctl_options);
}

/* Facts that the options decide about. */
static int look_around(struct context *context)
{
	struct options *options = &context->options;
	struct program *program = &context->program;
	const char *const *environment = program->environment;

	if (options->json_automatic)
		options->table_format = program->terminal ? TABLE_JSON_PRETTY : TABLE_JSON_SHORT;
	program->format = options->table_format;
	program->no_legend = options->no_legend;
	program->no_pager = options->no_pager;
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

static int run(struct context *context, int argc, char **argv)
{
	struct options *options = &context->options;
	const struct program_line line = {
		.name = "importctl",
		.options = &importctl_options,
		.verbs = &importctl_verbs,
		.values = options,
		.help = &options->help,
		.version = &options->version,
	};
	struct option_result result;
	const struct verb *verb;
	int r;

	options_init(options);
	r = program_parse(&context->program, &verb, &result, &line, argc, argv);
	if (r < 0 || verb == NULL)
		return r;
	if (verb->run != verb_help_text && (options->host != NULL || options->machine != NULL))
		return remote_run(context, verb, &result.again);
	r = look_around(context);
	if (r < 0)
		return r;
	return program_run_verb(&context->program, verb, context, &result.words);
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	struct context context = { .arena = &arena };

	program_begin(&context.program, &arena, argv);
	return program_end(run(&context, argc, argv));
}
