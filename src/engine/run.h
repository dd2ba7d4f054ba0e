/* engine/run - a container, from its spec to its end.
 *
 * container_run() is steps 4 to 12 of ARCHITECTURE.md in their order and
 * nothing else; it begins again when the container reboots. Runs in: supervisor
 * (and, after the spawn, payload, which never returns). Speaking.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct spec;

struct run_request {
	struct spec *spec; /* resolved; the name may still get a suffix */
	const char *const *environment;
	int listen_fds; /* descriptors 3 … are passed on */
	/* The first payload reads a byte from it before exec; -EBADF: none. Nobody who must not
	 * open it may hold its other end: end of file gives the container up. Closed by us. */
	int gate_fd;
};

/* The program's exit status, or a negative errno with a sentence recorded. */
int container_run(struct arena *arena, const struct run_request *request);

/* Print the plan instead (--print-plan); nothing is made or changed. */
int container_print_plan(struct arena *arena, const struct run_request *request);
