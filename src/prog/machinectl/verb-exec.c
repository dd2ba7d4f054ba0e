#include "base/fail.h"
#include "base/text.h"
#include "prog/machinectl/machinectl.h"
#include "prog/machinectl/visit.h"

int verb_exec(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct visit visit = VISIT_EMPTY;
	char *const *arguments = words->items + 1;
	int r;

	if (text_equal(*arguments, "--"))
		arguments++;
	if (*arguments == NULL)
		return fail_input("cannot run nothing (try 'exec NAME -- COMMAND')");
	r = visit_open(context, &visit, words->items[0]);
	visit.program.arguments = arguments;
	if (r >= 0)
		r = visit_run(context, &visit);
	visit_done(&visit);
	return r;
}
