#include "engine/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "io/fd.h"

int channel_open(struct channel *channel)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	channel->supervisor = pair[0];
	channel->payload = pair[1];
	return 0;
}

void channel_done(struct channel *channel)
{
	fd_close(&channel->supervisor);
	fd_close(&channel->payload);
}

union fd_message {
	struct cmsghdr header;
	char room[CMSG_SPACE(CHANNEL_FDS_MAX * sizeof(int))];
};

int channel_go(struct channel *channel, const int *fds, size_t count)
{
	char go = 'g';
	struct iovec part = { .iov_base = &go, .iov_len = 1 };
	union fd_message control = { 0 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (count > CHANNEL_FDS_MAX)
		return -EINVAL;
	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	if (sendmsg(channel->supervisor, &message, MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

int channel_wait(struct channel *channel, int *ret_fds, size_t count)
{
	char go;
	struct iovec part = { .iov_base = &go, .iov_len = 1 };
	union fd_message control = { 0 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(channel->payload, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	if (count == 0)
		return 0;
	if (message.msg_controllen < CMSG_LEN(0) ||
	    control.header.cmsg_len != CMSG_LEN(count * sizeof(int)))
		return -EBADMSG;
	memcpy(ret_fds, CMSG_DATA(&control.header), count * sizeof(int));
	return 0;
}

bool channel_is_dead(const struct channel *channel)
{
	char byte;

	return recv(channel->payload, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void channel_report(const struct channel *channel, const struct failure *failure)
{
	if (send(channel->payload, failure, sizeof(*failure), MSG_NOSIGNAL) < 0)
		return;
}

int channel_outcome(struct channel *channel)
{
	struct failure failure;
	ssize_t n = recv(channel->supervisor, &failure, sizeof(failure), MSG_DONTWAIT);

	/* The payload ended with a GO of ours unread; what it said before comes after the error. */
	if (n < 0 && errno == ECONNRESET)
		n = recv(channel->supervisor, &failure, sizeof(failure), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* The payload was killed with our GO unread: its end is gone all the same. */
	if (n == 0 || (n < 0 && errno == ECONNRESET)) {
		fd_close(&channel->supervisor);
		return 1;
	}
	if (n < 0)
		return fail(-errno, "cannot hear from the payload");
	if (n != sizeof(failure) || failure.code >= 0)
		return fail_plain(-EBADMSG, "cannot understand what the payload says");
	fail_adopt(&failure);
	return failure.code;
}
