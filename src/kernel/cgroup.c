#include "kernel/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/syscall.h"

#define CONTROLLERS_ROOM 512
#define PROCS_ROOM 4096
#define KILL_DEPTH 128
#define KILL_ROUNDS 1000 /* a fork bomb can outrun a few rounds, not this many */

int cgroup_open_root(int *ret_fd, const char **ret_path)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int fd;

		if (statfs(places[i], &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		*ret_fd = fd;
		*ret_path = places[i];
		return 0;
	}
	return -ENOENT;
}

static int read_process_path(char *buffer, size_t room, int dir_fd, const char *file)
{
	char text[PATH_MAX + 1024], *at; /* v1 hierarchies have their lines first */
	int r;

	r = file_read_line(text, sizeof(text), dir_fd, file);
	if (r < 0)
		return r;
	at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!at)
		return -ENOENT;
	at = strchr(at, '/');
	if (!at)
		return -EBADMSG;
	*strchrnul(at, '\n') = '\0';
	if (strlen(at) >= room)
		return -ENAMETOOLONG;
	memcpy(buffer, at, strlen(at) + 1);
	return 0;
}

int cgroup_process_path(char *buffer, size_t room, pid_t pid)
{
	char file[32];

	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	return read_process_path(buffer, room, AT_FDCWD, pid == 0 ? "/proc/self/cgroup" : file);
}

int cgroup_process_path_at(char *buffer, size_t room, int process_fd)
{
	return read_process_path(buffer, room, process_fd, "cgroup");
}

static int open_directory(int dir_fd, const char *name)
{
	return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int cgroup_open(const char *path)
{
	autoclose int root = -EBADF;
	const char *ignored;
	int fd, r;

	r = cgroup_open_root(&root, &ignored);
	if (r < 0)
		return r;
	fd = open_directory(root, path[1] == '\0' ? "." : path + 1);
	return fd < 0 ? -errno : fd;
}

int cgroup_make(int parent_fd, const char *name, bool exclusive)
{
	int fd;

	if (mkdirat(parent_fd, name, 0755) < 0 && (errno != EEXIST || exclusive))
		return -errno;
	fd = open_directory(parent_fd, name);
	return fd < 0 ? -errno : fd;
}

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	while ((list = strstr(list, word))) {
		if (list[length] == ' ' || list[length] == '\0')
			return true;
		list += length;
	}
	return false;
}

int cgroup_enable_all(int fd)
{
	char offered[CONTROLLERS_ROOM], enabled[CONTROLLERS_ROOM], wanted[CONTROLLERS_ROOM * 2];
	char *word, *save;
	size_t n = 0;
	int r;

	r = file_read_line(offered, sizeof(offered), fd, "cgroup.controllers");
	if (r < 0)
		return r;
	if (!*offered)
		return 0;
	r = file_read_line(enabled, sizeof(enabled), fd, "cgroup.subtree_control");
	if (r < 0)
		return r;

	wanted[0] = '\0';
	for (word = strtok_r(offered, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (!has_word(enabled, word))
			n += (size_t)snprintf(wanted + n, sizeof(wanted) - n, "%s+%s", n ? " " : "",
					      word);
	}
	if (n == 0 || file_write(fd, "cgroup.subtree_control", wanted) >= 0)
		return 0;

	/* One that is refused takes the others with it. */
	for (word = strtok_r(wanted, " ", &save); word; word = strtok_r(NULL, " ", &save))
		file_write(fd, "cgroup.subtree_control", word);
	return 0;
}

bool cgroup_has_controller(int fd, const char *controller)
{
	char list[CONTROLLERS_ROOM];

	return file_read_line(list, sizeof(list), fd, "cgroup.controllers") >= 0 &&
	       has_word(list, controller);
}

int cgroup_enable(int fd, const char *controller)
{
	char text[64];
	int r;

	snprintf(text, sizeof(text), "+%s", controller);
	r = file_write(fd, "cgroup.subtree_control", text);
	return MIN(r, 0);
}

int cgroup_delegate(int fd, uid_t uid, gid_t gid)
{
	static const char *const files[] = {
		"cgroup.controllers",	  "cgroup.events",  "cgroup.procs",	"cgroup.stat",
		"cgroup.subtree_control", "cgroup.threads", "memory.oom.group", "memory.reclaim",
	};

	if (fchown(fd, uid, gid) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (fchownat(fd, files[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int cgroup_attach(int fd, pid_t pid)
{
	char text[sizeof("-2147483648")];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return file_write(fd, "cgroup.procs", text);
}

static bool is_member(int fd, pid_t pid)
{
	char text[PROCS_ROOM], *at, *end;

	if (file_read_line(text, sizeof(text), fd, "cgroup.procs") < 0)
		return false;
	for (at = text; *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, '\n');
		if (atoi(at) == pid)
			return true;
	}
	return false;
}

/* Its number may be another process's by now: first the handle, then the question. */
static bool kill_member(int fd, pid_t pid)
{
	autoclose int pidfd = -EBADF;

	pidfd = sys_pidfd_open(pid, 0);
	if (pidfd < 0 || !is_member(fd, pid))
		return false;
	return sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0;
}

/* How many members ACT took; TARGET_FD is for it. */
static int each_member(int fd, bool (*act)(int target_fd, pid_t pid), int target_fd)
{
	char text[PROCS_ROOM], *at, *end;
	int r, count = 0;

	r = file_read_line(text, sizeof(text), fd, "cgroup.procs");
	if (r < 0)
		return r == -EOPNOTSUPP ? 0 : r; /* a threaded cgroup lists its members above */
	for (at = text; *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, '\n');
		if (atoi(at) > 0)
			count += act(target_fd, atoi(at));
	}
	return count;
}

static bool take_member(int fd, pid_t pid)
{
	return cgroup_attach(fd, pid) >= 0;
}

int cgroup_move_all(int fd, int to_fd)
{
	int r = 1;

	for (int i = 0; i < KILL_ROUNDS && r > 0; i++)
		r = each_member(fd, take_member, to_fd);
	return MIN(r, 0);
}

struct kill_walk {
	unsigned int depth;
	int killed;
};

static int kill_below(int fd, struct kill_walk *walk);

static int kill_child(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct kill_walk *walk = context;
	autoclose int fd = -EBADF;

	if (type != DT_DIR)
		return 0;
	fd = open_directory(dir_fd, name);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return kill_below(fd, walk);
}

static int kill_below(int fd, struct kill_walk *walk)
{
	int r;

	if (walk->depth == KILL_DEPTH)
		return -ELOOP;
	r = each_member(fd, kill_member, fd);
	if (r < 0)
		return r == -ENODEV ? 0 : r; /* removed meanwhile */
	walk->killed += r;
	walk->depth++;
	r = dir_walk(fd, kill_child, walk);
	walk->depth--;
	return r;
}

/* Frozen members neither fork nor end while they are counted. */
int cgroup_kill_each(int fd)
{
	int r = 0;

	file_write(fd, "cgroup.freeze", "1");
	for (int i = 0; i < KILL_ROUNDS; i++) {
		struct kill_walk walk = { 0 };

		r = kill_below(fd, &walk);
		if (r < 0 || walk.killed == 0)
			break;
	}
	file_write(fd, "cgroup.freeze", "0");
	return r;
}

int cgroup_kill(int fd)
{
	int r = file_write(fd, "cgroup.kill", "1");

	return r == -ENOENT ? cgroup_kill_each(fd) : MIN(r, 0);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The kernel marks cgroup.events as changed for who read it before: POLLPRI. */
static int wait_for_event(int fd, const char *line, int64_t deadline)
{
	autoclose int events = -EBADF;
	struct pollfd poll_fd;
	char text[256];

	events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (events < 0)
		return -errno;
	poll_fd = (struct pollfd){ .fd = events, .events = POLLPRI };

	for (;;) {
		ssize_t n = pread(events, text, sizeof(text) - 1, 0);
		int64_t left = deadline - now_ms();

		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (strstr(text, line))
			return 0;
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
	}
}

static int wait_until_empty(int fd, int64_t deadline)
{
	int r = wait_for_event(fd, "populated 0", deadline);

	return r == -ETIMEDOUT ? -EBUSY : r;
}

int cgroup_freeze(int fd, bool frozen, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	int r = file_write(fd, "cgroup.freeze", frozen ? "1" : "0");

	return r < 0 ? r : wait_for_event(fd, frozen ? "frozen 1" : "frozen 0", deadline);
}

int cgroup_read_key(uint64_t *ret, int fd, const char *file, const char *key)
{
	char text[8192], *at, *end;
	size_t length = strlen(key);
	int r;

	r = file_read_line(text, sizeof(text), fd, file);
	if (r < 0)
		return r;
	for (at = text; *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, '\n');
		if (strncmp(at, key, length) == 0 && at[length] == ' ') {
			*ret = strtoull(at + length + 1, NULL, 10);
			return 0;
		}
	}
	return -ENOENT;
}

/* What a pass over a directory's children leaves. */
struct remove_pass {
	bool seen;		 /* there was a child */
	char busy[NAME_MAX + 1]; /* the name of one that is not empty */
};

static int remove_child(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct remove_pass *pass = context;

	if (type != DT_DIR)
		return 0;
	pass->seen = true;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY)
		return -errno;
	snprintf(pass->busy, sizeof(pass->busy), "%s", name);
	return 1; /* go down there first */
}

/* The depth is the guest's choice, so this neither recurses nor keeps a
 * descriptor per level. Going up by ".." is safe: cgroup v2 has no rename. */
static int remove_below(int top_fd)
{
	autoclose int here = -EBADF;
	unsigned int depth = 0;
	bool went_down = false;
	int r, next;

	here = open_directory(top_fd, ".");
	if (here < 0)
		return -errno;
	for (;;) {
		struct remove_pass pass = { 0 };

		r = dir_walk(here, remove_child, &pass);
		if (r < 0)
			return r;
		if (r == 0 && depth == 0)
			return 0;
		/* Busy, and not for its children: somebody moved a process here. */
		if (went_down && !pass.seen)
			return -EBUSY;

		went_down = r > 0;
		depth += went_down ? 1 : -1U;
		next = open_directory(here, went_down ? pass.busy : "..");
		if (next < 0)
			return -errno;
		fd_close(&here);
		here = next;
	}
}

int cgroup_remove(int parent_fd, const char *name, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	autoclose int fd = -EBADF;
	int r;

	/* Usually it is empty: then this is all. */
	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY)
		return -errno;

	fd = open_directory(parent_fd, name);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = wait_until_empty(fd, deadline);
	if (r == 0)
		r = remove_below(fd);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

uint64_t cgroup_inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}
