#include "net/lease-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/fd.h"

#define TEXT_ROOM (LEASE_FILE_TAG_ROOM + NAME_MAX_LENGTH + 2)
#define FLAGS (O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define HELD_MS 1000 /* a lease's file: who holds it only reads and writes it */
#define TRIES_MAX 64
#define YIELDS 16
#define PAUSE_US 1000

typedef int try_fn(int fd);

static int try_file(int fd)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &range);
}

/* The other kind needs a file that can be written. */
static int try_directory(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int lock(int fd, try_fn *try, unsigned int wait_ms)
{
	const uint64_t until = clock_monotonic_us() + (uint64_t)wait_ms * 1000;

	for (unsigned int i = 0; try(fd) < 0; i++) {
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		if (clock_monotonic_us() >= until)
			return -EBUSY;
		if (i < YIELDS)
			sched_yield();
		else
			usleep(PAUSE_US);
	}
	return 0;
}

/* Locked, and still what is called FILE. */
static int open_locked(int dir_fd, const char *file, int flags)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		autoclose int fd = openat(dir_fd, file, FLAGS | flags, 0600);
		struct stat st;
		int r;

		if (fd < 0)
			return -errno;
		r = lock(fd, try_file, HELD_MS);
		if (r < 0)
			return r;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (!S_ISREG(st.st_mode))
			return -EBADFD;
		if (st.st_nlink > 0)
			return take_fd(&fd);
	}
	return -EBUSY;
}

static bool is_tag(const char *text, size_t length)
{
	return length > 0 && length < LEASE_FILE_TAG_ROOM &&
	       strspn(text, "0123456789abcdef") == length;
}

/* The first line counts: behind it may be what is left of a longer one. */
static struct lease_file parse(const char *text)
{
	const char *blank = strchr(text, ' '), *end = strchr(text, '\n');
	struct lease_file lease = { 0 };
	size_t length;

	if (blank == NULL || end == NULL || blank > end || !is_tag(text, (size_t)(blank - text)))
		return lease;
	length = (size_t)(end - blank - 1);
	if (length >= sizeof(lease.name))
		return lease;
	memcpy(lease.name, blank + 1, length);
	if (name_is_machine(lease.name))
		memcpy(lease.tag, text, (size_t)(blank - text));
	return lease;
}

static int read_lease(struct lease_file *ret, int fd)
{
	char text[TEXT_ROOM] = "";
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

	if (size < 0)
		return -errno;
	*ret = parse(text);
	return 0;
}

int lease_file_look(struct lease_file *ret, int dir_fd, const char *file)
{
	autoclose int fd = openat(dir_fd, file, FLAGS);

	if (fd < 0 && errno == ENOENT) {
		*ret = (struct lease_file){ 0 };
		return 0;
	}
	return fd < 0 ? -errno : read_lease(ret, fd);
}

int lease_file_claim(int dir_fd, const char *file, const struct lease_file *seen,
		     const struct lease_file *mine)
{
	autoclose int fd = -EBADF;
	char text[TEXT_ROOM];
	struct lease_file now;
	int length, r;

	length = snprintf(text, sizeof(text), "%s %s\n", mine->tag, mine->name);
	if (!is_tag(mine->tag, strlen(mine->tag)) || !name_is_machine(mine->name))
		return -EINVAL;
	fd = open_locked(dir_fd, file, O_CREAT);
	if (fd < 0)
		return fd;
	r = read_lease(&now, fd);
	if (r < 0)
		return r;
	if (strcmp(now.tag, seen->tag) != 0)
		return -EBUSY;
	return pwrite(fd, text, (size_t)length, 0) == length ? 0 : -EIO;
}

int lease_file_drop(int dir_fd, const char *file, const char *tag)
{
	autoclose int fd = open_locked(dir_fd, file, 0);
	struct lease_file now;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = read_lease(&now, fd);
	if (r < 0)
		return r;
	/* Under the lock: who claims it looks again when he has it. */
	if (strcmp(now.tag, tag) != 0)
		return 0;
	return unlinkat(dir_fd, file, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int lease_file_hold(int dir_fd, unsigned int wait_ms)
{
	return lock(dir_fd, try_directory, wait_ms);
}
