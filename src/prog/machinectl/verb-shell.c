#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "kernel/terminal.h"
#include "machine/guest-login.h"
#include "machine/visit.h"
#include "prog/machinectl/machinectl.h"

int verb_shell(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct visit visit = context_visit(context);
	int r;

	visit.greets = true;
	r = visit_open(&visit, words->count == 0 ? NULL : words->items[0], context->options.user);
	if (r >= 0) {
		if (words->count > 1)
			visit.program.arguments = words->items + 1;
		else
			visit_use_shell(&visit);
		r = visit_run(&visit);
	}
	visit_done(&visit);
	return r;
}

static int find_login(struct context *context, struct visit *visit)
{
	const char *term = text_variable(context->program.environment, "TERM");
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
	struct visit visit = context_visit(context);
	int r;

	if (context->options.user != NULL || context->options.environment.count > 0)
		return fail_input("cannot use --uid= or --setenv= with 'login': who logs in "
				  "decides (try 'machinectl shell')");
	if (!terminal_is(STDIN_FILENO) || !terminal_is(STDOUT_FILENO))
		return fail_input("cannot log in without a terminal (try 'machinectl exec')");
	visit.greets = true;
	r = visit_open(&visit, words->count == 0 ? NULL : words->items[0], context->options.user);
	if (r >= 0)
		r = find_login(context, &visit);
	if (r >= 0)
		r = visit_run(&visit);
	visit_done(&visit);
	return r < 0 ? r : 0;
}
