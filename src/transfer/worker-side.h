/* transfer/worker-side - between the two files of transfer/worker. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "transfer/worker.h"

enum worker_message_kind { WORKER_PROGRESS, WORKER_TOLD, WORKER_NODE, WORKER_RESULT };

/* What goes over the channel, and DATA behind it. */
struct worker_message {
	uint32_t kind, what;
	uint64_t a, b;
};

#define WORKER_MESSAGE_MAX (sizeof(struct worker_message) + WORKER_TOLD_MAX)

struct worker_side {
	const struct worker_request *request;
	int channel, tree;
	int userns, mount; /* mount: of the tree, detached; -EBADF: none */
	uint64_t progress_us;
};

/* Close the process in and run the function; never returns. */
_Noreturn void worker_inside(struct worker_side *side);

/* The system calls of a worker that sees this; for good. Needs no-new-privileges. */
int worker_filter(enum worker_view view);
