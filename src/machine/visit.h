/* machine/visit - somebody enters a machine: from "[USER@]NAME" to the exit status of what was run
 * there. Speaking. Runs in: who enters.
 */
#pragma once
#include <stdbool.h>

#include "machine/enter.h"
#include "machine/find.h"
#include "machine/session.h"

struct arena;
struct text_list;

struct visit {
	/* ---- what the caller says ---- */
	struct arena *arena;
	const char *runtime;		  /* of the machines' records */
	const char *const *environment;	  /* the caller's own, NULL-terminated */
	char *const *arguments;		  /* all of main()'s */
	const struct text_list *assigned; /* NAME=VALUE for the program; NULL: none */
	bool greets;			  /* says when a session on a terminal begins and ends */
	bool quiet; /* says nothing, also not which signal ended the program */

	/* ---- what was found, and may be changed before visit_run() ---- */
	struct machine machine;
	struct enter enter;
	struct enter_program program;
	struct session session;
};

#define VISIT_EMPTY                                                      \
	{                                                                \
		.enter = ENTER_EMPTY, .session = SESSION_EMPTY,          \
		.program = { .stdio = { 0, 1, 2 }, .terminal = -EBADF }, \
	}

/* WHO: "[USER@]NAME"; no name, or ".host": the local host. The USER there counts before USER, which
 * may be NULL. Finds the user, too. May run this whole program once more: nothing must have
 * happened before. */
int visit_open(struct visit *visit, const char *who, const char *user);

/* Run visit->program, whose arguments are set; its environment is made here. The program's exit
 * status, or 128 and the number of the signal that ended it. */
int visit_run(struct visit *visit);

/* The user's own shell instead of a command: that of a login. */
void visit_use_shell(struct visit *visit);

void visit_done(struct visit *visit);
