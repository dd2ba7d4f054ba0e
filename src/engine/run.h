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
	/* How we were started, for a supervisor that takes over (engine/reexec, engine/adopt). */
	const char *const *arguments; /* NULL-terminated, with argv[0]; NULL: nobody takes over */
	const char *directory;	      /* where that was */
	const char *program;	      /* path of ours */
};

/* The program's exit status, or a negative errno with a sentence recorded.
 *
 * It takes the process over; call it from a program that does nothing else, and expect nothing
 * back afterwards, also after a failure:
 * - every descriptor from 3 + listen_fds on is closed once the container runs, the caller's too;
 * - the working directory becomes "/";
 * - handlers of SIGTERM SIGINT SIGQUIT SIGHUP SIGWINCH are replaced, the five are blocked (and
 *   let in while it waits), and SIGPIPE is ignored;
 * - without root the process enters a user namespace and stays there (engine/outer). */
int container_run(struct arena *arena, const struct run_request *request);

/* As container_run(), for a container that is running: FDS is "STATE,FD,FD…" of engine/reexec. */
int container_resume(struct arena *arena, const char *fds);

/* The same for the abandoned machine NAME, whose descriptors its holder has.
 * ENVIRONMENT tells of our own service manager. */
int container_adopt(struct arena *arena, const char *runtime, const char *name,
		    const char *const *environment);

/* Print the plan instead (--print-plan); nothing is made or changed. */
int container_print_plan(struct arena *arena, const struct run_request *request);
