#include "kernel/resolve.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/fd.h"
#include "kernel/resolve-walk.h"
#include "kernel/syscall.h"

/* The kernel answers EAGAIN when a rename anywhere raced with a ".." of the
 * path; a guest can keep that up, so that patience ends with our own walk. */
#define TRIES 16

static int open_how(int root_fd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	int fd = -EAGAIN;

	for (int i = 0; i < TRIES && fd == -EAGAIN; i++)
		fd = sys_openat2(root_fd, *path ? path : ".", &how);
	return fd;
}

static bool needs_walk(int fd)
{
	return fd == -ENOSYS || fd == -EAGAIN;
}

int resolve_open(int root_fd, const char *path, int flags)
{
	const struct resolve_request request = { .flags = flags };
	int fd = open_how(root_fd, path, flags, 0);

	return needs_walk(fd) ? resolve_walk(root_fd, path, &request) : fd;
}

int resolve_open_one_mount(int root_fd, const char *path, int flags)
{
	return open_how(root_fd, path, flags, RESOLVE_NO_XDEV);
}

int resolve_open_file(int root_fd, const char *path)
{
	autoclose int found = resolve_open(root_fd, path, O_PATH);
	struct stat st;

	if (found < 0)
		return take_fd(&found);
	if (fstat(found, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADFD;
	return fd_reopen(found, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

/* The last component, NULL if it is none that could be made. */
static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return NULL;
	return name;
}

int resolve_open_parent(int root_fd, const char *path, const char **ret_name)
{
	const char *name = last_name(path);
	char parent[PATH_MAX];
	size_t length;
	int fd;

	if (!name)
		return -EINVAL;
	length = (size_t)(name - path);
	if (length >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, length);
	parent[length] = '\0';

	fd = resolve_open(root_fd, parent, O_PATH | O_DIRECTORY);
	if (fd >= 0)
		*ret_name = name;
	return fd;
}

/* Usually one component is missing, the last one. -EAGAIN: it takes the walk. */
static int make_last(int root_fd, const char *path, const struct resolve_request *request)
{
	autoclose int parent = -EBADF, made = -EBADF;
	const char *name;
	int r;

	parent = resolve_open_parent(root_fd, path, &name);
	if (parent == -ENOENT || parent == -EINVAL)
		return -EAGAIN;
	if (parent < 0)
		return parent;

	if (request->goal == RESOLVE_GOAL_DIRECTORY) {
		if (mkdirat(parent, name, request->mode) < 0)
			return errno == EEXIST ? -EAGAIN : -errno;
		made = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	} else {
		made = openat(parent, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			      request->mode);
	}
	if (made < 0)
		return errno == EEXIST ? -EAGAIN : -errno;

	r = resolve_give(made, request->owner);
	return r < 0 ? r : take_fd(&made);
}

static int make(int root_fd, const char *path, const struct resolve_request *request)
{
	int fd = make_last(root_fd, path, request);

	return fd == -EAGAIN ? resolve_walk(root_fd, path, request) : fd;
}

int resolve_make_dir(int root_fd, const char *path, mode_t mode, const struct resolve_owner *owner)
{
	const struct resolve_request request = {
		.goal = RESOLVE_GOAL_DIRECTORY,
		.mode = mode,
		.owner = owner,
	};
	int fd = resolve_open(root_fd, path, O_PATH | O_DIRECTORY);

	return fd == -ENOENT ? make(root_fd, path, &request) : fd;
}

static int make_file(int root_fd, const char *path, const struct resolve_owner *owner)
{
	const struct resolve_request request = {
		.goal = RESOLVE_GOAL_FILE,
		.mode = 0644,
		.owner = owner,
	};
	autoclose int fd = -EBADF;
	struct stat st;

	fd = resolve_open(root_fd, path, O_PATH);
	if (fd == -ENOENT)
		return make(root_fd, path, &request);
	if (fd < 0)
		return take_fd(&fd);
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? -EISDIR : take_fd(&fd);
}

int resolve_make_target(int root_fd, const char *path, bool dir, const struct resolve_owner *own)
{
	if (dir)
		return resolve_make_dir(root_fd, path, 0755, own);
	return make_file(root_fd, path, own);
}
