/* transfer/job - a transfer is a process of its own, which its front end may leave alone.
 *
 * job_run() forks: the child, in a session of its own, notes itself (transfer/jobs), becomes root
 * over the user's own ids where the caller is not root, and runs one function; the caller hears how
 * far it is and what it logs, until it ends, or until the caller is interrupted: then the job goes
 * on by itself. A job holds nothing that must be undone when it is killed: what it has in hand is
 * hidden, locked, and removed by the next one. Speaking, on both sides: what the job failed with is
 * the caller's sentence.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transfer/worker.h"

struct arena;

#define JOB_PART_ROOM 64 /* of a part's name */

/* ---- inside ---- */

struct job;

/* Runs in the job. A negative errno with a sentence recorded, or 0. */
typedef int job_fn(struct job *job, void *context);

/* How far PART is (NULL: all of it, which is what list-transfers shows; else a layer, say); TOTAL
 * 0: not known. May be called at any rate. */
void job_progress(struct job *job, const char *part, uint64_t done, uint64_t total);

/* For worker_run(): its progress is the job's. Whoever wants what the worker tells sets .told and a
 * context of his own, and calls job_progress() himself. */
struct worker_listener job_listener(struct job *job);

/* ---- outside ---- */

struct job_request {
	const char *runtime; /* "/run/redd", or the user's */
	const char *type;    /* "pull-tar" */
	const char *class;   /* "machine"; NULL: none */
	const char *local;   /* the image's name; NULL: none */
	const char *remote;  /* URL or reference: only one transfer of it goes on; NULL: none */
	const char *pool;    /* where a killed one leaves its remains; NULL: nowhere */
	const char *made;    /* a file that goes when it is cancelled, by whole path; or NULL */
	const char *const *environment;
	job_fn *run;
	void *context;
};

/* Each may be NULL. */
struct job_watcher {
	void (*begun)(void *context, uint32_t id);
	void (*progress)(void *context, const char *part, uint64_t done, uint64_t total);
	void (*logged)(void *context, const char *text, size_t size); /* for standard error */
	void *context;
};

enum job_end {
	JOB_DONE,
	JOB_LEFT, /* the caller was interrupted; the job goes on */
	JOB_KILLED,
};

/* What every job does first, and whoever else has workers, for good: they clone mounts, which only
 * the owner of the mount namespace may. */
int job_become_root(struct arena *arena, const char *const *environment);

/* A negative errno: it failed. SIGINT, SIGTERM and SIGHUP are taken meanwhile. */
int job_run(struct arena *arena, enum job_end *ret, const struct job_request *request,
	    const struct job_watcher *watcher);
