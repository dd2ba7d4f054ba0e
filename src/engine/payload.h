/* engine/payload - from "go" to exec.
 *
 * Runs in: payload, the process that becomes the container's PID 1. No code of
 * the tree has run yet, and none can before the exec at the end; all of the
 * host's descriptors are close-on-exec, and what the caller leaked is closed.
 */
#pragma once
#include <sys/types.h>

#include "engine/privilege.h"

struct apply;
struct channel;
struct guest_init;
struct plan;
struct taken;

struct payload {
	struct apply *apply;
	struct channel *channel;
	const struct plan *plan;
	const struct taken *taken;
	struct privilege privilege;
	const char *init;	      /* --boot: program found in the tree */
	char *const *environment;     /* complete */
	const char *const *arguments; /* NULL-terminated words; NULL: a shell */
	int listen_fds;		      /* 3 … 3+n-1 are passed on */
	int stub_fd;		      /* sealed memfd of the stub; -EBADF: none */
	int gate_fd; /* read one byte before exec (an OCI runtime's "start"); -EBADF: none */
	bool keep_when_orphaned;
};

_Noreturn void payload_main(struct payload *payload);
