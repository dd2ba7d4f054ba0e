#include "kernel/resolve-walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/fd.h"
#include "kernel/resolve.h"

#define LINKS_MAX 40 /* as the kernel's own walk */
#define PROC_ROOT_INODE 1

struct walk {
	const struct resolve_request *request;
	int root;      /* borrowed */
	int directory; /* owned: where the walk is */
	unsigned int links;
	char behind[PATH_MAX]; /* "/a/b": the directories from the root to here, no links */
	char ahead[PATH_MAX];  /* what is still to be walked */
};

int resolve_give(int fd, const struct resolve_owner *owner)
{
	if (!owner || (owner->uid == (uid_t)-1 && owner->gid == (gid_t)-1))
		return 0;
	return fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int go_to(struct walk *walk, int fd)
{
	if (fd < 0)
		return -errno;
	fd_close(&walk->directory);
	walk->directory = fd;
	return 0;
}

static int go_to_root(struct walk *walk)
{
	walk->behind[0] = '\0';
	return go_to(walk, openat(walk->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int go_down(struct walk *walk, int fd, const char *name)
{
	size_t length = strlen(walk->behind), more = strlen(name);

	if (length + 1 + more >= sizeof(walk->behind)) {
		fd_close(&fd);
		return -ENAMETOOLONG;
	}
	walk->behind[length] = '/';
	memcpy(walk->behind + length + 1, name, more + 1);
	return go_to(walk, fd);
}

/* Not by opening "..": a directory that was moved away meanwhile has a parent
 * outside of the root. The names are walked again instead. */
static int go_up(struct walk *walk)
{
	char *last = strrchr(walk->behind, '/'), *at, *end;
	int r;

	if (!last)
		return 0; /* the root is its own parent */
	*last = '\0';
	r = go_to(walk, openat(walk->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));

	for (at = walk->behind; r == 0 && *at; at = end) {
		char name[NAME_MAX + 1];

		at++;
		end = strchrnul(at, '/');
		memcpy(name, at, (size_t)(end - at));
		name[end - at] = '\0';
		r = go_to(walk, openat(walk->directory, name,
				       O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	}
	return r;
}

/* A link of procfs jumps instead of naming a path, but those in its root
 * ("self", "mounts", "net") are ordinary. */
static int refuse_magic(struct walk *walk, int link)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(link, &fs) < 0 || fstat(walk->directory, &st) < 0)
		return -errno;
	return fs.f_type == PROC_SUPER_MAGIC && st.st_ino != PROC_ROOT_INODE ? -ELOOP : 0;
}

/* Put the link's text before what is still to be walked. */
static int follow(struct walk *walk, int link, bool slash)
{
	char text[PATH_MAX];
	size_t rest = strlen(walk->ahead);
	ssize_t length;
	int r;

	if (walk->links++ == LINKS_MAX)
		return -ELOOP;
	r = refuse_magic(walk, link);
	if (r < 0)
		return r;
	length = readlinkat(link, "", text, sizeof(text));
	if (length < 0)
		return -errno;
	if (length == 0)
		return -ENOENT;
	if ((size_t)length + 1 + rest >= sizeof(walk->ahead))
		return -ENAMETOOLONG;

	/* A "/" behind the last name asks for a directory: only if there was one. */
	memmove(walk->ahead + length + slash, walk->ahead, rest + 1);
	if (slash)
		walk->ahead[length] = '/';
	memcpy(walk->ahead, text, (size_t)length);
	return text[0] == '/' ? go_to_root(walk) : 0;
}

/* Cut the next component off: 1, or 0 when nothing is left. *ret_slash: a "/" came after it. */
static int next_name(struct walk *walk, char name[NAME_MAX + 1], bool *ret_slash)
{
	char *at = walk->ahead + strspn(walk->ahead, "/"), *end, *next;

	if (!*at)
		return 0;
	end = strchrnul(at, '/');
	if (end - at > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, at, (size_t)(end - at));
	name[end - at] = '\0';
	*ret_slash = *end == '/';
	next = end + strspn(end, "/");
	memmove(walk->ahead, next, strlen(next) + 1);
	return 1;
}

/* A directory on the way, or at its end. -EEXIST: somebody else was faster. */
static int make_directory(struct walk *walk, const char *name, bool last)
{
	mode_t mode = last ? walk->request->mode : 0755;
	autoclose int fd = -EBADF;
	int r;

	if (mkdirat(walk->directory, name, mode) < 0)
		return -errno;
	fd = openat(walk->directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = resolve_give(fd, walk->request->owner);
	return r < 0 ? r : go_down(walk, take_fd(&fd), name);
}

static int make_file(struct walk *walk, const char *name, int *ret)
{
	autoclose int fd = -EBADF;
	int r;

	fd = openat(walk->directory, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    walk->request->mode);
	if (fd < 0)
		return -errno;
	r = resolve_give(fd, walk->request->owner);
	if (r < 0)
		return r;
	*ret = take_fd(&fd);
	return 1;
}

/* The path ends in the directory where the walk is. */
static int finish_here(struct walk *walk)
{
	int fd;

	switch (walk->request->goal) {
	case RESOLVE_GOAL_OPEN:
		fd = openat(walk->directory, ".", walk->request->flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	case RESOLVE_GOAL_DIRECTORY: return take_fd(&walk->directory);
	case RESOLVE_GOAL_FILE: break;
	}
	return -EISDIR;
}

/* The path ends with NAME: an inode of this type, FOUND, that is not followed. */
static int finish_at(struct walk *walk, const char *name, int *found, mode_t type, bool slash,
		     int *ret)
{
	const struct resolve_request *request = walk->request;
	int flags = request->flags | (slash ? O_DIRECTORY : 0);
	int fd = -EBADF;

	switch (request->goal) {
	case RESOLVE_GOAL_DIRECTORY: flags = O_PATH | O_DIRECTORY; break;
	case RESOLVE_GOAL_FILE:
		if (S_ISDIR(type))
			return -EISDIR;
		flags |= O_PATH;
		break;
	case RESOLVE_GOAL_OPEN: break;
	}
	if (!(flags & O_PATH)) {
		fd = openat(walk->directory, name, flags | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	} else if (flags & O_DIRECTORY && !S_ISDIR(type)) {
		return -ENOTDIR;
	}
	*ret = fd < 0 ? take_fd(found) : fd;
	return 1;
}

/* Nothing has this name. */
static int missing(struct walk *walk, const char *name, bool last, bool slash, int *ret)
{
	const struct resolve_request *request = walk->request;

	if (request->goal == RESOLVE_GOAL_OPEN)
		return -ENOENT;
	if (last && request->goal == RESOLVE_GOAL_FILE)
		return slash ? -EISDIR : make_file(walk, name, ret);
	return make_directory(walk, name, last);
}

/* Whether a link of this name is the result, not a part of the path. */
static bool wants_link(const struct walk *walk, bool last, bool slash)
{
	return last && !slash && walk->request->flags & O_NOFOLLOW;
}

/* Look NAME up once. 1: the walk has ended, with *ret; 0: it goes on. */
static int step(struct walk *walk, const char *name, bool last, bool slash, int *ret)
{
	autoclose int found = -EBADF;
	struct stat st;

	found = openat(walk->directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (found < 0)
		return errno == ENOENT ? missing(walk, name, last, slash, ret) : -errno;
	if (fstat(found, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) && !wants_link(walk, last, slash))
		return follow(walk, found, slash);
	if (last)
		return finish_at(walk, name, &found, st.st_mode, slash, ret);
	return S_ISDIR(st.st_mode) ? go_down(walk, take_fd(&found), name) : -ENOTDIR;
}

/* What was missing may be there when it is to be made: look again, but a
 * guest that keeps making and removing it must not keep us here. */
static int step_again(struct walk *walk, const char *name, bool last, bool slash, int *ret)
{
	int r = -EEXIST;

	for (int i = 0; i < LINKS_MAX && r == -EEXIST; i++)
		r = step(walk, name, last, slash, ret);
	return r;
}

static int walk_all(struct walk *walk)
{
	char name[NAME_MAX + 1];
	bool slash = false;
	int r, result = -EBADF;

	do {
		r = next_name(walk, name, &slash);
		if (r < 0)
			return r;
		if (r == 0)
			return finish_here(walk);
		if (strcmp(name, ".") == 0)
			r = 0;
		else if (strcmp(name, "..") == 0)
			r = go_up(walk);
		else
			r = step_again(walk, name, walk->ahead[0] == '\0', slash, &result);
	} while (r == 0);

	return r < 0 ? r : result;
}

int resolve_walk(int root_fd, const char *path, const struct resolve_request *request)
{
	struct walk walk = { .request = request, .root = root_fd, .directory = -EBADF };
	size_t length = strlen(path);
	int r;

	if (length >= sizeof(walk.ahead))
		return -ENAMETOOLONG;
	memcpy(walk.ahead, path, length + 1);

	r = go_to_root(&walk);
	if (r == 0)
		r = walk_all(&walk);
	fd_close(&walk.directory);
	return r;
}
