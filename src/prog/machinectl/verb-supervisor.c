#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "machine/detach.h"
#include "machine/find.h"
#include "machine/reap.h"
#include "prog/machinectl/machinectl.h"

#define PATIENCE_US UINT64_C(20000000)
#define SENTENCE_MAX 1000

extern char **environ;

static int each(const struct context *context, const struct text_list *words,
		int (*act)(const struct context *context, const char *name))
{
	for (size_t i = 0; i < words->count; i++) {
		int r = act(context, words->items[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static void say(const struct context *context, const char *what, const char *name)
{
	if (!context->options.quiet)
		log_info("Machine %s %s", name, what);
}

static int poll_until(struct pollfd *polls, size_t count, uint64_t deadline)
{
	uint64_t now = clock_monotonic_us();
	int r;

	if (now >= deadline)
		return 0;
	r = poll(polls, count, (int)((deadline - now) / 1000) + 1);
	return r < 0 && errno != EINTR ? -errno : 1;
}

/* ---- adopt ---- */

/* A session of its own, nothing of our terminal; the machine's console goes to the log. */
static _Noreturn void become_supervisor(const char *program, const char *name, const char *log,
					int errors)
{
	autoarena struct arena arena = { 0 };
	char *words[] = { arena_text(&arena, program), arena_format(&arena, "--adopt=%s", name),
			  NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), out = -EBADF;

	setsid();
	if (log != NULL && dir_make_all(path_parent(&arena, log), 0755) >= 0)
		out = open(log, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	dup2(null, STDIN_FILENO);
	dup2(out < 0 ? null : out, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	execve(program, words, environ);
	log_error("cannot run '%s': %s", program, strerror(errno));
	_exit(EXIT_FAILURE);
}

/* It closes our pipe once the machine is its own; else it says first what went wrong. */
static int hear(const char *name, int pipe_fd)
{
	const uint64_t deadline = clock_monotonic_us() + PATIENCE_US;
	struct pollfd polls = { .fd = pipe_fd, .events = POLLIN };
	char text[SENTENCE_MAX];
	size_t size = 0;
	ssize_t n = 1;

	while (n > 0 && size < sizeof(text) - 1) {
		int r = poll_until(&polls, 1, deadline);

		if (r < 0)
			return fail(r, "cannot hear from the new supervisor of machine '%s'", name);
		if (r == 0)
			return fail_plain(-ETIMEDOUT,
					  "cannot adopt machine '%s': its new supervisor does not "
					  "answer",
					  name);
		n = read(pipe_fd, text + size, sizeof(text) - 1 - size);
		size += n > 0 ? (size_t)n : 0;
	}
	if (size == 0)
		return 0;
	text[size] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return fail_plain(-EIO, "%s", text);
}

static int adopt(const struct context *context, const char *name)
{
	autoclose int ours = -EBADF, theirs = -EBADF, pidfd = -EBADF;
	struct machine machine;
	const char *program, *log;
	int pair[2], r;
	pid_t pid;

	r = machine_open(context->arena, &machine, context->runtime, name);
	if (r < 0)
		return r;
	program = machine_note(&machine, RECORD_PROGRAM);
	if (machine.state != MACHINE_ABANDONED || program == NULL)
		return fail_plain(-EBUSY, "cannot adopt machine '%s': it has a supervisor", name);
	if (pipe2(pair, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe");
	ours = pair[0];
	theirs = pair[1];
	log = detach_log_path(context->arena, geteuid(), context->program.environment, name);
	pid = process_clone(0, -EBADF, &pidfd);
	if (pid == 0)
		become_supervisor(program, name, log, theirs);
	if (pid < 0)
		return fail(pid, "cannot fork a supervisor for machine '%s'", name);
	fd_close(&theirs);
	r = hear(name, ours);
	if (r >= 0)
		say(context, "has a supervisor again.", name);
	return r;
}

int verb_adopt(void *context, const struct text_list *words)
{
	return each(context, words, adopt);
}

/* ---- reexec ---- */

/* "TRIES ERROR" of the record; no replacement yet: 0. */
static unsigned long tries_of(const struct machine *machine, int *ret_error)
{
	const char *value = machine_note(machine, RECORD_REEXEC);

	*ret_error = record_parse_result(value);
	return value == NULL ? 0 : strtoul(value, NULL, 10);
}

static int conclude(const struct context *context, const char *name, int error)
{
	if (error < 0)
		return fail(error,
			    "cannot replace the supervisor of machine '%s', which goes on with the "
			    "old program and tells more where its messages go",
			    name);
	say(context, "runs on below the newest program.", name);
	return 0;
}

static int wait_for_note(const struct context *context, const struct machine *before, int watch,
			 int supervisor)
{
	const uint64_t deadline = clock_monotonic_us() + PATIENCE_US;
	struct pollfd polls[] = { { .fd = watch, .events = POLLIN },
				  { .fd = supervisor, .events = POLLIN } };
	unsigned long tries;
	int error, r;

	tries = tries_of(before, &error);
	for (;;) {
		struct machine now;
		char events[4096];

		if (!machine_is_there(context->arena, &now, before) || now.supervisor == 0)
			return fail_plain(-ENXIO,
					  "cannot replace the supervisor of machine '%s': it has "
					  "just ended",
					  before->name);
		if (tries_of(&now, &error) != tries)
			return conclude(context, before->name, error);
		r = poll_until(polls, ARRAY_SIZE(polls), deadline);
		if (r <= 0)
			return fail_plain(-ETIMEDOUT,
					  "cannot replace the supervisor of machine '%s': it does "
					  "not answer",
					  before->name);
		(void)!read(watch, events, sizeof(events));
	}
}

static int reexec(const struct context *context, const char *name)
{
	autoclose int supervisor = -EBADF, watch = -EBADF;
	struct machine machine;
	int r;

	r = machine_open_begun(context->arena, &machine, context->runtime, name);
	if (r < 0)
		return r;
	if (machine.state == MACHINE_ABANDONED)
		return fail_plain(-ENXIO,
				  "cannot replace the supervisor of machine '%s': it has none (try "
				  "'machinectl adopt %s')",
				  name, name);
	if (machine.leader == 0)
		return fail_plain(-EAGAIN,
				  "cannot replace the supervisor of machine '%s': it is still "
				  "starting (try again)",
				  name);
	supervisor = machine_open_supervisor(context->arena, &machine);
	watch = machine_watch_record(context->arena, machine.runtime, name);
	if (watch < 0)
		return fail(watch, "cannot watch the record of machine '%s'", name);
	r = supervisor < 0 ? supervisor : process_signal(supervisor, SUPERVISOR_REEXEC);
	if (r < 0)
		return fail(r, "cannot reach the supervisor of machine '%s'", name);
	return wait_for_note(context, &machine, watch, supervisor);
}

int verb_reexec(void *context, const struct text_list *words)
{
	return each(context, words, reexec);
}

/* ---- reap ---- */

static int reap(const struct context *context, const char *name)
{
	int r = reap_one(context->runtime, name);

	if (r == -EBUSY)
		return fail_plain(r, "cannot clean up after machine '%s': it is running", name);
	if (r == REAP_LIVES)
		return fail_plain(-EBUSY,
				  "cannot clean up after machine '%s': it runs without a "
				  "supervisor (try 'machinectl adopt %s' or 'machinectl terminate "
				  "%s')",
				  name, name, name);
	if (r == -EINVAL)
		return fail_input("cannot clean up after '%s': this is no machine name",
				  text_printable(context->arena, name));
	if (r < 0)
		return fail(r, "cannot clean up after machine '%s'", name);
	if (r > 0)
		say(context, "was cleaned up after.", name);
	return 0;
}

int verb_reap(void *context_, const struct text_list *words)
{
	const struct context *context = context_;
	int r;

	if (words->count > 0)
		return each(context, words, reap);
	r = reap_all(context->runtime);
	return r < 0 ? fail(r, "cannot clean up after all machines") : 0;
}
