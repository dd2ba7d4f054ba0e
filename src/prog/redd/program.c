#include "prog/redd/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/own-ids.h"
#include "io/child.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/process.h"
#include "prog/redd/sum.h"

static char *find(struct arena *arena, const char *const *environment, const char *name)
{
	const char *path = text_variable(environment, "PATH");
	char self[4096];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (size > 0) {
		char *beside;

		self[size] = '\0';
		beside = path_join(arena, path_parent(arena, self), name);
		if (access(beside, X_OK) == 0)
			return beside;
	}
	return child_find(arena, path != NULL ? path : "/usr/bin:/bin", name);
}

static int refuse_missing(const char *name)
{
	return fail_plain(-ENOENT,
			  "cannot find the program '%s', neither beside this one nor in $PATH",
			  name);
}

int program_run(struct arena *arena, const char *const *environment, const char *const *arguments,
		int lock_fd, bool quiet)
{
	struct child_request request = {
		.path = find(arena, environment, arguments[0]),
		.arguments = (char *const *)arguments,
		.environment = (char *const *)environment,
		.stdio = { -EBADF, quiet ? -EBADF : STDERR_FILENO, STDERR_FILENO },
		.kept = lock_fd,
		.timeout_us = CHILD_FOREVER,
	};
	int status, r;

	if (request.path == NULL)
		return refuse_missing(arguments[0]);
	r = child_run(&status, &request);
	if (r < 0)
		return fail(r, "cannot run '%s'", request.path);
	return status == 0 ? 0 : fail_plain(-EIO, "'%s' failed", arguments[0]);
}

int program_ask(struct arena *arena, const char *const *environment, const char *const *arguments,
		uint64_t timeout_us, const char **ret)
{
	autoclose int out = memfd_create("answer", MFD_CLOEXEC);
	struct child_request request = {
		.path = find(arena, environment, arguments[0]),
		.arguments = (char *const *)arguments,
		.environment = (char *const *)environment,
		.stdio = { -EBADF, out, -EBADF },
		.timeout_us = timeout_us,
	};
	size_t size;
	char *text;
	int status, r;

	if (request.path == NULL)
		return refuse_missing(arguments[0]);
	if (out < 0)
		return fail(-errno, "cannot make a file for an answer");
	r = child_run(&status, &request);
	if (r < 0)
		return fail(r, "cannot run '%s'", request.path);
	r = lseek(out, 0, SEEK_SET) < 0 ? -errno
					: file_read_fd(arena, &text, &size, out, PROGRAM_TEXT_MAX);
	if (r < 0)
		return fail(r, "cannot read what '%s' said", arguments[0]);
	*ret = text;
	return 0;
}

/* ---- over the user's ids ---- */

static void run_in_child(struct arena *arena, const char *const *environment, program_task_fn *task,
			 void *context, int out)
{
	const char *text = NULL;
	int r = own_ids_become_root(arena, environment);

	if (r >= 0)
		r = task(arena, context, &text);
	if (r < 0)
		log_error("%s", fail_recorded()->text);
	if (r >= 0 && text != NULL)
		r = fd_write_all(out, text, strlen(text));
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

int program_as_owner(struct arena *arena, const char *const *environment, program_task_fn *task,
		     void *context, const char **ret)
{
	autoclose int pidfd = -EBADF, in = -EBADF, out = -EBADF;
	char text[PROGRAM_ANSWER_MAX] = "";
	siginfo_t info;
	ssize_t size;
	int both[2], r;
	pid_t pid;

	if (geteuid() == 0)
		return task(arena, context, ret);
	if (pipe2(both, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe");
	in = both[0];
	out = both[1];
	pid = process_clone(0, -EBADF, &pidfd);
	if (pid == 0)
		run_in_child(arena, environment, task, context, out);
	fd_close(&out);
	r = pid < 0 ? (int)pid : process_wait(pidfd, &info, 0);
	if (r < 0)
		return fail(r, "cannot make a process for your files");
	size = read(in, text, sizeof(text) - 1);
	*ret = size > 0 ? arena_text(arena, text) : NULL;
	return info.si_code == CLD_EXITED && info.si_status == EXIT_SUCCESS
		       ? 0
		       : fail_plain(-EIO, "cannot go on");
}

struct removal {
	const char *room, *name;
};

static int remove_it(struct arena *arena, void *context, const char **ret)
{
	const struct removal *removal = context;
	autoclose int fd = open(removal->room, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : dir_remove_all(fd, removal->name);

	(void)arena;
	(void)ret;
	return r < 0 ? fail(r, "cannot remove '%s/%s'", removal->room, removal->name) : 0;
}

int program_remove(struct arena *arena, const char *const *environment, const char *room,
		   const char *name)
{
	struct removal removal = { room, name };
	const char *nothing;

	return program_as_owner(arena, environment, remove_it, &removal, &nothing);
}

static int sum_it(struct arena *arena, void *context, const char **ret)
{
	return sum_tree(arena, ret, *(const char *const *)context);
}

int program_sum(struct arena *arena, const char *const *environment, const char **ret,
		const char *path)
{
	return program_as_owner(arena, environment, sum_it, &path, ret);
}
