#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/fd.h"

#define COPY_STEP (32 * 1024 * 1024)

int file_read_fd(struct arena *arena, char **ret, size_t *ret_size, int fd, size_t limit)
{
	struct stat st;
	size_t used = 0, room;
	char *data;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADFD;
	if ((uint64_t)st.st_size > limit)
		return -EFBIG;

	/* Files of /proc say 0; one byte more than the size shows whether a file grew. */
	room = st.st_size > 0 ? (size_t)st.st_size + 1 : MIN(limit, 4095u) + 1;
	data = arena_take(arena, room + 1);
	for (;;) {
		ssize_t n = read(fd, data + used, room - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		used += (size_t)n;
		if (n == 0)
			break;
		if (used > limit)
			return -EFBIG;
		if (used == room) {
			char *wider;

			room = MIN(limit, room * 2) + 1;
			wider = arena_take(arena, room + 1);
			memcpy(wider, data, used);
			data = wider;
		}
	}
	data[used] = '\0';
	*ret = data;
	*ret_size = used;
	return 0;
}

int file_read(struct arena *arena, char **ret, size_t *ret_size, int dir_fd, const char *path,
	      size_t limit)
{
	autoclose int fd = -EBADF;

	fd = openat(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return file_read_fd(arena, ret, ret_size, fd, limit);
}

int file_read_line(char *buffer, size_t room, int dir_fd, const char *path)
{
	autoclose int fd = -EBADF;
	ssize_t n;

	fd = openat(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do
		n = read(fd, buffer, room - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n > 0 && buffer[n - 1] == '\n')
		n--;
	buffer[n] = '\0';
	return 0;
}

int file_write(int dir_fd, const char *path, const char *text)
{
	autoclose int fd = -EBADF;
	size_t size = strlen(text);
	ssize_t n;

	fd = openat(dir_fd, path, O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* The kernel parses each write() on its own: a second one for the rest would be wrong. */
	do
		n = write(fd, text, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

/* ".#NAME" and 16 random hex digits; a name that is too long keeps its beginning. */
static int temporary_name(char *buffer, size_t room, const char *name)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(buffer, room, ".#%.200s%016llx", name, (unsigned long long)random);
	return 0;
}

static int fill(int fd, const void *data, size_t size, mode_t mode)
{
	int r;

	r = fd_write_all(fd, data, size);
	if (r < 0)
		return r;
	/* Past the umask. */
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int file_replace(int dir_fd, const char *name, const void *data, size_t size, mode_t mode)
{
	autoclose int fd = -EBADF;
	char temporary[256];
	int r;

	if (strchr(name, '/') != NULL)
		return -EINVAL;
	r = temporary_name(temporary, sizeof(temporary), name);
	if (r < 0)
		return r;
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill(fd, data, size, mode);
	if (r == 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, temporary, 0);
	return r;
}

struct copy {
	int to_fd, from_fd;
	file_step_fn *step;
	void *context;
};

static int report(const struct copy *copy, ssize_t bytes)
{
	return copy->step == NULL ? 0 : copy->step(copy->context, (uint64_t)bytes);
}

static int copy_by_hand(const struct copy *copy, off_t start, off_t end)
{
	char buffer[64 * 1024];

	while (start < end) {
		ssize_t n = pread(copy->from_fd, buffer,
				  (size_t)MIN(end - start, (off_t)sizeof(buffer)), start);
		ssize_t done = 0;
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* the file shrank under us */
		while (done < n) {
			ssize_t m = pwrite(copy->to_fd, buffer + done, (size_t)(n - done),
					   start + done);

			if (m < 0 && errno != EINTR)
				return -errno;
			done += MAX(m, 0);
		}
		start += n;
		r = report(copy, n);
		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_range(const struct copy *copy, off_t start, off_t end)
{
	while (start < end) {
		off64_t in = start, out = start;
		ssize_t n = copy_file_range(copy->from_fd, &in, copy->to_fd, &out,
					    (size_t)MIN(end - start, (off_t)COPY_STEP), 0);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		/* Each kernel has its own errno for "not between these two". A real error comes
		 * back from the plain way. */
		if (n <= 0)
			return copy_by_hand(copy, start, end);
		start += n;
		r = report(copy, n);
		if (r < 0)
			return r;
	}
	return 0;
}

int file_copy_fd(int to_fd, int from_fd)
{
	return file_copy_fd_by(to_fd, from_fd, NULL, NULL);
}

int file_copy_fd_by(int to_fd, int from_fd, file_step_fn *step, void *context)
{
	struct stat st;

	if (fstat(from_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADFD;
	return file_copy_sized(to_fd, from_fd, st.st_size, step, context);
}

int file_copy_sized(int to_fd, int from_fd, int64_t size, file_step_fn *step, void *context)
{
	const struct copy copy = { to_fd, from_fd, step, context };
	off_t at = 0;

	if (size > 0 && ioctl(to_fd, FICLONE, from_fd) == 0)
		return report(&copy, size);
	/* The kernel's own files say so while they have something to tell. */
	if (size == 0)
		return copy_by_hand(&copy, 0, INT64_MAX);
	if (ftruncate(to_fd, size) < 0)
		return -errno;

	while (at < size) {
		off_t data = lseek(from_fd, at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno == ENXIO)
			break; /* only a hole is left */
		if (data < 0)
			data = at; /* no such thing here: all is data */
		hole = lseek(from_fd, data, SEEK_HOLE);
		if (hole < 0)
			hole = size;
		r = copy_range(&copy, data, MIN(hole, size));
		if (r < 0)
			return r;
		at = hole;
	}
	return 0;
}
