/* transfer/behind - what was written gets to disk while more is.
 *
 * At the end all has to be there (syncfs(2)), for which the disk would have to wait until then, and
 * everybody for the disk afterwards. A thread begins with it. Nothing depends on it: who needs to
 * know that all is on disk asks for it himself. Inside a worker. Quiet.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define BEHIND_BYTES (UINT64_C(16) << 20) /* that are worth it */

struct behind {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;
	bool runs, wanted, ended;
	uint64_t done; /* bytes so far, when it was last wanted */
};

/* FD is any file of the file system; borrowed. */
void behind_start(struct behind *behind, int fd);

/* So many bytes were written so far. */
void behind_note(struct behind *behind, uint64_t bytes);

/* Waits for what was begun. */
void behind_stop(struct behind *behind);
