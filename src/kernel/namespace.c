#include "kernel/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fd.h"
#include "io/file.h"
#include "kernel/process.h"

#define PATH_ROOM (sizeof("ns/") + 32)
#define INITIAL_USER_INODE 0xEFFFFFFDu /* linux/proc_ns.h: PROC_USER_INIT_INO */

int namespace_open_process(pid_t pid)
{
	char path[sizeof("/proc/-2147483648")];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

int namespace_open(int process_fd, const char *kind)
{
	char path[PATH_ROOM];
	int fd;

	snprintf(path, sizeof(path), "ns/%s", kind);
	fd = openat(process_fd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The link's text, "KIND:[INODE]", costs the kernel half of what stat(2) does: that has to make the
 * inode if nobody holds it. */
static int read_number(uint32_t *ret, int directory_fd, const char *path)
{
	char text[PATH_ROOM], *number, *end;
	ssize_t length = readlinkat(directory_fd, path, text, sizeof(text) - 1);

	if (length < 0)
		return -errno;
	text[length] = '\0';
	number = strchr(text, '[');
	if (number == NULL)
		return -EBADMSG;
	*ret = (uint32_t)strtoul(number + 1, &end, 10);
	return *end == ']' ? 0 : -EBADMSG;
}

int namespace_number(uint32_t *ret, pid_t pid, const char *kind)
{
	char path[sizeof("/proc/-2147483648/") + PATH_ROOM];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	return read_number(ret, AT_FDCWD, path);
}

int namespace_own_number(uint32_t *ret, const char *kind)
{
	char path[sizeof("/proc/self/") + PATH_ROOM];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	return read_number(ret, AT_FDCWD, path);
}

int namespace_number_of(uint32_t *ret, int namespace_fd)
{
	struct stat st;

	if (fstat(namespace_fd, &st) < 0)
		return -errno;
	*ret = (uint32_t)st.st_ino;
	return 0;
}

int namespace_is_shared(int process_fd, const char *kind)
{
	uint32_t ours, theirs;
	char path[PATH_ROOM];
	int r = namespace_own_number(&ours, kind);

	snprintf(path, sizeof(path), "ns/%s", kind);
	if (r >= 0)
		r = read_number(&theirs, process_fd, path);
	return r < 0 ? r : ours == theirs;
}

int namespace_join(int fd, uint64_t types)
{
	return setns(fd, (int)types) < 0 ? -errno : 0;
}

bool namespace_is_initial_user(void)
{
	uint32_t number;

	return namespace_own_number(&number, "user") < 0 || number == INITIAL_USER_INODE;
}

int namespace_write_maps(int process_fd, const char *users, const char *groups, bool deny_groups)
{
	int r = 0;

	if (deny_groups) {
		r = file_write(process_fd, "setgroups", "deny");
		if (r == -ENOENT) /* Linux before 3.19 asks for nothing */
			r = 0;
	}
	if (r >= 0)
		r = file_write(process_fd, "uid_map", users);
	if (r >= 0)
		r = file_write(process_fd, "gid_map", groups);
	return r < 0 ? r : 0;
}

/* The child holds the namespace until it is open here; it ends with us, since
 * the other end of its pipe does. */
static void wait_for_end_of(int pipe_fd)
{
	char byte;

	while (read(pipe_fd, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static int open_mapped(pid_t pid, const char *users, const char *groups)
{
	autoclose int process = -EBADF;
	int r;

	process = namespace_open_process(pid);
	if (process < 0)
		return take_fd(&process);
	r = namespace_write_maps(process, users, groups, false);
	return r < 0 ? r : namespace_open(process, "user");
}

int namespace_make_user(const char *users, const char *groups)
{
	autoclose int pidfd = -EBADF, ours = -EBADF, theirs = -EBADF;
	siginfo_t info;
	int ends[2], fd;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	theirs = ends[0];
	ours = ends[1];
	pid = process_clone(CLONE_NEWUSER, -1, &pidfd);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		fd_close(&ours);
		wait_for_end_of(theirs);
	}
	fd = open_mapped(pid, users, groups);
	fd_close(&ours);
	process_signal(pidfd, SIGKILL);
	process_wait(pidfd, &info, 0);
	return fd;
}
