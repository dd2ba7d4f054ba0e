/* machine/enter-child - what the two processes of machine/enter do. Runs in: the joiner, then the
 * program's process. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/fail.h"

struct enter;
struct enter_program;

struct enter_message {
	pid_t pid; /* > 0: the program's process was made; else what failed */
	struct failure failure;
};

/* ATTACH: we have still to go to the machine's cgroup. */
_Noreturn void enter_child(const struct enter *enter, const struct enter_program *program,
			   int channel, bool attach);
