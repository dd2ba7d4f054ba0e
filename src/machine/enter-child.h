/* machine/enter-child - what the two processes of machine/enter do. Runs in: the joiner, then the
 * program's process. */
#pragma once
#include <stdbool.h>

#include "base/fail.h"

struct enter;
struct enter_program;

struct enter_message {
	bool made; /* by the program's process, whose number comes with it (SCM_CREDENTIALS) */
	struct failure failure; /* else */
};

/* How the joiner comes to the machine's cgroup: it is made there; it goes there; or it is moved by
 * somebody who may, and told so through the channel. */
enum enter_way { ENTER_MADE, ENTER_GOES, ENTER_MOVED };

_Noreturn void enter_child(const struct enter *enter, const struct enter_program *program,
			   int channel, enum enter_way way);
