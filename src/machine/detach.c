#include "machine/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/process.h"
#include "kernel/syscall.h"
#include "machine/detach-loop.h"
#include "machine/find.h"
#include "machine/record.h"
#include "machine/service.h"

#define LAST_LINE_ROOM 4096
#define LOCK_TRIES 10
#define DIRECTORY "detached"

char *detach_log_path(struct arena *arena, unsigned int uid, const char *const *environment,
		      const char *name)
{
	const char *state = text_variable(environment, "XDG_STATE_HOME");
	const char *home = text_variable(environment, "HOME");

	if (uid == 0)
		return arena_format(arena, "/var/log/redd/%s.log", name);
	if (!text_empty(state) && path_is_absolute(state))
		return arena_format(arena, "%s/redd/log/%s.log", state, name);
	if (!text_empty(home) && path_is_absolute(home))
		return arena_format(arena, "%s/.local/state/redd/log/%s.log", home, name);
	return NULL;
}

/* ---- the lock, which is the record ---- */

static char *directory_of(struct arena *arena, const char *runtime)
{
	return path_join(arena, runtime, DIRECTORY);
}

static int make_directory(struct arena *arena, const char *runtime)
{
	const char *path = directory_of(arena, runtime);
	int r = dir_make_all(path, 0755);
	autoclose int fd = -EBADF;

	if (r < 0)
		return fail(r, "cannot make '%s'", path);
	fd = record_open_runtime(runtime, DIRECTORY);
	if (fd == -EPERM)
		return record_fail_foreign(runtime);
	return fd < 0 ? fail(fd, "cannot open '%s'", path) : 0;
}

static bool is_locked(int fd)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

static int take_lock(int *ret, const char *path, const char *name)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	for (int i = 0; i < LOCK_TRIES; i++) {
		autoclose int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		struct stat st;

		if (fd < 0)
			return fail(-errno, "cannot make '%s'", path);
		if (fcntl(fd, F_OFD_SETLK, &range) < 0)
			break;
		/* Who held it removed it while we opened it? */
		if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
			*ret = take_fd(&fd);
			return 0;
		}
	}
	return fail_plain(-EBUSY,
			  "cannot start machine '%s': it has a supervisor already, which starts or "
			  "stops it just now (try again, or 'machinectl stop %s')",
			  name, name);
}

/* A pidfd that certainly is the supervisor's: it still holds the lock after we have got hold of
 * the process. -ENXIO: there is none, and not that nobody can tell. */
static int open_supervisor(const char *runtime, const char *name, bool *ret_ready)
{
	autoclose int dir = record_open_runtime(runtime, DIRECTORY), fd = -EBADF, pidfd = -EBADF;
	char text[32] = "";
	ssize_t size;
	uint32_t pid;

	if (dir < 0 || !name_is_machine(name))
		return dir == -ENOENT || dir >= 0 ? -ENXIO : dir;
	fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENXIO : -errno;
	size = is_locked(fd) ? pread(fd, text, sizeof(text) - 1, 0) : 0;
	if (size <= 0)
		return size < 0 ? -errno : -ENXIO;
	*ret_ready = strstr(text, "\n" DETACH_READY "\n") != NULL;
	text[strcspn(text, "\n")] = '\0';
	if (parse_u32(&pid, text) < 0 || pid <= 1)
		return -ENXIO;
	pidfd = sys_pidfd_open((pid_t)pid, 0);
	if (pidfd == -ESRCH || !is_locked(fd))
		return -ENXIO;
	return take_fd(&pidfd);
}

/* ---- starting ---- */

/* Without what was meant for us alone. */
static char *const *environment_of(struct arena *arena, const struct detach *detach,
				   const char *socket)
{
	static const char *const ours[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
					    "LISTEN_FDS",    "LISTEN_PID",    "LISTEN_FDNAMES",
					    "TERM" };
	struct text_list list = { 0 };

	for (const char *const *at = detach->environment; *at != NULL; at++) {
		bool keep = true;

		for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
			keep = keep && text_assigned(*at, ours[i]) == NULL;
		if (keep)
			text_list_add(arena, &list, arena_text(arena, *at));
	}
	text_list_add(arena, &list, arena_format(arena, "NOTIFY_SOCKET=%s", socket));
	return list.items;
}

static int bind_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail(-errno, "cannot make a socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return fail(-ENAMETOOLONG, "cannot make '%s'", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (fd_tell_senders(fd) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return fail(-errno, "cannot make '%s'", path);
	return take_fd(&fd);
}

static int open_log(struct arena *arena, const char *path)
{
	int fd, r;

	r = dir_make_all(path_parent(arena, path), 0750);
	if (r < 0)
		return fail(r, "cannot make '%s'", path_parent(arena, path));
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0640);
	return fd < 0 ? fail(-errno, "cannot open the log '%s'", path) : fd;
}

struct start {
	const struct detach *detach;
	struct detach_loop loop;
	int lock_fd;
	char *lock, *socket;
};

/* The supervisor: nothing of who started it stays open, not even its directory. */
static void supervise(struct start *start)
{
	int keep[] = { start->lock_fd, start->loop.log_fd, start->loop.notify_fd,
		       start->loop.answer_fd };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	fd_close_all(STDERR_FILENO + 1, keep, ARRAY_SIZE(keep));
	(void)!chdir("/");
	umask(022);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	start->loop.lock_fd = start->lock_fd;
	if (detach_note(start->lock_fd, false) >= 0)
		detach_loop(&start->loop);
	unlink(start->socket);
	unlink(start->lock);
	_exit(EXIT_SUCCESS);
}

/* Two processes, so that the supervisor is init's child and no zombie of ours. */
static int leave_behind(struct start *start)
{
	autoclose int pidfd = -EBADF;
	siginfo_t info;
	pid_t pid = process_clone(0, -EBADF, &pidfd);

	if (pid == 0) {
		int second;

		setsid();
		pid = process_clone(0, -EBADF, &second);
		if (pid == 0)
			supervise(start);
		_exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	if (pid < 0)
		return pid;
	pid = process_wait(pidfd, &info, 0);
	return pid < 0 ? pid : info.si_status == 0 ? 0 : -EAGAIN;
}

/* What the runner said last, from FROM on; it may hold what a guest printed. */
static char *last_line(struct arena *arena, const char *path, off_t from)
{
	autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[LAST_LINE_ROOM];
	struct text_list lines = { 0 };
	struct stat st;
	ssize_t size;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	from = MAX(from, st.st_size - (off_t)sizeof(text) + 1);
	size = pread(fd, text, sizeof(text) - 1, MAX(from, 0));
	if (size <= 0)
		return NULL;
	text[size] = '\0';
	text_split(arena, &lines, text, "\r\n");
	return lines.count == 0 ? NULL : lines.items[lines.count - 1];
}

/* 0: it is ready. -ETIMEDOUT: not in time. -EIO: it failed. */
static int await_answer(int answer_fd, uint64_t limit_us)
{
	struct pollfd answer = { .fd = answer_fd, .events = POLLIN };
	uint64_t now = clock_monotonic_us(), deadline = now + MIN(limit_us, UINT64_MAX - now);

	for (;;) {
		uint64_t more;
		int n;

		now = clock_monotonic_us();
		n = poll(&answer, 1,
			 now >= deadline ? 0 : (int)MIN((deadline - now) / 1000 + 1, 1u << 30));
		if (n == 0 && clock_monotonic_us() >= deadline)
			return -ETIMEDOUT;
		if (n <= 0)
			continue;
		if (fd_read_all(answer_fd, &more, sizeof(more)) < 0)
			return -EIO;
		if (more == 0)
			return 0;
		now = clock_monotonic_us();
		deadline = MAX(deadline, now + MIN(more, UINT64_MAX - now));
	}
}

static int await_ready(struct arena *arena, const struct start *start, int answer_fd, off_t from)
{
	const uint64_t limit = start->detach->service->start_us;
	const char *name = start->detach->name, *line;
	int r = await_answer(answer_fd, limit != 0 ? limit : DETACH_START_US);

	if (r == -ETIMEDOUT) {
		detach_stop(start->detach->runtime, name);
		return fail_plain(-ETIMEDOUT, "cannot start machine '%s': it is not ready in time",
				  name);
	}
	if (r == 0)
		return 0;
	line = last_line(arena, start->loop.log_path, from);
	if (line == NULL)
		return fail_plain(-EIO, "cannot start machine '%s' (see '%s')", name,
				  start->loop.log_path);
	return fail_plain(-EIO, "cannot start machine '%s': %s", name, text_printable(arena, line));
}

static int prepare(struct arena *arena, struct start *start)
{
	const struct detach *detach = start->detach;
	const char *directory = directory_of(arena, detach->runtime);
	char *log = detach_log_path(arena, geteuid(), detach->environment, detach->name);
	int r;

	if (log == NULL)
		return fail_input("cannot tell where the log of machine '%s' goes (set $HOME)",
				  detach->name);
	start->lock = path_join(arena, directory, detach->name);
	start->socket = arena_format(arena, "%s/.%s", directory, detach->name);
	start->loop.log_path = log;
	start->loop.old_log_path = arena_format(arena, "%s.1", log);
	start->loop.environment = environment_of(arena, detach, start->socket);
	r = make_directory(arena, detach->runtime);
	if (r >= 0)
		r = take_lock(&start->lock_fd, start->lock, detach->name);
	if (r >= 0)
		r = start->loop.log_fd = open_log(arena, log);
	if (r >= 0)
		r = start->loop.notify_fd = bind_socket(start->socket);
	return r;
}

static void start_done(struct start *start)
{
	fd_close(&start->lock_fd);
	fd_close(&start->loop.log_fd);
	fd_close(&start->loop.notify_fd);
	fd_close(&start->loop.answer_fd);
}

int detach_start(struct arena *arena, const struct detach *detach)
{
	struct start start CLEANUP(start_done) = {
		.detach = detach,
		.loop = { .detach = detach,
			  .log_fd = -EBADF,
			  .notify_fd = -EBADF,
			  .answer_fd = -EBADF,
			  .pidfd = -EBADF },
		.lock_fd = -EBADF,
	};
	autoclose int answer_fd = -EBADF;
	struct stat st;
	int r, both[2];

	r = prepare(arena, &start);
	if (r < 0)
		return r;
	if (pipe2(both, O_CLOEXEC) < 0 || fstat(start.loop.log_fd, &st) < 0)
		return fail(-errno, "cannot make a pipe");
	answer_fd = both[0];
	start.loop.answer_fd = both[1];
	r = leave_behind(&start);
	if (r < 0)
		return fail(r, "cannot make a process that supervises machine '%s'", detach->name);
	start_done(&start);
	return await_ready(arena, &start, answer_fd, st.st_size);
}

/* ---- ending ---- */

void detach_let_go(const char *runtime, const char *name)
{
	bool ready;
	autoclose int pidfd = open_supervisor(runtime, name, &ready);

	if (pidfd >= 0)
		process_signal(pidfd, SIGUSR2);
}

int detach_is_ready(const char *runtime, const char *name)
{
	bool ready;
	autoclose int pidfd = open_supervisor(runtime, name, &ready);

	return pidfd < 0 ? pidfd : ready;
}

/* Its runner was killed before the supervisor was asked, and nothing has told the machine to end.
 */
static bool is_abandoned(const char *runtime, const char *name)
{
	autoarena struct arena arena = { 0 };
	struct machine machine;
	int r = machine_open(&arena, &machine, runtime, name);

	if (r < 0)
		fail_forget();
	return r >= 0 && machine.state == MACHINE_ABANDONED;
}

int detach_stop(const char *runtime, const char *name)
{
	bool ready;
	autoclose int pidfd = open_supervisor(runtime, name, &ready);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	int r;

	if (pidfd < 0)
		return pidfd == -ENXIO ? pidfd
				       : fail(pidfd, "cannot find the supervisor of '%s'", name);
	r = process_signal(pidfd, SIGUSR1);
	if (r < 0 && r != -ESRCH)
		return fail(r, "cannot signal the supervisor of '%s'", name);
	/* It uses force itself, so it ends for certain. */
	while (poll(&ended, 1, -1) < 0)
		if (errno != EINTR)
			return fail(-errno, "cannot wait for the supervisor of '%s'", name);
	return is_abandoned(runtime, name) ? -ENXIO : 0;
}

struct listing {
	struct arena *arena;
	struct text_list *names;
};

static int visit(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct listing *listing = context;
	autoclose int fd = -EBADF;

	(void)type;
	if (!name_is_machine(name))
		return 0;
	fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd >= 0 && is_locked(fd))
		text_list_add(listing->arena, listing->names, arena_text(listing->arena, name));
	return 0;
}

int detach_list(struct arena *arena, struct text_list *ret, const char *runtime)
{
	struct listing listing = { arena, ret };
	const char *path = directory_of(arena, runtime);
	autoclose int fd = record_open_runtime(runtime, DIRECTORY);
	int r;

	if (fd == -EPERM)
		return record_fail_foreign(runtime);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fail(fd, "cannot open '%s'", path);
	r = dir_walk(fd, visit, &listing);
	if (r < 0)
		return fail(r, "cannot read '%s'", path);
	text_list_sort(ret);
	return 0;
}
