/* io/child - run a program of the host and wait for its end. Quiet.
 *
 * The supervisor without root runs newuidmap and newgidmap, machinectl pagers and editors.
 * child_run() searches nothing, no shell runs, and only what the request names is passed on.
 */
#pragma once
#include <stdint.h>

struct arena;

#define CHILD_FOREVER UINT64_MAX

struct child_request {
	const char *path;	  /* absolute */
	char *const *arguments;	  /* NULL-terminated, with argv[0] */
	char *const *environment; /* NULL-terminated; NULL: empty */
	int stdio[3];		  /* borrowed; negative: /dev/null */
	int kept;		  /* borrowed; the child has it open, as 3; 0: nothing */
	uint64_t timeout_us;	  /* then the child is killed; CHILD_FOREVER */
};

/* 0: it ran and ended; *ret_status is its exit status, or minus the number of the signal that ended
 * it. -ETIMEDOUT: killed after its time; -ENOENT, -EACCES, …: it could not be run. */
int child_run(int *ret_status, const struct child_request *request);

/* The program NAME in the directories of PATH ("/bin:/usr/bin"; relative ones do not count); NULL:
 * it is not there. With a slash in it NAME stands for itself, if it is absolute. */
char *child_find(struct arena *arena, const char *path, const char *name);
