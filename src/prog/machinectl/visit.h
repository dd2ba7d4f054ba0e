/* prog/machinectl/visit - what exec, shell and login have in common: from "[USER@]NAME" to the
 * exit status. Speaking. */
#pragma once
#include "machine/enter.h"
#include "machine/find.h"
#include "machine/session.h"

struct context;

struct visit {
	struct machine machine;
	struct enter enter;
	struct enter_program program;
	struct session session;
	bool greets; /* says when a session on a terminal begins and ends */
};

#define VISIT_EMPTY                                                      \
	{                                                                \
		.enter = ENTER_EMPTY, .session = SESSION_EMPTY,          \
		.program = { .stdio = { 0, 1, 2 }, .terminal = -EBADF }, \
	}

/* WHO: "[USER@]NAME"; no name, or ".host": the local host. USER counts before --uid=. Finds the
 * user, too. May run this whole program once more: nothing must have happened before. */
int visit_open(struct context *context, struct visit *visit, const char *who);

/* Run visit->program, whose arguments are set; its environment is made here. The program's exit
 * status, or 128 and the number of the signal that ended it. */
int visit_run(struct context *context, struct visit *visit);

void visit_done(struct visit *visit);
