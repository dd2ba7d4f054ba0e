#include "image/growing.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "image/quota.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/btrfs.h"

#define PREFIX ".#transfer."
#define NAME_ROOM 200 /* of 255, for what is put around it */
#define TRIES_MAX 64

static const int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

static int hidden_name(struct arena *arena, const char **ret, const char *name)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	*ret = arena_format(arena, PREFIX "%.*s.%016llx", NAME_ROOM, name,
			    (unsigned long long)random);
	return 0;
}

static bool is_still(int dir_fd, const char *name, int fd)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 && fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* Between making and locking somebody may have swept it: then once more. */
static int lock_new(const struct growing *growing)
{
	int r = fd_lock(growing->fd, LOCK_EX);

	if (r < 0)
		return r;
	return is_still(growing->dir_fd, growing->name, growing->fd) ? 0 : -EAGAIN;
}

/* What to make. */
struct wish {
	bool directory, subvolume;
	int source_fd; /* of a snapshot; negative: none */
};

static int make_directory(struct growing *growing, const struct wish *wish)
{
	int r = -ENOTTY;

	if (wish->source_fd >= 0)
		r = btrfs_snapshot(growing->dir_fd, growing->name, wish->source_fd);
	else if (wish->subvolume)
		r = btrfs_make(growing->dir_fd, growing->name);
	growing->subvolume = r >= 0;
	if (r == -EEXIST)
		return -EAGAIN;
	if (r < 0 && wish->source_fd >= 0)
		return r;
	/* Elsewhere than on btrfs, or where a user may not: a directory does, too. */
	if (r < 0 && mkdirat(growing->dir_fd, growing->name, 0755) < 0)
		return errno == EEXIST ? -EAGAIN : -errno;
	growing->fd = openat(growing->dir_fd, growing->name, directory_flags);
	if (growing->fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (growing->subvolume)
		quota_join(growing->fd, wish->source_fd);
	return wish->source_fd < 0 && fchmod(growing->fd, 0755) < 0 ? -errno : 0;
}

static int make_file(struct growing *growing)
{
	growing->fd = openat(growing->dir_fd, growing->name,
			     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (growing->fd < 0)
		return errno == EEXIST ? -EAGAIN : -errno;
	return 0;
}

static int make(struct arena *arena, struct growing *ret, int dir_fd, const char *name,
		const struct wish *wish)
{
	struct growing growing = GROWING_EMPTY;
	int r = -EAGAIN;

	for (int i = 0; i < TRIES_MAX && r == -EAGAIN; i++) {
		growing = (struct growing)GROWING_EMPTY;
		growing.dir_fd = dir_fd;
		r = hidden_name(arena, &growing.name, name);
		if (r >= 0)
			r = wish->directory ? make_directory(&growing, wish) : make_file(&growing);
		if (r >= 0)
			r = lock_new(&growing);
		if (r < 0 && growing.fd >= 0 && r != -EAGAIN)
			(void)dir_remove_all(dir_fd, growing.name);
		if (r < 0)
			fd_close(&growing.fd);
	}
	if (r < 0)
		return r;
	*ret = growing;
	return 0;
}

int growing_directory(struct arena *arena, struct growing *ret, int dir_fd, const char *name,
		      bool subvolume)
{
	struct wish wish = { .directory = true, .subvolume = subvolume, .source_fd = -EBADF };

	return make(arena, ret, dir_fd, name, &wish);
}

int growing_snapshot(struct arena *arena, struct growing *ret, int dir_fd, const char *name,
		     int source_fd)
{
	struct wish wish = { .directory = true, .source_fd = source_fd };

	return make(arena, ret, dir_fd, name, &wish);
}

int growing_file(struct arena *arena, struct growing *ret, int dir_fd, const char *name)
{
	struct wish wish = { .source_fd = -EBADF };

	return make(arena, ret, dir_fd, name, &wish);
}

/* Some file systems cannot rename with a condition: there the check comes first, and who makes the
 * same name in between loses. */
static int rename_to_free(int dir_fd, const char *from, const char *to)
{
	struct stat st;

	if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (fstatat(dir_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(dir_fd, from, dir_fd, to) < 0 ? -errno : 0;
}

int growing_publish(struct growing *growing, const char *name, bool replace, bool *ret_replaced)
{
	int r = rename_to_free(growing->dir_fd, growing->name, name);

	*ret_replaced = false;
	if (r != -EEXIST || !replace)
		return r;
	if (renameat2(growing->dir_fd, growing->name, growing->dir_fd, name, RENAME_EXCHANGE) < 0)
		return -errno;
	*ret_replaced = true;
	return 0;
}

int growing_retract(struct growing *growing, const char *name, bool replaced)
{
	unsigned int flags = replaced ? RENAME_EXCHANGE : RENAME_NOREPLACE;

	return renameat2(growing->dir_fd, name, growing->dir_fd, growing->name, flags) < 0 ? -errno
											   : 0;
}

int growing_remove(struct growing *growing)
{
	int r = 0;

	if (growing->fd >= 0)
		r = quota_remove_all(growing->dir_fd, growing->name);
	fd_close(&growing->fd);
	return r;
}

void growing_done(struct growing *growing)
{
	fd_close(&growing->fd);
}

struct sweep {
	const char *path;
	int count;
};

/* 1: nobody works on it. Links and the like are what was replaced. */
static int is_free(int dir_fd, const char *name, unsigned char type)
{
	autoclose int fd = -EBADF;

	if (type != DT_DIR && type != DT_REG)
		return 1;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	return is_still(dir_fd, name, fd);
}

bool growing_is_note(const char *name)
{
	return text_after(name, PREFIX GROWING_NOTE ".") != NULL;
}

static int sweep_one(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct sweep *sweep = context;
	int r;

	if (text_after(name, PREFIX) == NULL || growing_is_note(name))
		return 0;
	r = is_free(dir_fd, name, type);
	if (r == 0 || r == -ENOENT)
		return 0;
	if (r > 0)
		r = quota_remove_all(dir_fd, name);
	if (r < 0)
		log_warning("cannot remove '%s/%s', which was left behind: %s, going on without",
			    sweep->path, name, strerror(-r));
	else
		sweep->count++;
	return 0;
}

int growing_sweep(int dir_fd, const char *path)
{
	struct sweep sweep = { .path = path };
	int r = dir_walk(dir_fd, sweep_one, &sweep);

	return r < 0 ? r : sweep.count;
}
