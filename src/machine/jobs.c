#include "machine/jobs.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "io/fd.h"
#include "kernel/process.h"

/* Starting is mostly waiting, for disks and for the guest. */
#define PARALLEL_PER_PROCESSOR 4
#define PARALLEL_MAX 64

struct running {
	struct jobs *jobs;
	jobs_fn *run;
	void *context;
};

static size_t limit(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	return (size_t)MIN(MAX(processors, 1) * PARALLEL_PER_PROCESSOR, PARALLEL_MAX);
}

static bool may_begin(const struct jobs *jobs, const struct jobs_item *item)
{
	for (size_t i = 0; i < jobs->count; i++)
		if (jobs->items[i].stage != JOBS_FINISHED && &jobs->items[i] != item &&
		    text_list_has(&item->after, jobs->items[i].name))
			return false;
	return true;
}

static void child(const struct running *running, const struct jobs_item *item)
{
	int r = running->run(running->context, item->name, item->context);

	if (r < 0)
		log_error("%s", fail_recorded()->text);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int begin(const struct running *running, struct jobs_item *item)
{
	pid_t pid = process_clone(0, -EBADF, &item->pidfd);

	if (pid == 0)
		child(running, item);
	if (pid < 0)
		return fail(pid, "cannot make a process for machine '%s'", item->name);
	item->stage = JOBS_UNDER_WAY;
	running->jobs->under_way++;
	return 0;
}

static int begin_some(const struct running *running)
{
	struct jobs *jobs = running->jobs;
	struct jobs_item *waiting = NULL;
	int r;

	if (jobs->strict && jobs->failed > 0)
		return 0;
	for (size_t i = 0; i < jobs->count && jobs->under_way < limit(); i++) {
		struct jobs_item *item = &jobs->items[i];

		if (item->stage != JOBS_WAITING)
			continue;
		waiting = item;
		if (!may_begin(jobs, item))
			continue;
		r = begin(running, item);
		if (r < 0)
			return r;
	}
	if (jobs->under_way > 0 || waiting == NULL)
		return 0;
	log_warning("The order of machines goes round in a circle at '%s', going on without.",
		    waiting->name);
	return begin(running, waiting);
}

static int finish_some(struct jobs *jobs)
{
	struct pollfd polled[PARALLEL_MAX];
	struct jobs_item *of[PARALLEL_MAX];
	nfds_t count = 0;
	siginfo_t info;
	int r;

	for (size_t i = 0; i < jobs->count; i++)
		if (jobs->items[i].stage == JOBS_UNDER_WAY) {
			of[count] = &jobs->items[i];
			polled[count] = (struct pollfd){ of[count]->pidfd, POLLIN, 0 };
			count++;
		}
	if (poll(polled, count, -1) < 0) {
		if (errno == EINTR)
			return 0;
		/* Then for one of them: to leave now would leave all of them at work. */
		r = process_wait(of[0]->pidfd, &info, WNOWAIT);
		if (r < 0)
			return fail(r, "cannot wait for machine '%s'", of[0]->name);
	}
	for (nfds_t i = 0; i < count; i++) {
		if (process_wait(of[i]->pidfd, &info, WNOHANG) < 0)
			continue;
		fd_close(&of[i]->pidfd);
		of[i]->stage = JOBS_FINISHED;
		of[i]->failed = info.si_code != CLD_EXITED || info.si_status != 0;
		jobs->under_way--;
		jobs->failed += of[i]->failed;
	}
	return 0;
}

int jobs_run(struct jobs *jobs, jobs_fn *run, void *context)
{
	const struct running running = { jobs, run, context };
	int r = begin_some(&running);

	/* Who goes back over what was done must not do so beside those that still do it. */
	while (jobs->under_way > 0) {
		int waited = finish_some(jobs);

		if (waited < 0)
			return waited;
		if (r >= 0)
			r = begin_some(&running);
	}
	return r;
}
