/* io/file - whole small files. Any process. Quiet.
 *
 * dir_fd may be AT_FDCWD. These follow no rules about trust: a path inside a
 * container's tree goes through kernel/resolve first, then `fd` forms are used.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;

/* Read a regular file up to LIMIT bytes; a NUL follows. Not a regular file: -EBADFD. Larger:
 * -EFBIG.
 * Opens with O_NONBLOCK|O_NOCTTY, so a FIFO does not hang. */
int file_read(struct arena *arena, char **ret, size_t *ret_size, int dir_fd, const char *path,
	      size_t limit);
int file_read_fd(struct arena *arena, char **ret, size_t *ret_size, int fd, size_t limit);

/* For /proc and /sys: one read() into ROOM bytes, newline at the end removed, NUL added. */
int file_read_line(char *buffer, size_t room, int dir_fd, const char *path);

/* One open(O_WRONLY|O_NOFOLLOW) and one write(): kernel interfaces. */
int file_write(int dir_fd, const char *path, const char *text);

/* Write beside, fsync, rename over. Mode is exact. */
int file_replace(int dir_fd, const char *name, const void *data, size_t size, mode_t mode);

/* Copy all bytes, sparse-aware and with reflink where possible. */
int file_copy_fd(int to_fd, int from_fd);

/* As above; STEP is called after each part with its size, and ends the copy with what it returns,
 * if that is negative. */
typedef int file_step_fn(void *context, uint64_t bytes);
int file_copy_fd_by(int to_fd, int from_fd, file_step_fn *step, void *context);

/* The same of a regular file whose SIZE is known: FROM_FD is only read. */
int file_copy_sized(int to_fd, int from_fd, int64_t size, file_step_fn *step, void *context);
