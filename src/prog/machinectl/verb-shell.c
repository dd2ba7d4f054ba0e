#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "kernel/terminal.h"
#include "machine/guest-login.h"
#include "prog/machinectl/machinectl.h"
#include "prog/machinectl/visit.h"

/* The user's shell, told by the dash before its name that it is a login's. */
static void use_login_shell(struct arena *arena, struct visit *visit)
{
	const char *shell = guest_users_shell(arena, visit->enter.root_fd, &visit->program.user);
	char **arguments = arena_take_array(arena, 2, sizeof(char *));

	arguments[0] = arena_format(arena, "-%s", path_name(shell));
	visit->program.user.shell = shell;
	visit->program.path = shell;
	visit->program.arguments = arguments;
}

int verb_shell(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct visit visit = VISIT_EMPTY;
	int r;

	visit.greets = true;
	r = visit_open(context, &visit, words->count == 0 ? NULL : words->items[0]);
	if (r >= 0) {
		if (words->count > 1)
			visit.program.arguments = words->items + 1;
		else
			use_login_shell(context->arena, &visit);
		r = visit_run(context, &visit);
	}
	visit_done(&visit);
	return r;
}

static int find_login(struct context *context, struct visit *visit)
{
	const char *term = text_variable(context->environment, "TERM");
	char **arguments;
	int r;

	r = guest_login_find(context->arena, &visit->program.path, &arguments, visit->enter.root_fd,
			     text_empty(term) ? "vt220" : term);
	if (r == -ENOENT)
		return fail_plain(r,
				  "cannot log in to %s: it has no agetty, getty or login (try "
				  "'machinectl shell')",
				  visit->enter.machine->name);
	if (r < 0)
		return fail(r, "cannot log in to %s", visit->enter.machine->name);
	visit->program.arguments = arguments;
	return 0;
}

int verb_login(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct visit visit = VISIT_EMPTY;
	int r;

	if (context->options.user != NULL || context->options.environment.count > 0)
		return fail_input("cannot use --uid= or --setenv= with 'login': who logs in "
				  "decides (try 'machinectl shell')");
	if (!terminal_is(STDIN_FILENO) || !terminal_is(STDOUT_FILENO))
		return fail_input("cannot log in without a terminal (try 'machinectl exec')");
	visit.greets = true;
	r = visit_open(context, &visit, words->count == 0 ? NULL : words->items[0]);
	if (r >= 0)
		r = find_login(context, &visit);
	if (r >= 0)
		r = visit_run(context, &visit);
	visit_done(&visit);
	return r < 0 ? r : 0;
}
