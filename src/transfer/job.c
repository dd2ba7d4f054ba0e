#include "transfer/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "image/own-ids.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "transfer/jobs.h"

#define PARTS_MAX 128
#define EVERY_US 100000 /* a part is not told about more often */

enum message_kind { MESSAGE_BEGUN, MESSAGE_PROGRESS, MESSAGE_END };

struct message {
	enum message_kind kind;
	uint32_t id;
	uint64_t done, total;
	char part[JOB_PART_ROOM]; /* "": all of it */
	struct failure failure;	  /* at the end; code 0: none */
};

/* ---- inside ---- */

struct part {
	char name[JOB_PART_ROOM];
	uint64_t done, total, told_us;
};

struct job {
	const struct job_request *request;
	int channel, record;
	struct jobs_entry entry;
	bool whole; /* how far all of it is was told; else it is the sum of its parts */
	struct part parts[PARTS_MAX];
	size_t part_count;
};

/* The front end may be gone, or slow: then it does not hear of it. */
static void tell(const struct job *job, const struct message *message)
{
	(void)send(job->channel, message, sizeof(*message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct part *find_part(struct job *job, const char *name)
{
	struct part *part;

	for (size_t i = 0; i < job->part_count; i++)
		if (strncmp(job->parts[i].name, name, JOB_PART_ROOM - 1) == 0)
			return &job->parts[i];
	if (job->part_count == PARTS_MAX)
		return NULL;
	part = &job->parts[job->part_count++];
	snprintf(part->name, sizeof(part->name), "%s", name);
	return part;
}

static void note_sum(struct job *job)
{
	uint64_t done = 0, total = 0;
	bool known = true;

	for (size_t i = 0; i < job->part_count; i++) {
		const struct part *part = &job->parts[i];

		if (part->name[0] == '\0' ? !job->whole : job->whole)
			continue;
		done += part->done;
		total += part->total;
		known = known && part->total > 0;
	}
	jobs_note(job->record, done, known ? total : 0);
}

void job_progress(struct job *job, const char *name, uint64_t done, uint64_t total)
{
	struct message message = { .kind = MESSAGE_PROGRESS, .done = done, .total = total };
	struct part *part = find_part(job, name != NULL ? name : "");
	uint64_t now = clock_monotonic_us();

	if (part == NULL)
		return;
	job->whole = job->whole || name == NULL;
	part->done = done;
	part->total = total;
	if (part->told_us != 0 && now - part->told_us < EVERY_US && done != total)
		return;
	part->told_us = now;
	note_sum(job);
	memcpy(message.part, part->name, sizeof(message.part));
	tell(job, &message);
}

static void hear_progress(void *context, uint64_t done, uint64_t total)
{
	job_progress(context, NULL, done, total);
}

struct worker_listener job_listener(struct job *job)
{
	return (struct worker_listener){ .progress = hear_progress, .context = job };
}

static void prepare(int log_fd)
{
	autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	(void)setsid();
	/* What the caller's terminal and the front end's end would do to it, and did meanwhile. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)dup2(log_fd, STDERR_FILENO);
	/* Whoever reads what the front end prints shall see its end. */
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
}

int job_become_root(struct arena *arena, const char *const *environment)
{
	int r = own_ids_become_root(arena, environment);

	if (r >= 0 && !namespace_is_initial_user() && unshare(CLONE_NEWNS) < 0)
		return fail(-errno, "cannot make a mount namespace for the transfer");
	return r;
}

static int run_noted(struct arena *arena, struct job *job)
{
	const struct job_request *request = job->request;
	struct message begun = { .kind = MESSAGE_BEGUN, .id = job->entry.id };
	int r;

	tell(job, &begun);
	r = job_become_root(arena, request->environment);
	if (r >= 0)
		r = request->run(job, request->context);
	jobs_forget(request->runtime, job->entry.id);
	return r;
}

_Noreturn static void inside(struct arena *arena, const struct job_request *request, int channel,
			     int log_fd)
{
	struct job *job = arena_take(arena, sizeof(*job));
	struct message end = { .kind = MESSAGE_END };
	int r;

	prepare(log_fd);
	fail_forget();
	*job = (struct job){
		.request = request,
		.channel = channel,
		.record = -EBADF,
		.entry = {
			.type = request->type,
			.class = request->class,
			.local = request->local,
			.remote = request->remote,
			.pool = request->pool,
			.made = request->made,
		},
	};
	r = jobs_add(arena, &job->record, &job->entry, request->runtime);
	if (r >= 0)
		r = run_noted(arena, job);
	if (r < 0 && fail_recorded()->code == 0)
		fail(r, "cannot finish the transfer");
	if (r < 0)
		end.failure = *fail_recorded();
	/* The last word is worth waiting for; whoever should hear it lives, or has closed. */
	(void)send(channel, &end, sizeof(end), MSG_NOSIGNAL);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- outside ---- */

struct outside {
	const struct job_watcher *watcher;
	pid_t pid;
	int channel, log, signals;
	bool ended; /* it said so */
	struct failure failure;
};

static void hear_log(struct outside *outside)
{
	char text[4096];
	ssize_t size;

	while ((size = read(outside->log, text, sizeof(text))) > 0)
		if (outside->watcher->logged != NULL)
			outside->watcher->logged(outside->watcher->context, text, (size_t)size);
}

/* 0: there will be no more. */
static int hear(struct outside *outside)
{
	const struct job_watcher *watcher = outside->watcher;
	struct message message;
	ssize_t size = recv(outside->channel, &message, sizeof(message), MSG_DONTWAIT);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (size != (ssize_t)sizeof(message))
		return 0;
	switch (message.kind) {
	case MESSAGE_BEGUN:
		if (watcher->begun != NULL)
			watcher->begun(watcher->context, message.id);
		break;
	case MESSAGE_PROGRESS:
		message.part[JOB_PART_ROOM - 1] = '\0';
		if (watcher->progress != NULL)
			watcher->progress(watcher->context,
					  message.part[0] != '\0' ? message.part : NULL,
					  message.done, message.total);
		break;
	case MESSAGE_END:
		outside->ended = true;
		outside->failure = message.failure;
		break;
	}
	return 1;
}

static int reap(struct outside *outside, enum job_end *ret)
{
	int status;

	while (waitpid(outside->pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(-errno, "cannot wait for the transfer");
	hear_log(outside);
	if (outside->ended && outside->failure.code < 0) {
		fail_adopt(&outside->failure);
		return outside->failure.code;
	}
	*ret = outside->ended ? JOB_DONE : JOB_KILLED;
	return 0;
}

static int watch(struct outside *outside, enum job_end *ret)
{
	struct pollfd fds[] = {
		{ .fd = outside->channel, .events = POLLIN },
		{ .fd = outside->log, .events = POLLIN },
		{ .fd = outside->signals, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno == EINTR)
				continue;
			return fail(-errno, "cannot wait for the transfer");
		}
		if (fds[1].revents != 0)
			hear_log(outside);
		if (fds[1].revents & POLLHUP)
			fds[1].fd = -1;
		if (fds[0].revents != 0 && hear(outside) == 0)
			return reap(outside, ret);
		if (fds[2].revents != 0) {
			*ret = JOB_LEFT;
			return 0;
		}
	}
}

static int start(struct arena *arena, struct outside *outside, const struct job_request *request)
{
	autoclose int far_channel = -EBADF, far_log = -EBADF;
	int channel[2], log[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
		return -errno;
	outside->channel = channel[0];
	far_channel = channel[1];
	if (pipe2(log, O_CLOEXEC) < 0)
		return -errno;
	outside->log = log[0];
	far_log = log[1];
	if (fcntl(log[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	outside->pid = fork();
	if (outside->pid < 0)
		return -errno;
	if (outside->pid == 0) {
		fd_close(&outside->channel);
		fd_close(&outside->log);
		inside(arena, request, far_channel, far_log);
	}
	return 0;
}

int job_run(struct arena *arena, enum job_end *ret, const struct job_request *request,
	    const struct job_watcher *watcher)
{
	static const struct job_watcher nobody = { 0 };
	autoclose int channel = -EBADF, log = -EBADF, signals = -EBADF;
	struct outside outside = {
		.watcher = watcher != NULL ? watcher : &nobody,
		.channel = -EBADF,
		.log = -EBADF,
	};
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r = start(arena, &outside, request);
	channel = outside.channel;
	log = outside.log;
	if (r < 0)
		return fail(r, "cannot start a process for the transfer");
	outside.signals = signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0)
		return fail(-errno, "cannot wait for signals");
	return watch(&outside, ret);
}
