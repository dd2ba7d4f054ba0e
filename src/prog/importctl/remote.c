/* The same command somewhere else: on another host through ssh, or in a machine by machinectl. */
#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "cli/remote.h"
#include "io/child.h"
#include "prog/importctl/importctl.h"

static void add(struct arena *arena, struct text_list *list, const char *word)
{
	text_list_add(arena, list, arena_text(arena, word));
}

static void add_all(struct arena *arena, struct text_list *list, const char *machine,
		    const struct text_list *again)
{
	add(arena, list, "importctl");
	if (machine != NULL)
		add(arena, list, arena_format(arena, "--machine=%s", machine));
	for (size_t i = 0; i < again->count; i++)
		add(arena, list, again->items[i]);
}

/* machinectl knows running machines; this program does not. */
static int run_in_machine(struct context *context, const struct text_list *again)
{
	const char *const *environment = context->program.environment;
	struct arena *arena = context->arena;
	struct text_list words = { 0 };
	const char *program;

	program = child_find(arena, text_variable(environment, "PATH"), "machinectl");
	if (program == NULL)
		return fail_plain(-ENOENT, "cannot enter machine '%s': there is no machinectl",
				  context->options.machine);
	add(arena, &words, "machinectl");
	add(arena, &words, "-q");
	if (context->options.scope != SCOPE_UNSET)
		add(arena, &words, context->options.scope == SCOPE_USER ? "--user" : "--system");
	add(arena, &words, "exec");
	add(arena, &words, context->options.machine);
	add(arena, &words, "--");
	add_all(arena, &words, NULL, again);
	execve(program, words.items, (char *const *)environment);
	return fail(-errno, "cannot run '%s'", program);
}

int remote_run(struct context *context, const struct verb *verb, const struct text_list *again)
{
	struct options *options = &context->options;
	struct arena *arena = context->arena;
	struct text_list words = { 0 };
	struct remote_place place;
	int r;

	if (verb->flags & VERB_HERE)
		return fail_plain(-EOPNOTSUPP,
				  "cannot run '%s' on '%s': it works on files of this host "
				  "(use ssh and scp)",
				  verb->name,
				  options->host != NULL ? options->host : options->machine);
	if (options->host == NULL)
		return run_in_machine(context, again);
	r = remote_place(arena, &place, options->host);
	if (r < 0)
		return r;
	add_all(arena, &words, place.machine != NULL ? place.machine : options->machine, again);
	return remote_by_ssh(arena, &place, &words, false, context->program.environment);
}
