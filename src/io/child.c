#include "io/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/fd.h"

/* What fd 0 to 2 become. *ret_copy: owned, to be closed after the spawn. */
static int plan_stdio(posix_spawn_file_actions_t *actions, int fd, int target, int *ret_copy)
{
	int copy;

	if (fd < 0)
		return -posix_spawn_file_actions_addopen(actions, target, "/dev/null", O_RDWR, 0);

	/* Away from 0 to 2, or an earlier dup2() would overwrite what a later one copies. */
	copy = fd_duplicate(fd);
	if (copy < 0)
		return copy;
	*ret_copy = copy;
	return -posix_spawn_file_actions_adddup2(actions, copy, target);
}

/* The supervisor blocks signals for its signalfd; a child would inherit that. These cannot fail. */
static void plan_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(pid_t *ret, const struct child_request *request)
{
	static char *const nothing[] = { NULL };
	char *const *environment = request->environment == NULL ? nothing : request->environment;
	int copies[3] = { -EBADF, -EBADF, -EBADF };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = 0;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	plan_signals(&attributes);
	for (int i = 0; i < 3 && r == 0; i++)
		r = plan_stdio(&actions, request->stdio[i], i, &copies[i]);
	if (r == 0 && request->kept > 0)
		r = -posix_spawn_file_actions_adddup2(&actions, request->kept, 3);
	/* Ours are O_CLOEXEC; what the user's shell left open for us may not be. */
	if (r == 0)
		r = -posix_spawn_file_actions_addclosefrom_np(&actions, request->kept > 0 ? 4 : 3);
	if (r == 0)
		r = -posix_spawn(ret, request->path, &actions, &attributes, request->arguments,
				 environment);
	for (int i = 0; i < 3; i++)
		fd_close(&copies[i]);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int reap(int *ret_status, pid_t pid)
{
	siginfo_t info;

	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
	return 0;
}

static int wait_until(int pidfd, uint64_t deadline_us)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		uint64_t now = clock_monotonic_us();
		int timeout_ms, n;

		if (now >= deadline_us)
			return -ETIMEDOUT;
		timeout_ms = (int)MIN((deadline_us - now) / 1000 + 1, 60000u);
		n = poll(&ended, 1, timeout_ms);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

int child_run(int *ret_status, const struct child_request *request)
{
	uint64_t now_us = clock_monotonic_us(),
		 deadline_us = now_us + MIN(request->timeout_us, CHILD_FOREVER - now_us);
	autoclose int pidfd = -EBADF;
	int r, status;
	pid_t pid;

	assert(request->path[0] == '/');
	r = spawn(&pid, request);
	if (r < 0)
		return r;

	/* Not reaped yet, so the number is still this child's. */
	pidfd = pidfd_open(pid, 0);
	r = pidfd < 0 ? -errno : wait_until(pidfd, deadline_us);
	if (r < 0) {
		kill(pid, SIGKILL);
		reap(&status, pid);
		return r;
	}
	r = reap(&status, pid);
	if (r == 0)
		*ret_status = status;
	return r;
}

char *child_find(struct arena *arena, const char *path, const char *name)
{
	struct text_list directories = { 0 };
	char *full;

	if (strchr(name, '/') != NULL)
		return path_is_absolute(name) ? arena_text(arena, name) : NULL;
	text_split(arena, &directories, path == NULL ? "/usr/bin:/bin" : path, ":");
	for (size_t i = 0; i < directories.count; i++) {
		if (!path_is_absolute(directories.items[i]))
			continue;
		full = path_join(arena, directories.items[i], name);
		if (access(full, X_OK) == 0)
			return full;
	}
	return NULL;
}
