#include "io/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define PASSRIGHTS 83 /* SO_PASSRIGHTS of asm-generic/socket.h, 6.16 */

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -EBADF;
	errno = saved;
}

int fd_duplicate(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

int fd_reopen(int fd, int flags)
{
	char link[sizeof("/proc/self/fd/-2147483648")];
	int again;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	again = open(link, flags | O_CLOEXEC);
	return again < 0 ? -errno : again;
}

int fd_lock(int fd, int operation)
{
	while (flock(fd, operation) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static bool is_kept(int fd, const int *keep, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (keep[i] == fd)
			return true;
	return false;
}

/* Linux before 5.9, or a syscall filter around us. opendir() allocates, so the raw entries are
 * read into the stack: this may run between fork and exec. */
static int close_listed(int first, const int *keep, size_t count)
{
	char buffer[2048] __attribute__((aligned(__alignof__(struct dirent64))));
	autoclose int dir = -EBADF;
	ssize_t n;

	dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	while ((n = getdents64(dir, buffer, sizeof(buffer))) > 0) {
		const struct dirent64 *entry;

		for (ssize_t at = 0; at < n; at += entry->d_reclen) {
			int fd = 0;

			entry = (const struct dirent64 *)(buffer + at);
			if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
				continue;
			for (const char *c = entry->d_name; *c != '\0'; c++)
				fd = fd * 10 + (*c - '0');
			if (fd >= first && fd != dir && !is_kept(fd, keep, count))
				close(fd);
		}
	}
	return n < 0 ? -errno : 0;
}

/* The lowest of KEEP that is not below FROM; -1: none. */
static int next_kept(int from, const int *keep, size_t count)
{
	int next = -1;

	for (size_t i = 0; i < count; i++)
		if (keep[i] >= from && (next < 0 || keep[i] < next))
			next = keep[i];
	return next;
}

int fd_close_all(int first, const int *keep, size_t count)
{
	int from = first, kept;

	do {
		unsigned int to;

		kept = next_kept(from, keep, count);
		to = kept < 0 ? ~0u : (unsigned int)kept - 1;
		if (kept != from && close_range((unsigned int)from, to, 0) < 0)
			return errno == ENOSYS || errno == EPERM ? close_listed(first, keep, count)
								 : -errno;
		from = kept + 1;
	} while (kept >= 0);
	return 0;
}

int fd_read_all(int fd, void *data, size_t size)
{
	char *to = data;

	while (size > 0) {
		ssize_t n = read(fd, to, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		to += n;
		size -= (size_t)n;
	}
	return 0;
}

int fd_write_all(int fd, const void *data, size_t size)
{
	const char *from = data;

	while (size > 0) {
		ssize_t n = write(fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		from += n;
		size -= (size_t)n;
	}
	return 0;
}

union fd_message {
	struct cmsghdr header;
	char room[CMSG_SPACE(FD_SEND_MAX * sizeof(int))];
};

int fd_send_parts(int socket, const struct iovec *parts, size_t part_count, const int *fds,
		  size_t count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)parts, .msg_iovlen = part_count };
	union fd_message control = { 0 };
	ssize_t n;

	if (count > FD_SEND_MAX)
		return -EINVAL;
	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	do
		n = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int fd_send(int socket, const int *fds, size_t count)
{
	char byte = 0;

	return fd_send_parts(socket, &(struct iovec){ &byte, 1 }, 1, fds, count);
}

static void close_came(struct cmsghdr *header)
{
	for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= header->cmsg_len; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
		close(fd);
	}
}

int fd_receive(int socket, int *ret_fds, size_t count)
{
	char byte;
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	union fd_message control = { 0 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	size_t came;
	ssize_t n;

	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	if (message.msg_controllen < CMSG_LEN(0))
		return 0;
	if (control.header.cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	came = (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (came <= count && !(message.msg_flags & MSG_CTRUNC)) {
		memcpy(ret_fds, CMSG_DATA(&control.header), came * sizeof(int));
		return (int)came;
	}
	close_came(&control.header);
	return -EBADMSG;
}

int fd_tell_senders(int socket)
{
	int on = 1, off = 0;

	(void)setsockopt(socket, SOL_SOCKET, PASSRIGHTS, &off, sizeof(off));
	return setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 0;
}

ssize_t fd_hear(int socket, void *ret, size_t size, int flags, pid_t *ret_sender)
{
	/* The kernel puts the sender first, and discards descriptors that find no room. */
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control = { 0 };
	struct iovec part = { .iov_base = ret, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
	struct ucred sender = { 0 };

	if (n < 0)
		return -errno;
	/* Without SO_PASSCRED there is room for some. */
	if (message.msg_controllen >= CMSG_LEN(0) && control.header.cmsg_type == SCM_RIGHTS) {
		close_came(&control.header);
		return -EBADMSG;
	}
	if (message.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	if (message.msg_controllen >= CMSG_LEN(sizeof(sender)) &&
	    control.header.cmsg_level == SOL_SOCKET && control.header.cmsg_type == SCM_CREDENTIALS)
		memcpy(&sender, CMSG_DATA(&control.header), sizeof(sender));
	*ret_sender = sender.pid;
	return n;
}
