#include "prog/machinectl/log-source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "kernel/resolve.h"
#include "machine/detach.h"
#include "machine/enter-shield.h"
#include "machine/enter.h"
#include "machine/find.h"
#include "prog/machinectl/machinectl.h"

#define CHUNK 16384
#define LOOK_BACK_MAX (8 * 1024 * 1024) /* for the last lines: no more of the file is read */
#define LINES_MAX 100000

/* ---- showing ---- */

/* Line breaks and tabs are what a log is made of; everything else is its writer's choice. Each
 * terminal that a line came through has put a carriage return before the break. */
static int show(const struct context *context, const char *text, size_t size)
{
	autoarena struct arena scratch = { 0 };
	int r = 0;

	if (!context->program.terminal)
		return fd_write_all(STDOUT_FILENO, text, size);
	for (size_t at = 0; at < size && r >= 0;) {
		size_t length = 0, shown;
		const char *part;

		while (at + length < size && !strchr("\n\t", text[at + length]))
			length++;
		shown = length;
		while (at + length < size && text[at + length] == '\n' && shown > 0 &&
		       text[at + shown - 1] == '\r')
			shown--;
		part = text_printable(&scratch, arena_text_n(&scratch, text + at, shown));
		r = fd_write_all(STDOUT_FILENO, part, strlen(part));
		at += length;
		for (; at < size && text[at] != '\0' && strchr("\n\t", text[at]) && r >= 0; at++)
			r = fd_write_all(STDOUT_FILENO, text + at, 1);
		at += at < size && text[at] == '\0';
	}
	return r;
}

/* Until the end: by whole lines, so that no character is cut in two. */
static int show_stream(const struct context *context, int fd)
{
	char text[CHUNK];
	size_t used = 0;
	ssize_t n;
	int r = 0;

	while (r >= 0 && (n = read(fd, text + used, sizeof(text) - used)) != 0) {
		const char *last;
		size_t whole;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		used += (size_t)n;
		last = memrchr(text, '\n', used);
		whole = last != NULL ? (size_t)(last + 1 - text) : used == sizeof(text) ? used : 0;
		r = show(context, text, whole);
		used -= whole;
		memmove(text, text + whole, used);
	}
	return r < 0 || used == 0 ? r : show(context, text, used);
}

static int fail_show(int r)
{
	return r == -EPIPE ? 1 : fail(r, "cannot show the log");
}

/* ---- programs ---- */

static char **journal_arguments(const struct context *context, const char *unit, const char *name)
{
	const char *option = geteuid() == 0 ? "--unit" : "--user-unit";
	struct arena *arena = context->arena;
	struct text_list list = { 0 };

	text_list_add(arena, &list, arena_text(arena, "journalctl"));
	text_list_add(arena, &list, arena_text(arena, "--no-pager"));
	text_list_add(arena, &list, arena_text(arena, "--quiet"));
	text_list_add(arena, &list, arena_format(arena, "--lines=%u", context->options.lines));
	text_list_add(arena, &list, arena_format(arena, "--output=%s", context->options.output));
	if (context->options.follow)
		text_list_add(arena, &list, arena_text(arena, "--follow"));
	if (unit != NULL)
		text_list_add(arena, &list, arena_format(arena, "%s=%s", option, unit));
	if (name != NULL) {
		text_list_add(arena, &list,
			      arena_format(arena, "%s=container@%s.service", option, name));
		text_list_add(arena, &list,
			      arena_format(arena, "%s=systemd-nspawn@%s.service", option, name));
	}
	return list.items;
}

static pid_t start_host(const char *path, char *const *arguments, const struct context *context,
			int out, int *ret_pidfd)
{
	pid_t pid = process_clone(0, -EBADF, ret_pidfd);

	if (pid != 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execve(path, arguments, (char *const *)context->program.environment);
	_exit(127);
}

static int show_program(const struct context *context, int pidfd, int *out, int in)
{
	siginfo_t info;
	int r;

	fd_close(out);
	r = show_stream(context, in);
	if (r < 0) {
		process_signal(pidfd, SIGTERM);
		process_wait(pidfd, &info, 0);
		return fail_show(r);
	}
	r = process_wait(pidfd, &info, 0);
	if (r < 0)
		return fail(r, "cannot wait for 'journalctl'");
	if (info.si_code != CLD_EXITED || info.si_status != 0)
		return fail_plain(-EIO, "cannot show the log: 'journalctl' failed");
	return 1;
}

int log_from_host(const struct context *context, const char *unit, const char *name)
{
	static const char *const places[] = { "/usr/bin/journalctl", "/bin/journalctl" };
	autoclose int in = -EBADF, out = -EBADF, pidfd = -EBADF;
	const char *path = NULL;
	int pipes[2];
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(places) && path == NULL; i++)
		if (access(places[i], X_OK) == 0)
			path = places[i];
	if (path == NULL)
		return 0;
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe");
	in = pipes[0];
	out = pipes[1];
	pid = start_host(path, journal_arguments(context, unit, unit == NULL ? name : NULL),
			 context, out, &pidfd);
	if (pid < 0)
		return fail(pid, "cannot run '%s'", path);
	return show_program(context, pidfd, &out, in);
}

static bool has_journal(int root)
{
	static const char *const needed[][2] = { { "usr/bin/journalctl", "bin/journalctl" },
						 { "run/log/journal", "var/log/journal" } };

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		autoclose int first = resolve_open(root, needed[i][0], O_PATH);
		autoclose int second = resolve_open(root, needed[i][1], O_PATH);

		if (first < 0 && second < 0)
			return false;
	}
	return true;
}

int log_from_guest(const struct context *context, const struct machine *machine)
{
	autoclose int in = -EBADF, out = -EBADF, pidfd = -EBADF, null = -EBADF;
	struct enter_program program = { .terminal = -EBADF };
	struct enter enter = ENTER_EMPTY;
	int pipes[2], r;
	pid_t pid;

	r = enter_open(context->arena, &enter, machine);
	if (r < 0)
		return r;
	r = has_journal(enter.root_fd) ? 1 : 0;
	if (r > 0 && enter_shield(&enter, context->program.arguments) < 0)
		r = fail_recorded()->code;
	if (r > 0)
		r = guest_users_find(context->arena, &program.user, enter.root_fd, NULL) < 0
			    ? fail_recorded()->code
			    : 1;
	if (r > 0 &&
	    (pipe2(pipes, O_CLOEXEC) < 0 || (null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0))
		r = fail(-errno, "cannot make a pipe");
	if (r <= 0) {
		enter_done(&enter);
		return r;
	}
	in = pipes[0];
	out = pipes[1];
	program.stdio[0] = null;
	program.stdio[1] = out;
	program.stdio[2] = null;
	program.arguments = journal_arguments(context, NULL, NULL);
	program.environment = enter_environment(context->arena, &enter, &program.user, NULL);
	r = enter_start(&enter, &program, &pid, &pidfd);
	enter_done(&enter);
	return r < 0 ? r : show_program(context, pidfd, &out, in);
}

/* ---- files ---- */

/* Where the last LINES lines begin. */
static int find_start(int fd, off_t size, uint32_t lines, off_t *ret)
{
	off_t from = size, least = size > LOOK_BACK_MAX ? size - LOOK_BACK_MAX : 0;
	char text[CHUNK];

	if (lines == 0)
		least = size;
	while (from > least) {
		size_t length = (size_t)MIN((off_t)sizeof(text), from - least);
		ssize_t n = pread(fd, text, length, from - (off_t)length);

		if (n < 0)
			return -errno;
		for (size_t i = (size_t)n; i > 0; i--)
			if (text[i - 1] == '\n' && from - (off_t)length + (off_t)i < size &&
			    --lines == 0) {
				*ret = from - (off_t)length + (off_t)i;
				return 0;
			}
		from -= (off_t)length;
	}
	*ret = from;
	return 0;
}

/* At its end: wait until there is more. A file that became shorter begins anew. */
static int wait_for_more(int fd, int inotify)
{
	struct pollfd poll_fd = { .fd = inotify, .events = POLLIN };
	char text[4096];
	struct stat st;

	while (poll(&poll_fd, 1, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (read(inotify, text, sizeof(text)) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < lseek(fd, 0, SEEK_CUR) && lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return 0;
}

/* A prompt that waits for somebody ends no line; what comes next on the terminal begins one. */
static int end_line(const struct context *context, int fd)
{
	off_t end = lseek(fd, 0, SEEK_CUR);
	char last;

	if (!context->program.terminal || end < 1 || pread(fd, &last, 1, end - 1) != 1 ||
	    last == '\n')
		return 0;
	return fd_write_all(STDOUT_FILENO, "\n", 1);
}

static int show_file(const struct context *context, int fd)
{
	autoclose int inotify = -EBADF;
	uint32_t lines = MIN(context->options.lines, LINES_MAX);
	char path[32];
	struct stat st;
	off_t start;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	inotify = inotify_init1(IN_CLOEXEC);
	if (inotify < 0 || inotify_add_watch(inotify, path, IN_MODIFY) < 0)
		return -errno;
	r = find_start(fd, st.st_size, lines, &start);
	if (r < 0)
		return r;
	if (lseek(fd, start, SEEK_SET) < 0)
		return -errno;
	r = show_stream(context, fd);
	while (r >= 0 && context->options.follow) {
		r = wait_for_more(fd, inotify);
		if (r >= 0)
			r = show_stream(context, fd);
	}
	if (r >= 0 && start < st.st_size)
		r = end_line(context, fd);
	return r < 0 ? r : 1;
}

int log_from_detached(const struct context *context, const char *name)
{
	const char *path = detach_log_path(context->arena, geteuid(), context->program.environment,
					   name);
	autoclose int fd = -EBADF;
	int r;

	if (path == NULL)
		return 0;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(-errno, "cannot open '%s'", path);
	r = show_file(context, fd);
	return r < 0 ? fail_show(r) : r;
}

int log_from_files(const struct context *context, const struct machine *machine)
{
	static const char *const places[] = { "var/log/messages", "var/log/syslog" };
	autoclose int root = machine_open_root(machine);
	int r = root < 0 ? root : 0;

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == 0; i++) {
		autoclose int fd = resolve_open_file(root, places[i]);

		r = fd < 0 ? 0 : show_file(context, fd);
		if (r < 0)
			return fail_show(r);
	}
	return r;
}
