#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "machine/enter.h"
#include "machine/find.h"
#include "prog/machinectl/machinectl.h"

int verb_exec(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct enter_program program = { .stdio = { 0, 1, 2 }, .terminal = -EBADF };
	struct enter enter = ENTER_EMPTY;
	autoclose int pidfd = -EBADF;
	struct machine machine;
	siginfo_t info = { 0 };
	pid_t pid;
	int r;

	r = machine_open(context->arena, &machine, context->runtime, words->items[0]);
	if (r >= 0)
		r = enter_open(context->arena, &enter, &machine);
	if (r >= 0)
		r = guest_users_find(context->arena, &program.user, enter.root_fd,
				     context->options.user);
	if (r < 0)
		return r;
	program.arguments = words->items + 1;
	if (text_equal(program.arguments[0], "--"))
		program.arguments++;
	if (program.arguments[0] == NULL)
		return fail_input("cannot run nothing (try 'exec NAME -- COMMAND')");
	program.environment = enter_environment(context->arena, &program.user, NULL);
	r = enter_start(&enter, &program, &pid, &pidfd);
	enter_done(&enter);
	if (r < 0)
		return r;
	r = process_wait(pidfd, &info, 0);
	if (r < 0)
		return fail(r, "cannot wait for the program");
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}
