/* transfer/between - bytes are summed on their way to who looks into them.
 *
 * A process that parses what comes from outside may be somebody else's by its end, and then it says
 * the sum that is wished. So the bytes pass through one that looks at none of them: it reads,
 * sums and writes. What it says of them is what the next one was given. Where they are to be
 * decompressed, another worker does that before, so that the sum is that of a layer ("diff id")
 * whatever the decompressor has become.
 *
 *	between_start()		two workers at most; OUTPUT is what the one who parses reads
 *	between_fd(), _hear()	how far it is, and whether it has failed
 *	between_finish()	when who parses has read all: the sum
 *
 * Speaking. Runs in the caller.
 */
#pragma once
#include <stdbool.h>

#include "transfer/stream.h"
#include "transfer/worker.h"

struct between_wish {
	const char *name; /* of the input, for sentences; NULL: "the archive" */
	int input;	  /* read from where it stands; borrowed */
	bool decompress;  /* by content */
	bool digest_in;	  /* with DECOMPRESS: what the decompressor says that it read */
	bool quiet;	  /* how far it is is not told, and nobody needs to hear it */
};

struct between {
	struct worker decoder, summer;
	int output;			      /* the end of a pipe */
	struct stream_result decoded, summed; /* what each has said */
	bool decodes, has_decoded, has_summed;
};

#define BETWEEN_EMPTY                                                             \
	{                                                                         \
		.decoder = WORKER_EMPTY, .summer = WORKER_EMPTY, .output = -EBADF \
	}

int between_start(struct between *ret, const struct between_wish *wish);

/* The channel to wait for (POLLIN), of who reads the input; -EBADF: that one has ended. */
int between_fd(struct between *between);

/* As worker_hear(), of LISTENER the progress. 0: it has read all of it. */
int between_hear(struct between *between, const struct worker_listener *listener);

/* RET: OUT and DIGEST_OUT of what was passed on, by who parses none of it; IN and DIGEST_IN of what
 * was read, by the decompressor if there is one, else the same. It fails if not all was taken. */
int between_finish(struct between *between, struct stream_result *ret);

/* Who parses has failed. Was it because of what came to him? Then that is the sentence to tell, and
 * the result; else 0. */
int between_cause(struct between *between);

/* Accepts the empty one. */
void between_done(struct between *between);

/* The sum of a whole file, which nobody writes to any more. */
int between_sum(unsigned char ret[STREAM_DIGEST], int fd);
