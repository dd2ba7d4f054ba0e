/* io/child - run a program of the host and wait for its end. Supervisor. Quiet.
 *
 * Only without root, for newuidmap and newgidmap. Nothing is searched in
 * $PATH, no shell runs, and only descriptors 0 to 2 are passed on.
 */
#pragma once
#include <stdint.h>

struct child_request {
	const char *path;	  /* absolute */
	char *const *arguments;	  /* NULL-terminated, with argv[0] */
	char *const *environment; /* NULL-terminated; NULL: empty */
	int stdio[3];		  /* borrowed; negative: /dev/null */
	uint64_t timeout_us;	  /* then the child is killed */
};

/* 0: it ran and ended; *ret_status is its exit status, or minus the number of the signal that ended
 * it. -ETIMEDOUT: killed after its time; -ENOENT, -EACCES, …: it could not be run. */
int child_run(int *ret_status, const struct child_request *request);
