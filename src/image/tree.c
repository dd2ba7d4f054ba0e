#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

#define DEPTH_MAX 400			   /* two descriptors each, of the usual 1024 */
#define ATTRIBUTES_MAX ((size_t)64 * 1024) /* XATTR_LIST_MAX and XATTR_SIZE_MAX of the kernel */

/* A file with several names that has been copied once: where its copy is. */
struct link {
	struct link *next;
	dev_t device;
	ino_t inode;
	char *path; /* of the copy, relative to the top */
};

#define BUCKETS 4096

struct copy {
	struct arena arena;
	const volatile int *stop;
	uint64_t mount; /* of the source; 0: the kernel does not tell */
	int top_fd;
	struct link **links;
	char *attributes; /* room for a list and a value */
	char path[4096];  /* of the directory that is being copied, "" or "a/b/" */
	int depth;
};

/* ---- attributes ---- */

static bool is_missing(int error)
{
	return error == ENODATA || error == EOPNOTSUPP || error == ENOSYS;
}

/* Works on every kind of inode and on O_PATH, which the f…() calls do not. */
static void fd_path(char buffer[32], int fd)
{
	snprintf(buffer, 32, "/proc/self/fd/%d", fd);
}

/* On the copies of trusted.* that only the kernel may set we go on: they are caches of its. */
static int copy_attributes(struct copy *copy, int to_fd, int from_fd)
{
	char *names = copy->attributes, *value = copy->attributes + ATTRIBUTES_MAX;
	char from[32], to[32];
	ssize_t length, size;

	fd_path(from, from_fd);
	fd_path(to, to_fd);
	length = listxattr(from, names, ATTRIBUTES_MAX);
	if (length < 0)
		return is_missing(errno) ? 0 : -errno;
	for (char *name = names; name < names + length; name += strlen(name) + 1) {
		size = getxattr(from, name, value, ATTRIBUTES_MAX);
		if (size < 0 && is_missing(errno))
			continue;
		if (size < 0)
			return -errno;
		if (setxattr(to, name, value, (size_t)size, 0) == 0)
			continue;
		/* Another file system need not know the name; a label is the policy's to give. */
		if (errno != EOPNOTSUPP && strncmp(name, "security.selinux", 16) != 0)
			return -errno;
	}
	return 0;
}

/* Owner first: a change of owner takes setuid bits and file capabilities away. */
static int copy_metadata(struct copy *copy, int to_fd, int from_fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char to[32];
	int r;

	if (fchownat(to_fd, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return -errno;
	fd_path(to, to_fd);
	if (chmod(to, st->st_mode & 07777) < 0)
		return -errno;
	r = copy_attributes(copy, to_fd, from_fd);
	if (r < 0)
		return r;
	return utimensat(AT_FDCWD, to, times, 0) < 0 ? -errno : 0;
}

/* ---- hard links ---- */

static struct link *find_link(struct copy *copy, const struct stat *st)
{
	struct link *link = copy->links[st->st_ino % BUCKETS];

	while (link && (link->inode != st->st_ino || link->device != st->st_dev))
		link = link->next;
	return link;
}

static void remember_link(struct copy *copy, const struct stat *st, const char *name)
{
	struct link *link = arena_new(&copy->arena, struct link);

	link->device = st->st_dev;
	link->inode = st->st_ino;
	link->path = arena_format(&copy->arena, "%s%s", copy->path, name);
	link->next = copy->links[st->st_ino % BUCKETS];
	copy->links[st->st_ino % BUCKETS] = link;
}

/* ---- one inode of each kind ---- */

static int copy_file(struct copy *copy, int to_dir, int from_dir, const char *name,
		     const struct stat *listed)
{
	autoclose int from = -EBADF, to = -EBADF;
	struct stat st;
	int r;

	from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	if (fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_ino != listed->st_ino)
		return -ESTALE; /* swapped since it was looked at */
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = file_copy_fd(to, from);
	return r < 0 ? r : copy_metadata(copy, to, from, &st);
}

static int copy_symlink(int to_dir, int from_dir, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char target[4096];
	ssize_t length;

	length = readlinkat(from_dir, name, target, sizeof(target) - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	if (symlinkat(target, to_dir, name) < 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_node(struct copy *copy, int to_dir, int from_dir, const char *name,
		     const struct stat *st)
{
	autoclose int from = -EBADF, to = -EBADF;

	if (mknodat(to_dir, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0)
		return -errno;
	from = openat(from_dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	to = openat(to_dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return -errno;
	return copy_metadata(copy, to, from, st);
}

static int copy_below(struct copy *copy, int to_fd, int from_fd, const struct stat *st);

static int copy_directory(struct copy *copy, int to_dir, int from_dir, const char *name)
{
	autoclose int from = -EBADF, to = -EBADF;
	size_t used = strlen(copy->path);
	struct statx sx;
	struct stat st;
	int r;

	if (used + strlen(name) + 2 > sizeof(copy->path) || copy->depth >= DEPTH_MAX)
		return -ENAMETOOLONG;
	from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	if (mkdirat(to_dir, name, 0700) < 0)
		return -errno;
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return -errno;
	if (statx(from, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &sx) < 0)
		return -errno;
	if (copy->mount && sx.stx_mnt_id != copy->mount)
		return copy_metadata(copy, to, from,
				     &st); /* a mount point: nothing of what covers it */

	snprintf(copy->path + used, sizeof(copy->path) - used, "%s/", name);
	copy->depth++;
	r = copy_below(copy, to, from, &st);
	copy->depth--;
	copy->path[used] = '\0';
	return r;
}

static int copy_entry(struct copy *copy, int to_dir, int from_dir, const char *name)
{
	struct link *link;
	struct stat st;
	int r;

	if (copy->stop && *copy->stop)
		return -EINTR;
	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno; /* gone since it was listed */
	if (S_ISDIR(st.st_mode))
		return copy_directory(copy, to_dir, from_dir, name);

	if (st.st_nlink > 1) {
		link = find_link(copy, &st);
		if (link)
			return linkat(copy->top_fd, link->path, to_dir, name, 0) < 0 ? -errno : 0;
	}
	if (S_ISREG(st.st_mode))
		r = copy_file(copy, to_dir, from_dir, name, &st);
	else if (S_ISLNK(st.st_mode))
		r = copy_symlink(to_dir, from_dir, name, &st);
	else
		r = copy_node(copy, to_dir, from_dir, name, &st);
	if (r >= 0 && st.st_nlink > 1)
		remember_link(copy, &st, name);
	return r;
}

struct visit {
	struct copy *copy;
	int to_fd;
};

static int visit_entry(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct visit *visit = context;

	(void)type;
	return copy_entry(visit->copy, visit->to_fd, dir_fd, name);
}

/* Attributes last: the times of a directory change with what is made in it, and its mode might keep
 * us out. */
static int copy_below(struct copy *copy, int to_fd, int from_fd, const struct stat *st)
{
	struct visit visit = { .copy = copy, .to_fd = to_fd };
	int r;

	r = dir_walk(from_fd, visit_entry, &visit);
	return r < 0 ? r : copy_metadata(copy, to_fd, from_fd, st);
}

int tree_copy(int target_fd, int source_fd, const volatile int *stop)
{
	struct copy copy = { .top_fd = target_fd, .stop = stop };
	struct statx sx;
	struct stat st;
	int r;

	if (fstat(source_fd, &st) < 0 ||
	    statx(source_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &sx) < 0)
		return -errno;
	copy.mount = sx.stx_mask & STATX_MNT_ID ? sx.stx_mnt_id : 0;
	copy.links = arena_take_array(&copy.arena, BUCKETS, sizeof(*copy.links));
	copy.attributes = arena_take(&copy.arena, 2 * ATTRIBUTES_MAX);
	r = copy_below(&copy, target_fd, source_fd, &st);
	arena_done(&copy.arena);
	return r;
}

/* ---- until a signal ---- */

/* The flag is of this file, as a signal handler has no other way to be heard; it is only set while
 * a copy runs. */
static volatile int interrupted;

static void on_interrupt(int number)
{
	interrupted = number;
}

static int stop_if_interrupted(void *context, uint64_t bytes)
{
	(void)context;
	(void)bytes;
	return interrupted ? -EINTR : 0;
}

static int copy_either(int target_fd, int source_fd, bool file)
{
	struct sigaction action = { .sa_handler = on_interrupt }, old_int, old_term;
	int r;

	interrupted = 0;
	sigaction(SIGINT, &action, &old_int);
	sigaction(SIGTERM, &action, &old_term);
	r = file ? file_copy_fd_by(target_fd, source_fd, stop_if_interrupted, NULL)
		 : tree_copy(target_fd, source_fd, &interrupted);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	return r;
}

int tree_copy_interruptible(int target_fd, int source_fd)
{
	return copy_either(target_fd, source_fd, false);
}

int tree_copy_file_interruptible(int target_fd, int source_fd)
{
	return copy_either(target_fd, source_fd, true);
}
