#include "engine/channel.h"

#include <errno.h>
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

int channel_go(struct channel *channel, const int *fds, size_t count)
{
	return count > CHANNEL_FDS_MAX ? -EINVAL : fd_send(channel->supervisor, fds, count);
}

int channel_wait(struct channel *channel, int *ret_fds, size_t count)
{
	int r = fd_receive(channel->payload, ret_fds, count);

	if (r < 0)
		return r;
	return r == (int)count ? 0 : -EBADMSG;
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

static int understand(const struct failure *failure, ssize_t size)
{
	if (size != sizeof(*failure) || failure->code >= 0)
		return fail_plain(-EBADMSG, "cannot understand what the payload says");
	fail_adopt(failure);
	return failure->code;
}

/* The payload ended with a GO of ours unread: what it said before comes after the error. */
static ssize_t hear(struct channel *channel, struct failure *ret, int flags)
{
	ssize_t n = recv(channel->supervisor, ret, sizeof(*ret), flags);

	return n < 0 && errno == ECONNRESET ? recv(channel->supervisor, ret, sizeof(*ret), flags)
					    : n;
}

int channel_announce(const struct channel *channel)
{
	return send(channel->payload, "", 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int channel_await(struct channel *channel)
{
	struct failure failure;
	ssize_t n;

	do
		n = hear(channel, &failure, 0);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	if (n <= 0)
		return fail_plain(-EPIPE, "cannot hear from the payload: it has ended");
	return understand(&failure, n);
}

int channel_outcome(struct channel *channel)
{
	struct failure failure;
	ssize_t n = hear(channel, &failure, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* The payload was killed with our GO unread: its end is gone all the same. */
	if (n == 0 || (n < 0 && errno == ECONNRESET)) {
		fd_close(&channel->supervisor);
		return 1;
	}
	if (n < 0)
		return fail(-errno, "cannot hear from the payload");
	return understand(&failure, n);
}
