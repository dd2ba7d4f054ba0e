/* The same command somewhere else: on another host through ssh, or in a machine through exec. */
#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "cli/remote.h"
#include "kernel/terminal.h"
#include "prog/machinectl/machinectl.h"

static void add(struct arena *arena, struct text_list *list, const char *word)
{
	text_list_add(arena, list, arena_text(arena, word));
}

/* What the words of the command begin with, here or there. */
static void add_program(struct context *context, struct text_list *list, const char *machine)
{
	const struct text_list *environment = &context->options.environment;
	struct arena *arena = context->arena;

	add(arena, list, "machinectl");
	if (machine != NULL)
		add(arena, list, arena_format(arena, "--machine=%s", machine));
	for (size_t i = 0; i < environment->count; i++)
		add(arena, list, arena_format(arena, "--setenv=%s", environment->items[i]));
}

static int run_by_ssh(struct context *context, const struct verb *verb,
		      const struct text_list *again)
{
	bool terminal = verb->flags & VERB_TERMINAL && context->program.terminal &&
			terminal_is(STDIN_FILENO);
	struct arena *arena = context->arena;
	struct text_list words = { 0 };
	struct remote_place place;
	int r;

	r = remote_place(arena, &place, context->options.host);
	if (r < 0)
		return r;
	if (place.machine == NULL)
		place.machine = context->options.machine;
	add_program(context, &words, place.machine);
	for (size_t i = 0; i < again->count; i++)
		add(arena, &words, again->items[i]);
	return remote_by_ssh(arena, &place, &words, terminal, context->program.environment);
}

static int run_in_machine(struct context *context, const struct text_list *again)
{
	const char *machine = context->options.machine;
	struct text_list words = { 0 };

	add(context->arena, &words, machine);
	add(context->arena, &words, "--");
	add_program(context, &words, NULL);
	for (size_t i = 0; i < again->count; i++)
		add(context->arena, &words, again->items[i]);
	context->options = (struct options){ .quiet = true };
	return verb_exec(context, &words);
}

int remote_run(struct context *context, const struct verb *verb, const struct text_list *again)
{
	const char *where = context->options.host;

	if (where == NULL)
		where = context->options.machine;
	if (verb->flags & VERB_HERE)
		return fail_plain(-EOPNOTSUPP,
				  "cannot run '%s' on '%s': it works on files of this host "
				  "(use ssh and scp)",
				  verb->name, where);
	return context->options.host != NULL ? run_by_ssh(context, verb, again)
					     : run_in_machine(context, again);
}
