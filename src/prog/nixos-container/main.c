/* prog/nixos-container - containers of NixOS systems, as their conf files say. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "machine/find.h"
#include "prog/nixos-container/nixos-container.h"
#include "prog/nixos-container/unfinished.h"

#define NO_CONTAINER "container '%s' does not exist (try 'list')"

int verb_help_text(void *context_, const struct text_list *words)
{
	struct context *context = context_;

	(void)words;
	return program_print_help(&context->program,
				  "Make, start, enter and update containers of NixOS systems.",
				  &nixos_verbs, &nixos_options);
}

int context_lock(struct context *context, int *ret_fd)
{
	autoclose int fd = -EBADF;
	int r = nixos_lock(context->arena, &fd, context->name);

	if (r >= 0)
		r = unfinished_reap(context, fd, context->name);
	if (r < 0)
		return r;
	r = nixos_find(context->arena, &context->container, context->name);
	if (r == -ENOENT)
		return fail_plain(r, NO_CONTAINER, context->name);
	if (r >= 0)
		*ret_fd = take_fd(&fd);
	return r;
}

int context_lock_own(struct context *context, int *ret_fd, const char *verb)
{
	autoclose int fd = -EBADF;
	int r = context_lock(context, &fd);

	if (r >= 0 && context->container.declared)
		return fail_plain(-EPERM,
				  "cannot %s container '%s': '%s' is declared by the host's "
				  "configuration, or may not be written (change that)",
				  verb, context->name, context->container.conf_path);
	if (r >= 0)
		*ret_fd = take_fd(&fd);
	return r;
}

/* A command that runs in a container has options of its own; those before its first word are
 * ours. */
static bool stops_here(const struct text_list *words)
{
	return words->count == 3 && text_equal(words->items[0], "run");
}

/* Who only reads needs none of them. */
static int make_directories(void)
{
	int r = dir_make_all(NIXOS_CONF_DIRECTORY, 0755);

	if (r >= 0)
		r = dir_make_all(NIXOS_STATE_DIRECTORY, 0700);
	if (r == -EACCES || r == -EPERM || r == -EROFS)
		return 0;
	return r < 0 ? fail(r, "cannot make '%s' and '%s'", NIXOS_CONF_DIRECTORY,
			    NIXOS_STATE_DIRECTORY)
		     : 0;
}

/* No such container. */
static int refuse_absent(struct context *context, const struct text_list *words)
{
	const char *name = words->items[0];
	const struct verb *verb;

	if (text_equal(name, "destroy"))
		return verb_find(context->arena, &verb, &nixos_verbs, words);
	if (text_equal(name, "status"))
		(void)status_gone(context);
	return fail_plain(-ENOENT, NO_CONTAINER, context->name);
}

/* In the order in which the original looks at things: scripts see which error comes first. */
static int run_verb(struct context *context, const struct text_list *words)
{
	const char *name = words->items[0];
	const struct verb *verb;
	int r;

	if (text_equal(name, "list") || text_equal(name, "help")) {
		r = verb_find(context->arena, &verb, &nixos_verbs, words);
		return r < 0 ? r : verb_run(context->arena, verb, context, words);
	}
	if (words->count < 2)
		return fail_input("cannot run '%s' without a name (try '%s NAME')",
				  text_printable(context->arena, name),
				  text_printable(context->arena, name));
	context->name = words->items[1];
	r = nixos_find(context->arena, &context->container, context->name);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT && !text_equal(name, "create"))
		return refuse_absent(context, words);
	r = verb_find(context->arena, &verb, &nixos_verbs, words);
	return r < 0 ? r : verb_run(context->arena, verb, context, words);
}

static int run(struct context *context, int argc, char **argv)
{
	struct options *options = &context->options;
	struct arena *arena = context->arena;
	struct option_result result;
	int r;

	r = option_parse(arena, &result, &nixos_options, options, argc, argv, stops_here);
	if (r < 0)
		return r;
	context->program.format = options->format;
	if (result.list != NULL)
		return program_print(&context->program, result.list);
	if (options->version)
		return program_print_version(&context->program, "nixos-container");
	if (options->help)
		return verb_help_text(context, &result.words);
	r = options_check_addresses(options);
	if (r >= 0 && result.words.count == 0)
		return fail_input("cannot go on without a command (try --help)");
	if (r >= 0)
		r = options_check_sources(arena, options);
	if (r >= 0)
		r = make_directories();
	return r < 0 ? r : run_verb(context, &result.words);
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	struct context context = { .arena = &arena };

	umask(0022);
	/* What it is for the host must not get into what is built for a guest. */
	setenv("NIXOS_CONFIG", "", 1);
	program_begin(&context.program, &arena, argv);
	context.program.no_legend = true;
	context.program.columns = 0; /* names are shown whole */
	/* All are root's, whoever asks. */
	context.runtime = machine_runtime_directory(&arena, 0, context.program.environment);
	return program_end(run(&context, argc, argv));
}
