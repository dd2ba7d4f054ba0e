#include "base/fail.h"
#include "base/text.h"
#include "machine/visit.h"
#include "prog/machinectl/machinectl.h"

int verb_exec(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct visit visit = context_visit(context);
	char *const *arguments = words->items + 1;
	int r;

	if (text_equal(*arguments, "--"))
		arguments++;
	if (*arguments == NULL)
		return fail_input("cannot run nothing (try 'exec NAME -- COMMAND')");
	r = visit_open(&visit, words->items[0], context->options.user);
	visit.program.arguments = arguments;
	if (r >= 0)
		r = visit_run(&visit);
	visit_done(&visit);
	return r;
}
