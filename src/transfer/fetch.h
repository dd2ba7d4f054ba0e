/* transfer/fetch - a file of a publisher's, and the small ones that stand beside it.
 *
 * The part of a pull that runs in a worker: the file goes into a pipe while its list of sums, the
 * list's signature and what belongs to an image come at the same time, into files in memory that
 * the caller reads when the worker has ended. Which names are tried is the catalogue's 12.2. What
 * the server does not have is left out; what it has and cannot be had ends the pull.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transfer/download.h"
#include "transfer/worker.h"

#define FETCH_SIDES_MAX 4
#define FETCH_VERITY_MAX (UINT64_C(256) << 20) /* the hashes of a disk of 32 GiB */
#define FETCH_SUMS_PER_FILE 0		       /* FILE.sha256 */
#define FETCH_SUMS_PER_DIRECTORY 1	       /* SHA256SUMS */

enum fetch_part { FETCH_MAIN, FETCH_SUMS, FETCH_SIGNATURE, FETCH_SIDE };

/* What is told, with worker_tell(). */
enum fetch_tells {
	FETCH_TELLS_BEGUN = 1, /* a struct download_answer: the file's bytes are about to come */
	FETCH_TELLS_MAIN,      /* likewise: all of it went, or there is something newer than none */
	FETCH_TELLS_SUMS,      /* likewise: they are in SUMS_FD; ID: which list */
	FETCH_TELLS_SIGNATURE, /* likewise: in SIGNATURE_FD */
	FETCH_TELLS_SIDE,      /* likewise: in SIDE_FDS; ID counts from 0 */
};

struct fetch {
	const char *url;
	const char *if_none_match;	    /* etags; NULL: none */
	const char *last;		    /* the URL's last part */
	bool sums, signature;		    /* wanted */
	const char *sides[FETCH_SIDES_MAX]; /* names beside it, NULL: none */
	uint64_t side_limits[FETCH_SIDES_MAX];
	int main_fd; /* the pipe */
	int sums_fd, signature_fd, side_fds[FETCH_SIDES_MAX];
	struct download_trust trust;
};

/* NAME beside what URL names; without query and fragment. */
char *fetch_sibling(struct arena *arena, const char *url, const char *name);

/* Context: struct fetch. Sees the network. */
worker_fn fetch_web;

/* The same of a file of this host, which the caller has opened: MAIN_FD's source is FROM_FD. Sees
 * nothing. */
struct fetch_file {
	int from_fd, main_fd;
};

worker_fn fetch_file;
