/* machine/power - ask machines to stop, signal their processes, end them, wait for that.
 *
 * All by pidfd, and by the cgroup that certainly is the machine's (class S26). Any process, as
 * the machine's owner. Speaking.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct machine;

enum power_whom { POWER_ALL, POWER_LEADER, POWER_SUPERVISOR };

/* Ask the machine's init to power off, or to reboot, by what that init understands. Does not wait.
 * A lone command has nobody to ask: refused. */
int power_ask(struct arena *arena, const struct machine *machine, bool reboot);

int power_signal(struct arena *arena, const struct machine *machine, enum power_whom whom,
		 int signal);

/* Kill all of it, and wait until what it had is cleaned up: by its supervisor, or else by us. */
int power_terminate(struct arena *arena, const struct machine *machine);

/* Wait until it has ended and is cleaned up. A reboot is no end. */
int power_wait(struct arena *arena, const struct machine *machine);

/* One that no service manager stops: ask it to power off and wait. A lone command, and what has not
 * ended after TimeoutStopSec= of its settings (two minutes), is killed. */
int power_stop(struct arena *arena, const struct machine *machine, const char *const *environment);
