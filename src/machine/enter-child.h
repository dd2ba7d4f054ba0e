/* machine/enter-child - what the two processes of machine/enter do. Runs in: the joiner, then the
 * program's process. */
#pragma once
#include <sys/types.h>

#include "base/fail.h"

struct enter;
struct enter_program;

struct enter_message {
	pid_t pid; /* > 0: the program's process was made; else what failed */
	struct failure failure;
};

/* How the joiner comes to the machine's cgroup: it is made there; it goes there; or it is moved by
 * somebody who may, and told so through the channel. */
enum enter_way { ENTER_MADE, ENTER_GOES, ENTER_MOVED };

_Noreturn void enter_child(const struct enter *enter, const struct enter_program *program,
			   int channel, enum enter_way way);
