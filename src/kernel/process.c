#include "kernel/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/fd.h"
#include "io/file.h"
#include "kernel/syscall.h"

#define REAP_PAUSE_MS 10
#define SPAWN_STACK 65536 /* execvp(3) puts a path on it */
#define PIDFS 0x50494446  /* linux/magic.h PID_FS_MAGIC, since 6.9 */
#define STAT_ROOM 1024
#define STAT_PATH_ROOM sizeof("/proc/-2147483648/stat")
#define STAT_START_TIME 22
#define STAT_EXIT_CODE 52

pid_t process_clone(uint64_t flags, int cgroup_fd, int *ret_pidfd)
{
	int pidfd = -EBADF;
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD, /* clone(2): the caller's */
	};
	pid_t pid;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = sys_clone3(&args);

	/* E2BIG: a kernel between 5.3 and 5.7, whose struct ends before the cgroup. */
	if (cgroup_fd >= 0 && (pid == -ENOSYS || pid == -E2BIG))
		return -EOPNOTSUPP;
	if (pid == -ENOSYS)
		pid = sys_clone((unsigned long)(flags | CLONE_PIDFD | SIGCHLD), &pidfd);
	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}

pid_t process_spawn(int (*run)(void *context), void *context, int flags)
{
	char stack[SPAWN_STACK] __attribute__((aligned(16)));
	pid_t pid = clone(run, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD | flags,
			  context);

	return pid < 0 ? -errno : pid;
}

static _Noreturn void tell(int (*run)(void *context, void *answer), void *context, void *answer,
			   size_t size, int fd)
{
	int result = run(context, answer);

	if (fd_write_all(fd, &result, sizeof(result)) >= 0 && result >= 0)
		(void)fd_write_all(fd, answer, size);
	_exit(0);
}

static int hear(void *answer, size_t size, int fd, int timeout_ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	int result, r = poll(&polled, 1, timeout_ms);

	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	if (fd_read_all(fd, &result, sizeof(result)) < 0)
		return -EIO;
	if (result >= 0 && fd_read_all(fd, answer, size) < 0)
		return -EIO;
	return result;
}

int process_ask(int (*run)(void *context, void *answer), void *context, void *answer, size_t size,
		int timeout_ms)
{
	autoclose int from = -EBADF, to = -EBADF, pidfd = -EBADF;
	siginfo_t info;
	int ends[2], r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	from = ends[0];
	to = ends[1];
	pid = process_clone(0, -EBADF, &pidfd);
	if (pid < 0)
		return pid;
	if (pid == 0)
		tell(run, context, answer, size, to);
	fd_close(&to);
	r = hear(answer, size, from, timeout_ms);
	if (r == -ETIMEDOUT)
		(void)process_signal(pidfd, SIGKILL);
	(void)process_wait(pidfd, &info, r == -ETIMEDOUT ? WNOHANG : 0);
	return r;
}

int process_signal(int pidfd, int signal)
{
	return sys_pidfd_send_signal(pidfd, signal, NULL, 0);
}

void process_reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int process_wait(int pidfd, siginfo_t *ret, int options)
{
	siginfo_t info = { 0 };
	int r;

	do
		r = waitid(P_PIDFD, (id_t)pidfd, &info, options | WEXITED);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (info.si_pid == 0)
		return -EAGAIN;
	*ret = info;
	return 0;
}

/* Nothing tells when the tracer lets go, but a signal that the caller may need. */
int process_reap(int pidfd, siginfo_t *ret, int timeout_ms)
{
	int r = process_wait(pidfd, ret, WNOHANG);

	for (; r == -EAGAIN && timeout_ms > 0; timeout_ms -= REAP_PAUSE_MS) {
		poll(NULL, 0, REAP_PAUSE_MS);
		r = process_wait(pidfd, ret, WNOHANG);
	}
	return r == -EAGAIN ? -EBUSY : r;
}

bool process_has_ended(int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	return poll(&ended, 1, 0) > 0;
}

/* Before there was a file system for them, all pidfds had one inode. */
uint64_t process_id(int pidfd)
{
	struct statfs fs;
	struct stat st;

	if (pidfd < 0 || fstatfs(pidfd, &fs) < 0 || fs.f_type != PIDFS || fstat(pidfd, &st) < 0)
		return 0;
	return st.st_ino;
}

bool process_is(int pidfd, uint64_t id)
{
	struct stat st;

	return fstat(pidfd, &st) == 0 && st.st_ino == id;
}

/* The FIELD, as proc(5) counts them from 3 on, of the stat file in the process's directory. */
static int read_stat(char text[STAT_ROOM], int process_fd, const char *path, int field, char **ret)
{
	int r = file_read_line(text, STAT_ROOM, process_fd, path);
	char *at;

	if (r == -ENOENT)
		return -ESRCH;
	if (r < 0)
		return r;

	/* The name in parentheses is the process's own choice, and may hold any of these. */
	at = strrchr(text, ')');
	for (int i = 2; at && i < field; i++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EBADMSG;
	*ret = at + 1;
	return 0;
}

static const char *stat_path(char room[STAT_PATH_ROOM], pid_t pid)
{
	snprintf(room, STAT_PATH_ROOM, "/proc/%d/stat", (int)pid);
	return room;
}

int process_exit_status(int pidfd, pid_t pid, int *ret)
{
	struct pidfd_exit info = { .mask = PIDFD_EXIT_MASK };
	char path[STAT_PATH_ROOM], text[STAT_ROOM], *status;

	/* As long as nobody has reaped it, its number is its own. */
	if (read_stat(text, AT_FDCWD, stat_path(path, pid), STAT_EXIT_CODE, &status) >= 0 &&
	    process_signal(pidfd, 0) >= 0) {
		*ret = atoi(status);
		return 0;
	}
	if (ioctl(pidfd, PIDFD_EXIT_INFO, &info) < 0 || !(info.mask & PIDFD_EXIT_MASK))
		return -ENODATA;
	*ret = info.exit_code;
	return 0;
}

int process_start_time_at(int process_fd, uint64_t *ret)
{
	char text[STAT_ROOM], *start;
	int r = read_stat(text, process_fd, "stat", STAT_START_TIME, &start);

	if (r >= 0)
		*ret = strtoull(start, NULL, 10);
	return r;
}

int process_start_time(pid_t pid, uint64_t *ret)
{
	char path[STAT_PATH_ROOM], text[STAT_ROOM], *start;
	int r = read_stat(text, AT_FDCWD, stat_path(path, pid), STAT_START_TIME, &start);

	if (r >= 0)
		*ret = strtoull(start, NULL, 10);
	return r == -ESRCH && access("/proc/self", F_OK) < 0 ? -ENOENT : r;
}

static uint64_t status_mask(const char *text, const char *field)
{
	const char *at = strstr(text, field);

	return at == NULL ? UINT64_MAX : strtoull(at + strlen(field), NULL, 16);
}

int process_hears(pid_t pid, int signal)
{
	autoclose int fd = -EBADF;
	char path[STAT_PATH_ROOM + 2], text[4096];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (size <= 0)
		return 1;
	text[size] = '\0';
	if (status_mask(text, "\nSigCgt:\t") >> (signal - 1) & 1)
		return 1;
	return status_mask(text, "\nSigBlk:\t") >> (signal - 1) & 1 ? 2 : 0;
}
