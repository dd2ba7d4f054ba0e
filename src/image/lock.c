#include "image/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"

#define GLOBAL_DIRECTORY "/run/systemd/nspawn/locks"

#define TRIES_MAX 64

/* Who lets go has a shared lock alone for a moment, to remove the file. */
#define SHARED_TRIES_MAX 10
#define SHARED_PAUSE_NS 4000000L

static int try_lock(int fd, bool exclusive)
{
	struct flock range = {
		.l_type = (short)(exclusive ? F_WRLCK : F_RDLCK),
		.l_whence = SEEK_SET,
	};

	if (fcntl(fd, F_OFD_SETLK, &range) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int lock_file(int dir_fd, const char *path, bool exclusive)
{
	const int flags = O_CREAT | O_RDWR | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;

	for (int i = 0; i < TRIES_MAX; i++) {
		autoclose int fd = -EBADF;
		struct stat st;
		int r;

		fd = openat(dir_fd, path, flags, 0600);
		if (fd < 0)
			return -errno;
		r = try_lock(fd, exclusive);
		if (r < 0)
			return r;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (!S_ISREG(st.st_mode))
			return -EBADFD;
		/* The holder before us unlinks the file before it lets go: a lock on a file that
		 * has no name any more excludes nobody. */
		if (st.st_nlink > 0)
			return take_fd(&fd);
	}
	return -EBUSY;
}

static int lock_local(struct lock *lock, int tree_fd)
{
	int fd;

	if (lock->local_path == NULL)
		return 0;
	fd = lock_file(AT_FDCWD, lock->local_path, lock->exclusive);
	if (fd >= 0) {
		lock->local_fd = fd;
		return 0;
	}
	lock->local_path = NULL;
	if (fd == -EROFS)
		return 0; /* not written this way; for other ways there is the global lock */
	/* To remove a tree is what makes room. */
	if ((fd == -ENOSPC || fd == -EDQUOT) && lock->global_path != NULL)
		return 0;
	if (fd != -EACCES && fd != -EPERM)
		return fd;

	/* The directory beside the tree is not ours: the tree's own inode is the lock. */
	fd = openat(tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fd = errno == ENOTDIR ? fd_duplicate(tree_fd) : -errno;
	if (fd < 0)
		return fd;
	lock->local_fd = fd;
	if (flock(fd, (lock->exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

static int lock_global(struct lock *lock)
{
	int fd, r;

	fd = lock_file(AT_FDCWD, lock->global_path, lock->exclusive);
	if (fd == -ENOENT) {
		r = dir_make_all("/run/systemd/nspawn", 0755);
		if (r >= 0)
			r = dir_make_all(GLOBAL_DIRECTORY, 0700);
		if (r < 0)
			return r;
		fd = lock_file(AT_FDCWD, lock->global_path, lock->exclusive);
	}
	if (fd < 0) {
		lock->global_path = NULL;
		return fd;
	}
	lock->global_fd = fd;
	return 0;
}

static int busy(const char *path, bool exclusive)
{
	fail_plain(-EBUSY, "cannot use the tree '%s': it is in use", path);
	if (exclusive)
		fail_hint("stop the container that runs from it, or use --ephemeral for a "
			  "throw-away copy");
	else
		fail_hint("a container that may write to it runs from it; stop that one first");
	return -EBUSY;
}

int lock_paths(struct arena *arena, struct lock *lock, const char *path, int tree_fd, bool global)
{
	struct stat st;

	if (fstat(tree_fd, &st) < 0)
		return fail(-errno, "cannot look at '%s'", path);
	lock->local_path = arena_format(arena, "%s/.#%s.lck", path_parent(arena, path),
					path_name(path));
	lock->global_path = NULL;
	if (S_ISBLK(st.st_mode)) { /* nothing of ours beside it */
		lock->local_path = NULL;
		if (global)
			lock->global_path = arena_format(arena, GLOBAL_DIRECTORY "/block-%u:%u",
							 major(st.st_rdev), minor(st.st_rdev));
		return 0;
	}
	if (global)
		lock->global_path = arena_format(arena, GLOBAL_DIRECTORY "/inode-%llu:%llu",
						 (unsigned long long)st.st_dev,
						 (unsigned long long)st.st_ino);
	return 0;
}

static int take_both(struct arena *arena, struct lock *lock, const char *path, int tree_fd,
		     bool global)
{
	int r = lock_paths(arena, lock, path, tree_fd, global);

	if (r >= 0)
		r = lock_local(lock, tree_fd);
	if (r >= 0 && global)
		r = lock_global(lock);
	if (r < 0)
		lock_release(lock);
	return r;
}

int lock_take(struct arena *arena, struct lock *ret, const char *path, int tree_fd, bool exclusive,
	      bool global)
{
	const struct timespec pause = { .tv_nsec = SHARED_PAUSE_NS };
	struct lock lock = LOCK_EMPTY;
	int r;

	lock.exclusive = exclusive;
	if (text_equal(path, "/")) {
		if (exclusive)
			return busy(path, exclusive);
		*ret = lock;
		return 0;
	}
	r = take_both(arena, &lock, path, tree_fd, global);
	for (int i = 1; r == -EBUSY && !exclusive && i < SHARED_TRIES_MAX; i++) {
		(void)nanosleep(&pause, NULL);
		r = take_both(arena, &lock, path, tree_fd, global);
	}
	if (r < 0)
		return r == -EBUSY ? busy(path, exclusive)
				   : fail(r, "cannot lock the tree '%s'", path);
	*ret = lock;
	return 0;
}

int lock_check(const char *path, int tree_fd)
{
	struct stat held, there;

	if (fstat(tree_fd, &held) == 0 && stat(path, &there) == 0 && held.st_dev == there.st_dev &&
	    held.st_ino == there.st_ino)
		return 0;
	return fail_plain(-ESTALE,
			  "cannot use '%s': somebody renamed or removed it just now (try again)",
			  path);
}

int lock_name(struct arena *arena, struct lock *ret, const char *directory, const char *name,
	      bool global)
{
	struct lock lock = LOCK_EMPTY;
	int r;

	lock.exclusive = true;
	if (global) {
		lock.global_path = arena_format(arena, GLOBAL_DIRECTORY "/name-%s", name);
		r = lock_global(&lock);
	} else {
		/* Not that of a tree of this name: who replaces one has both. */
		lock.local_path = arena_format(arena, "%s/.#.#%s.lck", directory, name);
		r = lock.local_fd = lock_file(AT_FDCWD, lock.local_path, true);
	}
	if (r < 0) {
		lock = (struct lock)LOCK_EMPTY;
		if (r == -EBUSY)
			return fail_plain(r,
					  "cannot use the name '%s': somebody else is making an "
					  "image with it",
					  name);
		return fail(r, "cannot lock the name '%s'", name);
	}
	*ret = lock;
	return 0;
}

/* Of several who let go at the same time each one would find that the others still share it: so we
 * let go first. The next one to have it alone may have removed the file by then, and somebody else
 * may have made another one. */
static bool is_last(int fd)
{
	struct flock range = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	struct stat st;

	return fcntl(fd, F_OFD_SETLK, &range) == 0 && try_lock(fd, true) >= 0 &&
	       fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* Who is the last one removes the file. It is removed while it is held, alone, so that the next
 * one's re-check sees it. */
static void release_one(int *fd, const char *path, bool exclusive)
{
	if (*fd >= 0 && path && (exclusive || is_last(*fd)))
		(void)unlink(path);
	fd_close(fd);
}

void lock_release(struct lock *lock)
{
	release_one(&lock->global_fd, lock->global_path, lock->exclusive);
	release_one(&lock->local_fd, lock->local_path, lock->exclusive);
	lock->local_path = lock->global_path = NULL;
}
