#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/names.h"
#include "base/text.h"
#include "image/find.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "machine/detach.h"
#include "machine/find.h"
#include "machine/manager.h"
#include "prog/machinectl/machinectl.h"

/* Starting is mostly waiting, for disks and for the guest. */
#define PARALLEL_PER_PROCESSOR 4
#define PARALLEL_MAX 64

static int check_name(const struct context *context, const char *name)
{
	if (!name_is_machine(name))
		return fail_input("cannot use '%s' as a machine's name (try letters, digits, '-' "
				  "and '.', 64 at most)",
				  text_printable(context->arena, name));
	return 0;
}

static int check_image(const struct context *context, const char *name)
{
	const struct find_scope scope = find_scope_of(geteuid(), context->environment);
	struct found found;
	int r = check_name(context, name);

	if (r < 0)
		return r;
	r = find_image(context->arena, &found, name, &scope);
	if (r == -ENOENT)
		return fail_plain(r, "Machine image '%s' does not exist.", name);
	return r < 0 ? fail(r, "cannot look for the image of machine '%s'", name) : 0;
}

static int open_manager(const struct context *context, struct manager *ret)
{
	return manager_open(context->arena, ret, context->runtime, context->environment);
}

static bool is_running(const struct context *context, const char *name)
{
	struct machine machine;
	int r = machine_open(context->arena, &machine, context->runtime, name);

	if (r < 0)
		fail_forget();
	return r >= 0;
}

/* ---- one machine ---- */

typedef int one_fn(const struct context *context, const struct manager *manager, const char *name);

static int start_one(const struct context *context, const struct manager *manager, const char *name)
{
	int r = check_image(context, name);

	if (r < 0)
		return r;
	if (manager->kind != MANAGER_SYSTEMD && is_running(context, name)) {
		if (!context->options.quiet)
			log_info("Machine '%s' is running already.", name);
		return 0;
	}
	r = manager_start(context->arena, manager, name);
	if (r >= 0 && !context->options.quiet)
		log_info("Started machine '%s' by %s.", name, manager_name(manager));
	return r;
}

static int stop_one(const struct context *context, const struct manager *manager, const char *name)
{
	const struct manager alone = { .kind = MANAGER_NONE, .runtime = context->runtime };
	struct text_list names = { 0 };
	int r = check_name(context, name);

	if (r < 0)
		return r;
	r = manager_stop(context->arena, manager, name);
	if (r == -ENXIO) {
		manager = &alone;
		r = manager_stop(context->arena, manager, name);
	}
	if (r == -ENXIO) {
		/* Started by hand: nobody to ask but the machine itself. */
		text_list_add(context->arena, &names, arena_text(context->arena, name));
		r = verb_poweroff((void *)context, &names);
		if (r >= 0 && !context->options.quiet)
			log_info("Asked machine '%s' itself to power off: nobody else runs it.",
				 name);
		return r;
	}
	if (r >= 0 && !context->options.quiet)
		log_info("Stopped machine '%s' by %s.", name, manager_name(manager));
	return r;
}

static int enable_one(const struct context *context, const struct manager *manager,
		      const char *name, bool enable)
{
	struct text_list lines = { 0 };
	int r = enable ? check_image(context, name) : check_name(context, name);

	if (r < 0)
		return r;
	r = enable ? manager_enable(context->arena, manager, name, &lines)
		   : manager_disable(context->arena, manager, name, &lines);
	for (size_t i = 0; i < lines.count && !context->options.quiet; i++)
		log_info("%s", lines.items[i]);
	/* What is there no more can be disabled; what never was is a slip of the pen. */
	return r >= 0 && !enable && lines.count == 0 ? check_image(context, name) : r;
}

/* ---- many, a bounded number at a time, each after those that it names ---- */

enum stage { WAITING, UNDER_WAY, FINISHED };

struct job {
	const char *name;
	struct text_list after;
	enum stage stage;
	int pidfd;
};

struct jobs {
	struct job *items;
	size_t count, under_way, failed;
};

static size_t limit_of_jobs(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	return (size_t)MIN(MAX(processors, 1) * PARALLEL_PER_PROCESSOR, PARALLEL_MAX);
}

/* A name that is not among the jobs is no reason to wait. */
static bool may_start(const struct jobs *jobs, const struct job *job)
{
	for (size_t i = 0; i < jobs->count; i++)
		if (jobs->items[i].stage != FINISHED &&
		    text_list_has(&job->after, jobs->items[i].name))
			return false;
	return true;
}

static void child(const struct context *context, const char *name, one_fn *run)
{
	struct manager manager;
	int r = open_manager(context, &manager);

	if (r >= 0)
		r = run(context, &manager, name);
	if (r < 0)
		log_error("%s", fail_recorded()->text);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int begin(const struct context *context, struct jobs *jobs, struct job *job, one_fn *run)
{
	pid_t pid = process_clone(0, -EBADF, &job->pidfd);

	if (pid == 0)
		child(context, job->name, run);
	if (pid < 0)
		return fail(pid, "cannot make a process for machine '%s'", job->name);
	job->stage = UNDER_WAY;
	jobs->under_way++;
	return 0;
}

static int begin_some(const struct context *context, struct jobs *jobs, one_fn *run)
{
	struct job *waiting = NULL;
	int r;

	for (size_t i = 0; i < jobs->count && jobs->under_way < limit_of_jobs(); i++) {
		struct job *job = &jobs->items[i];

		if (job->stage != WAITING)
			continue;
		waiting = job;
		if (!may_start(jobs, job))
			continue;
		r = begin(context, jobs, job, run);
		if (r < 0)
			return r;
	}
	if (jobs->under_way > 0 || waiting == NULL)
		return 0;
	log_warning("The order of machines goes round in a circle at '%s', going on without.",
		    waiting->name);
	return begin(context, jobs, waiting, run);
}

static int finish_some(struct jobs *jobs)
{
	struct pollfd polled[PARALLEL_MAX];
	struct job *of[PARALLEL_MAX];
	nfds_t count = 0;

	for (size_t i = 0; i < jobs->count; i++)
		if (jobs->items[i].stage == UNDER_WAY) {
			of[count] = &jobs->items[i];
			polled[count] = (struct pollfd){ of[count]->pidfd, POLLIN, 0 };
			count++;
		}
	if (poll(polled, count, -1) < 0)
		return errno == EINTR ? 0 : fail(-errno, "cannot wait for machines");
	for (nfds_t i = 0; i < count; i++) {
		siginfo_t info;

		if (polled[i].revents == 0 || process_wait(of[i]->pidfd, &info, WNOHANG) < 0)
			continue;
		fd_close(&of[i]->pidfd);
		of[i]->stage = FINISHED;
		jobs->under_way--;
		jobs->failed += info.si_code != CLD_EXITED || info.si_status != 0;
	}
	return 0;
}

static int run_all(const struct context *context, struct jobs *jobs, one_fn *run)
{
	int r = begin_some(context, jobs, run);

	while (r >= 0 && jobs->under_way > 0) {
		r = finish_some(jobs);
		if (r >= 0)
			r = begin_some(context, jobs, run);
	}
	if (r < 0)
		return r;
	/* Each has said why. */
	return jobs->failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int each(const struct context *context, const struct text_list *words, one_fn *run)
{
	struct jobs jobs = { .count = words->count };
	struct manager manager CLEANUP(manager_done) = { 0 };

	if (words->count == 1) {
		int r = open_manager(context, &manager);

		return r < 0 ? r : run(context, &manager, words->items[0]);
	}
	jobs.items = arena_take_array(context->arena, jobs.count, sizeof(*jobs.items));
	for (size_t i = 0; i < jobs.count; i++)
		jobs.items[i] = (struct job){ .name = words->items[i], .pidfd = -EBADF };
	return run_all(context, &jobs, run);
}

/* What the boot service runs. */
static int start_enabled(const struct context *context)
{
	struct manager manager CLEANUP(manager_done) = { 0 };
	struct text_list names = { 0 };
	struct jobs jobs = { 0 };
	int r = open_manager(context, &manager);

	if (r >= 0)
		r = manager_list_enabled(context->arena, &manager, &names);
	if (r < 0)
		return r;
	jobs.count = names.count;
	jobs.items = arena_take_array(context->arena, jobs.count + 1, sizeof(*jobs.items));
	for (size_t i = 0; i < jobs.count; i++) {
		jobs.items[i] = (struct job){ .name = names.items[i], .pidfd = -EBADF };
		r = manager_list_after(context->arena, &manager, names.items[i],
				       &jobs.items[i].after);
		if (r < 0)
			return r;
	}
	return run_all(context, &jobs, start_one);
}

static int stop_supervised(const struct context *context)
{
	struct text_list names = { 0 };
	int r = detach_list(context->arena, &names, context->runtime);

	return r < 0 || names.count == 0 ? r : each(context, &names, stop_one);
}

/* ---- verbs ---- */

static int need_names(const struct context *context, const struct text_list *words,
		      const char *verb)
{
	if ((words->count == 0) == context->options.all)
		return 0;
	if (words->count > 0)
		return fail_input("cannot %s machines by name and with --all", verb);
	return fail_input("cannot run '%s' without a name (try '%s NAME...', or --all)", verb,
			  verb);
}

int verb_start(void *context_, const struct text_list *words)
{
	const struct context *context = context_;
	int r = need_names(context, words, "start");

	if (r < 0)
		return r;
	return context->options.all ? start_enabled(context) : each(context, words, start_one);
}

int verb_stop(void *context_, const struct text_list *words)
{
	const struct context *context = context_;
	int r = need_names(context, words, "stop");

	if (r < 0)
		return r;
	return context->options.all ? stop_supervised(context) : each(context, words, stop_one);
}

static int enable_all(const struct context *context, const struct text_list *words, bool enable)
{
	struct manager manager CLEANUP(manager_done) = { 0 };
	int r = open_manager(context, &manager);

	for (size_t i = 0; i < words->count && r >= 0; i++)
		r = enable_one(context, &manager, words->items[i], enable);
	if (r < 0 || !context->options.now)
		return r;
	return each(context, words, enable ? start_one : stop_one);
}

int verb_enable(void *context, const struct text_list *words)
{
	return enable_all(context, words, true);
}

int verb_disable(void *context, const struct text_list *words)
{
	return enable_all(context, words, false);
}
