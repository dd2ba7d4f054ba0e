/* prog/importctl/transfer - how a verb runs its transfer, and what its caller sees of it. Speaking.
 *
 * On a terminal a bar a part, with --json= a line of JSON for all that happens, else what is
 * logged. Ctrl-C leaves the transfer alone.
 */
#pragma once
#include <stdbool.h>

#include "transfer/archive.h"
#include "transfer/job.h"
#include "transfer/publish.h"

struct context;
struct jobs_entry;

struct transfer {
	const char *type;   /* "pull-tar" */
	const char *local;  /* the image's name; NULL: none */
	const char *remote; /* URL, reference; NULL: none */
	const char *pool;   /* where something is made; NULL: nowhere */
	const char *made;   /* a file that was not there before: nothing half-written stays */
	bool output_taken;  /* standard output is what is exported */
	job_fn *run;	    /* in the job */
	void *context;
};

/* The exit status, or a negative errno with the sentence. */
int transfer_run(struct context *context, const struct transfer *transfer);

/* A file to export to: the descriptor. What is there is written over, unless it is IMAGE; else it
 * is transfer->made. */
int transfer_open_output(struct transfer *transfer, const char *path, const char *image);

/* What --class= and the like ask for; refuses without a class, and a name that is taken
 * (NULL: none yet). The suffix of a file's name is ".raw"; set another one afterwards. */
int transfer_target(struct context *context, struct publish_request *ret, const char *name,
		    enum publish_kind kind);

/* What transfers that were killed left is removed, and they are forgotten. */
void transfer_tidy(struct context *context);

/* Likewise what this one left, whoever has forgotten it meanwhile. */
void transfer_sweep(struct context *context, const struct jobs_entry *entry);

/* Nothing, or "-": standard input or output. */
bool transfer_is_standard(const char *word);

/* What a worker of transfer/archive says is told by the job. */
struct archive_listener transfer_listener(struct job *job);
