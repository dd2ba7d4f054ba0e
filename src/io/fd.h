/* io/fd - owning file descriptors. Any process. Quiet.
 *
 * A variable that owns starts as -EBADF and is declared `autoclose`; a result
 * leaves by take_fd(). Every descriptor is O_CLOEXEC.
 */
#pragma once
#include <errno.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/macros.h"

void fd_close(int *fd); /* closes if >= 0, keeps errno, sets -EBADF */
#define autoclose CLEANUP(fd_close)

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

int fd_duplicate(int fd); /* new O_CLOEXEC descriptor >= 3, or negative errno */

/* The same inode once more, O_CLOEXEC, with these flags and from its start: what was looked at by
 * an O_PATH descriptor before it is opened, as that does things where it is a device. Needs /proc.
 */
int fd_reopen(int fd, int flags);

/* flock(2) with LOCK_SH or LOCK_EX, waiting; retries EINTR. */
int fd_lock(int fd, int operation);

/* Close all descriptors >= FIRST but the COUNT in KEEP, in any order; those below FIRST stay
 * anyway. Uses close_range(2); without it walks /proc/self/fd. Safe between fork and exec. */
int fd_close_all(int first, const int *keep, size_t count);

/* All of the bytes or a negative errno; -EIO: the other side closed early. Retries EINTR. */
int fd_read_all(int fd, void *data, size_t size);
int fd_write_all(int fd, const void *data, size_t size);

#define FD_SEND_MAX 32

/* One message of these parts, and COUNT descriptors, over a socket that keeps messages apart.
 * -EINVAL: too many. Retries EINTR. */
int fd_send_parts(int socket, const struct iovec *parts, size_t part_count, const int *fds,
		  size_t count);

/* One byte with them. */
int fd_send(int socket, const int *fds, size_t count);

/* The descriptors that come with the next one, O_CLOEXEC, in the order sent; returns how many.
 * -EPIPE: the other side is gone. -EBADMSG: more than COUNT, or something else. Retries EINTR. */
int fd_receive(int socket, int *ret_fds, size_t count);

/* Messages to the socket tell their sender, and cannot bring descriptors, which may take for ever
 * to close. (Before Linux 6.16 they can, and fd_hear() waits until the kernel has closed them.) */
int fd_tell_senders(int socket);

/* One message of such a socket (unix(7)) and who sent it, 0 if that is not told; FLAGS as for
 * recvmsg(2). Its length, or a negative errno; -EMSGSIZE: it was longer. Descriptors that come
 * along are never taken. */
ssize_t fd_hear(int socket, void *ret, size_t size, int flags, pid_t *ret_sender);
