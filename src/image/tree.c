#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

#define DEPTH_MAX (1u << 18)
#define DEPTH_OPEN 300			   /* two descriptors each, of the usual 1024 */
#define ATTRIBUTES_MAX ((size_t)64 * 1024) /* XATTR_LIST_MAX and XATTR_SIZE_MAX of the kernel */

/* A file with several names that has been copied once: where its copy is. */
struct link {
	struct link *next;
	dev_t device;
	ino_t inode;
	char *path; /* of the copy, relative to the top */
};

#define BUCKETS 4096
#define TRIES 8 /* with what changes while it is copied */

/* A directory that is being copied, with its copy. */
struct level {
	int from, to;	/* -EBADF: below DEPTH_OPEN, while one in it is copied */
	struct stat st; /* of the first; what is known of the other is which it is */
	dev_t device;
	ino_t inode;
	size_t names; /* where those begin that are still to be copied in it */
	size_t used;  /* of the path, for the ones above */
};

/* However deep it goes: nothing calls itself, and one that is left to copy one in it is found again
 * by "..", which must lead to the same. */
struct copy {
	struct arena arena;
	const volatile int *stop;
	uint64_t mount; /* of the source; 0: the kernel does not tell */
	int top_fd;
	struct link **links;
	char *attributes;     /* room for a list and a value */
	char path[PATH_MAX];  /* of the directory that is being copied, "" or "a/b/" */
	size_t beyond;	      /* so many levels above have no room in it */
	int near_fd;	      /* a directory at the top, with files that are there; or -EBADF */
	char near[40];	      /* its name */
	struct level *levels; /* the last one is being copied */
	size_t depth, levels_room;
	char *names; /* of directories, each with its end */
	size_t names_size, names_room;
	unsigned int tries;
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

/* In a user namespace that has no such id. */
static int owner_error(void)
{
	return errno == EINVAL ? -EOVERFLOW : -errno;
}

/* Owner first: a change of owner takes setuid bits and file capabilities away. */
static int copy_metadata(struct copy *copy, int to_fd, int from_fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char to[32];
	int r;

	if (fchownat(to_fd, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return owner_error();
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

/* What lies too deep for a path gets one more name while all is copied. */
static int make_near(struct copy *copy, const char *id, int to_dir, const char *name)
{
	uint64_t random;

	if (copy->near_fd < 0) {
		if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return -EIO;
		snprintf(copy->near, sizeof(copy->near), ".#near-%016llx",
			 (unsigned long long)random);
		if (mkdirat(copy->top_fd, copy->near, 0700) < 0)
			return -errno;
		copy->near_fd = openat(copy->top_fd, copy->near,
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (copy->near_fd < 0)
			return -errno;
	}
	return linkat(to_dir, name, copy->near_fd, id, 0) < 0 ? -errno : 0;
}

static int remember_link(struct copy *copy, const struct stat *st, int to_dir, const char *name)
{
	struct link *link = arena_new(&copy->arena, struct link);
	char id[48];
	int r = 0;

	link->device = st->st_dev;
	link->inode = st->st_ino;
	if (copy->beyond == 0 && strlen(copy->path) + strlen(name) < sizeof(copy->path)) {
		link->path = arena_format(&copy->arena, "%s%s", copy->path, name);
	} else {
		snprintf(id, sizeof(id), "%llx-%llx", (unsigned long long)st->st_dev,
			 (unsigned long long)st->st_ino);
		r = make_near(copy, id, to_dir, name);
		link->path = arena_format(&copy->arena, "%s/%s", copy->near, id);
	}
	link->next = copy->links[st->st_ino % BUCKETS];
	copy->links[st->st_ino % BUCKETS] = link;
	return r;
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
	if (symlinkat(target, to_dir, name) < 0)
		return -errno;
	if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return owner_error();
	if (utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_node(struct copy *copy, int to_dir, int from_dir, const char *name,
		     const struct stat *st)
{
	autoclose int from = -EBADF, to = -EBADF;

	from = openat(from_dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || mknodat(to_dir, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0)
		return -errno;
	to = openat(to_dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return -errno;
	return copy_metadata(copy, to, from, st);
}

static void *grown(struct copy *copy, const void *items, size_t used, size_t *room, size_t size)
{
	char *more;

	*room = *room == 0 ? 64 : 2 * *room;
	more = arena_take_array(&copy->arena, *room, size);
	if (used > 0)
		memcpy(more, items, used * size);
	return more;
}

static int later(struct copy *copy, const char *name)
{
	size_t size = strlen(name) + 1;

	while (copy->names_size + size > copy->names_room)
		copy->names = grown(copy, copy->names, copy->names_size, &copy->names_room, 1);
	memcpy(copy->names + copy->names_size, name, size);
	copy->names_size += size;
	return 0;
}

static void take_last(struct copy *copy, char name[NAME_MAX + 1])
{
	size_t start = copy->names_size - 1;

	while (start > 0 && copy->names[start - 1] != '\0')
		start--;
	snprintf(name, NAME_MAX + 1, "%s", copy->names + start);
	copy->names_size = start;
}

static int copy_now(struct copy *copy, int to_dir, int from_dir, const char *name)
{
	struct link *link;
	struct stat st;
	int r;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno; /* gone since it was listed */
	if (S_ISDIR(st.st_mode))
		return later(copy, name);

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
		r = remember_link(copy, &st, to_dir, name);
	return r;
}

/* A file with its name, or a link, or no directory any more; nothing was made of it yet. */
static bool is_another(int r)
{
	return r == -ESTALE || r == -ELOOP || r == -ENOTDIR;
}

/* Of a tree in use: what is another one since it was looked at is looked at again, and what is gone
 * need not be copied. */
static int copy_entry(struct copy *copy, int to_dir, int from_dir, const char *name)
{
	int r = -ESTALE;

	for (int i = 0; i < TRIES && is_another(r); i++) {
		if (copy->stop && *copy->stop)
			return -EINTR;
		r = copy_now(copy, to_dir, from_dir, name);
	}
	return r == -ENOENT ? 0 : r;
}

/* ---- directories ---- */

static struct level *top(struct copy *copy)
{
	return &copy->levels[copy->depth - 1];
}

static int visit_entry(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct copy *copy = context;

	(void)type;
	return copy_entry(copy, top(copy)->to, dir_fd, name);
}

static int begin_level(struct copy *copy, const struct level *level, const char *name)
{
	size_t used = strlen(copy->path);
	int r;

	if (copy->depth == copy->levels_room)
		copy->levels = grown(copy, copy->levels, copy->depth, &copy->levels_room,
				     sizeof(*copy->levels));
	copy->levels[copy->depth++] = *level;
	top(copy)->names = copy->names_size;
	top(copy)->used = used;
	if (copy->beyond > 0 || used + strlen(name) + 2 > sizeof(copy->path))
		copy->beyond++;
	else if (*name != '\0')
		snprintf(copy->path + used, sizeof(copy->path) - used, "%s/", name);
	r = dir_walk(level->from, visit_entry, copy);
	return r == -ENOENT ? 0 : r; /* it was removed meanwhile */
}

/* Once more the directory above FD. */
static int go_back(int fd, dev_t device, ino_t inode)
{
	autoclose int above = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (above < 0 || fstat(above, &st) < 0)
		return -errno;
	return st.st_dev == device && st.st_ino == inode ? take_fd(&above) : -EXDEV;
}

/* Attributes last: the times of a directory change with what is made in it, and its mode might keep
 * us out. */
static int end_level(struct copy *copy)
{
	struct level *level = top(copy), *above = copy->depth > 1 ? level - 1 : NULL;
	int r = 0;

	if (above == NULL && copy->near_fd >= 0)
		r = dir_remove_all(copy->top_fd, copy->near);
	if (above != NULL && above->from < 0) {
		above->from = go_back(level->from, above->st.st_dev, above->st.st_ino);
		above->to = go_back(level->to, above->device, above->inode);
		r = MIN(above->from, above->to);
	}
	if (r >= 0)
		r = copy_metadata(copy, level->to, level->from, &level->st);
	if (r < 0 || above == NULL)
		return r;
	fd_close(&level->from);
	fd_close(&level->to);
	if (copy->beyond > 0)
		copy->beyond--;
	else
		copy->path[level->used] = '\0';
	copy->depth--;
	return 0;
}

/* The copy itself, where it lies in the source: it would have no end. */
static bool is_target(const struct copy *copy, const struct stat *st)
{
	const struct level *first = &copy->levels[0];

	return st->st_dev == first->device && st->st_ino == first->inode;
}

static int enter(struct copy *copy, const char *name)
{
	autoclose int from = -EBADF, to = -EBADF;
	struct level *above = top(copy), level;
	struct statx sx;
	struct stat st, made;

	if (copy->depth >= DEPTH_MAX)
		return -ENAMETOOLONG;
	from = openat(above->from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	if (is_target(copy, &st))
		return 0;
	if (mkdirat(above->to, name, 0700) < 0)
		return -errno;
	to = openat(above->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0 || fstat(to, &made) < 0)
		return -errno;
	if (statx(from, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &sx) < 0)
		return -errno;
	if (copy->mount && sx.stx_mnt_id != copy->mount)
		return copy_metadata(copy, to, from,
				     &st); /* a mount point: nothing of what covers it */
	if (copy->depth > DEPTH_OPEN) {
		fd_close(&above->from);
		fd_close(&above->to);
	}
	level = (struct level){ .st = st, .device = made.st_dev, .inode = made.st_ino };
	level.from = take_fd(&from);
	level.to = take_fd(&to);
	return begin_level(copy, &level, name);
}

/* It may be no directory any more, or gone. */
static int copy_directory(struct copy *copy, const char *name)
{
	const struct level *above = top(copy);
	size_t depth = copy->depth;
	int r;

	if (copy->stop && *copy->stop)
		return -EINTR;
	r = enter(copy, name);
	if (copy->depth > depth)
		return r;
	if (is_another(r) && copy->tries++ < 1000 * TRIES)
		r = copy_entry(copy, above->to, above->from, name);
	return r == -ENOENT ? 0 : r;
}

static int copy_all(struct copy *copy, const struct level *first)
{
	char name[NAME_MAX + 1];
	int r = begin_level(copy, first, "");
	bool last;

	while (r >= 0) {
		if (copy->names_size > top(copy)->names) {
			take_last(copy, name);
			r = copy_directory(copy, name);
			continue;
		}
		last = copy->depth == 1;
		r = end_level(copy);
		if (last)
			break;
	}
	return r;
}

static void copy_done(struct copy *copy)
{
	/* The first is the caller's. */
	for (size_t i = 1; i < copy->depth; i++) {
		fd_close(&copy->levels[i].from);
		fd_close(&copy->levels[i].to);
	}
	fd_close(&copy->near_fd);
	arena_done(&copy->arena);
}

int tree_copy(int target_fd, int source_fd, const volatile int *stop)
{
	struct copy copy CLEANUP(copy_done) = {
		.top_fd = target_fd,
		.stop = stop,
		.near_fd = -EBADF,
	};
	struct level first = { .from = source_fd, .to = target_fd };
	struct statx sx;
	struct stat made;

	if (fstat(source_fd, &first.st) < 0 || fstat(target_fd, &made) < 0 ||
	    statx(source_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &sx) < 0)
		return -errno;
	first.device = made.st_dev;
	first.inode = made.st_ino;
	copy.mount = sx.stx_mask & STATX_MNT_ID ? sx.stx_mnt_id : 0;
	copy.links = arena_take_array(&copy.arena, BUCKETS, sizeof(*copy.links));
	copy.attributes = arena_take(&copy.arena, 2 * ATTRIBUTES_MAX);
	return copy_all(&copy, &first);
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
