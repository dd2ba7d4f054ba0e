#include "engine/reexec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/handover.h"
#include "engine/network-resume.h"
#include "engine/run.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/memory.h"

#define ANSWER_TIMEOUT_US (5 * 1000 * 1000)
#define FDS_MAX (1 + STATE_FDS)

extern char **environ;

/* What anybody may write to is nothing that root runs. In a user namespace of ours the host's root
 * is nobody. */
static int check_owner(const char *program, bool outer)
{
	struct stat st;

	if (stat(program, &st) < 0)
		return fail(-errno, "cannot run '%s'", program);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 022) != 0 ||
	    (st.st_uid != 0 && st.st_uid != geteuid() && !outer))
		return fail_plain(-EPERM,
				  "cannot run '%s': it must be a file of root's, or yours, that "
				  "nobody else may write to",
				  program);
	return 0;
}

static int check_version(struct arena *arena, const char *program)
{
	char *words[] = {
		arena_text(arena, program),
		arena_format(arena, "--state-version=%d", STATE_VERSION),
		NULL,
	};
	struct child_request request = {
		.path = program,
		.arguments = words,
		.stdio = { -EBADF, -EBADF, -EBADF },
		.timeout_us = ANSWER_TIMEOUT_US,
	};
	int status, r;

	r = child_run(&status, &request);
	if (r < 0)
		return fail(r, "cannot run '%s'", program);
	if (status != 0)
		return fail_plain(-EPROTONOSUPPORT,
				  "cannot run '%s': it does not understand this supervisor's state "
				  "(restart the machine instead)",
				  program);
	return 0;
}

static void pass_on(const int *fds, size_t count, bool pass)
{
	for (size_t i = 0; i < count; i++)
		(void)fcntl(fds[i], F_SETFD, pass ? 0 : FD_CLOEXEC);
}

/* The original words stay, for who looks at the list of processes. */
static char **words_for(struct arena *arena, const struct run_request *request, const int *fds,
			size_t count)
{
	struct text_list words = { 0 };
	char *list = arena_format(arena, "--resume=%d", fds[0]);

	for (size_t i = 1; i < count; i++)
		list = arena_format(arena, "%s,%d", list, fds[i]);
	text_list_add(arena, &words, arena_text(arena, request->arguments[0]));
	text_list_add(arena, &words, list);
	for (size_t i = 1; request->arguments[i] != NULL; i++)
		text_list_add(arena, &words, arena_text(arena, request->arguments[i]));
	return words.items;
}

static int become(struct arena *arena, struct container *container)
{
	const struct run_request *request = container->request;
	autoclose int file = -EBADF;
	struct state state;
	int fds[STATE_FDS], passed[FDS_MAX], r;
	size_t count = 0;
	char **words;

	handover_collect(arena, &state, fds, container);
	state_mark(&state, fds);
	file = state_save(&state);
	if (file < 0)
		return fail(file, "cannot save the state of machine '%s'", state.machine);
	passed[count++] = file;
	for (int i = 0; i < STATE_FDS; i++)
		if (fds[i] >= 0)
			passed[count++] = fds[i];
	words = words_for(arena, request, passed, count);
	pass_on(passed, count, true);
	execve(request->program, words, environ);
	r = -errno;
	pass_on(passed, count, false);
	return fail(r, "cannot run '%s'", request->program);
}

static int try_to(struct arena *arena, struct container *container)
{
	const char *program = container->request->program;
	int r;

	if (program == NULL || container->request->arguments == NULL)
		return fail_plain(-EOPNOTSUPP, "who started it keeps no command line");
	r = check_owner(program, container->resources.outer);
	if (r >= 0)
		r = check_version(arena, program);
	return r < 0 ? r : become(arena, container);
}

void reexec(struct container *container)
{
	struct arena scratch = { 0 };
	int r = try_to(&scratch, container);

	log_warning("cannot replace the supervisor of machine '%s': %s, going on with the old one",
		    container->spec->machine, fail_recorded()->text);
	fail_forget();
	if (record_reexec(&container->resources.record, r) < 0)
		fail_forget();
	arena_done(&scratch);
	memory_shrink();
}

/* ---- the new program ---- */

static int parse_fds(struct arena *arena, int ret[FDS_MAX], const char *text)
{
	struct text_list words = { 0 };
	uint32_t fd;

	text_split(arena, &words, text, ",");
	if (words.count == 0 || words.count > FDS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < words.count; i++) {
		if (parse_u32(&fd, words.items[i]) < 0 || fd < 3 || fd > INT32_MAX ||
		    fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
			return -EINVAL;
		ret[i] = (int)fd;
	}
	return (int)words.count;
}

int reexec_arrive(struct container *container, const char *text)
{
	int passed[FDS_MAX], fds[STATE_FDS], count, r;
	struct state state;

	count = parse_fds(container->arena, passed, text);
	if (count < 0)
		return fail_input("cannot take over from '%s': these are no descriptors", text);
	r = state_load(container->arena, &state, passed[0]);
	if (r >= 0)
		r = state_spread(fds, &state, passed + 1, (size_t)count - 1);
	if (r < 0)
		return fail(r, "cannot understand the state of the program before");
	fd_close(&passed[0]);
	r = handover_restore(container, &state, fds);
	if (r < 0)
		return r;
	/* Who waits for the note counts on answers. */
	network_resume(container);
	log_debug("the supervisor of machine '%s' was replaced", state.machine);
	return record_reexec(&container->resources.record, 0);
}
