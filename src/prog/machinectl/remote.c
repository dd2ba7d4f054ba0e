/* The same command somewhere else: on another host through ssh, or in a machine through exec. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/child.h"
#include "kernel/terminal.h"
#include "prog/machinectl/machinectl.h"

/* [USER@]HOST[:PORT][/MACHINE], as the reference has it. A bare IPv6 address has no port. */
struct place {
	const char *host, *port, *machine;
};

static int read_place(struct arena *arena, struct place *ret, const struct options *options)
{
	const char *text = options->host, *slash = strchr(text, '/'), *colon, *bracket;
	struct place place = { .machine = slash == NULL || slash[1] == '\0' ? options->machine
									    : slash + 1 };
	char *host = arena_text_n(arena, text, strcspn(text, "/"));
	uint16_t port;

	colon = strchr(host, ':');
	bracket = strrchr(host, ']');
	if (bracket != NULL)
		colon = strchr(bracket, ':');
	else if (colon != NULL && strchr(colon + 1, ':') != NULL)
		colon = NULL;
	if (colon != NULL) {
		place.port = colon + 1;
		host[colon - host] = '\0';
	}
	place.host = host;
	if (*host == '\0' || *host == '-' || strpbrk(host, " \t\n") != NULL)
		return fail_input("cannot use '%s' as a host (try [USER@]HOST)", text);
	if (place.port != NULL && parse_port(&port, place.port) < 0)
		return fail_input("cannot use '%s' as a host: '%s' is no port (try HOST:PORT)",
				  text, place.port);
	*ret = place;
	return 0;
}

/* One word of a POSIX shell that stands for WORD, whatever is in it. */
static char *quote(struct arena *arena, const char *word)
{
	char *text = arena_take(arena, strlen(word) * 4 + 3), *at = text;

	*at++ = '\'';
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			at = stpcpy(at, "'\\'");
		*at++ = *word;
	}
	*at = '\'';
	return text;
}

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
	const char *path = text_variable(context->environment, "PATH");
	struct text_list ssh = { 0 }, words = { 0 };
	struct arena *arena = context->arena;
	const char *program;
	struct place place;
	int r;

	r = read_place(arena, &place, &context->options);
	if (r < 0)
		return r;
	program = child_find(arena, path, "ssh");
	if (program == NULL)
		return fail_plain(-ENOENT, "cannot reach host '%s': there is no ssh (install it)",
				  place.host);
	add(arena, &ssh, "ssh");
	if (verb->flags & VERB_TERMINAL && context->terminal && terminal_is(STDIN_FILENO))
		add(arena, &ssh, "-t");
	if (place.port != NULL) {
		add(arena, &ssh, "-p");
		add(arena, &ssh, place.port);
	}
	add(arena, &ssh, place.host);
	add(arena, &ssh, "--");
	add_program(context, &words, place.machine);
	for (size_t i = 0; i < again->count; i++)
		add(arena, &words, again->items[i]);
	/* The other side's shell reads them once more. */
	for (size_t i = 0; i < words.count; i++)
		text_list_add(arena, &ssh, quote(arena, words.items[i]));
	execve(program, ssh.items, (char *const *)context->environment);
	return fail(-errno, "cannot run '%s'", program);
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
