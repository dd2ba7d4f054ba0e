/* TCP: the part of net/forward that passes connections on. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/fd.h"
#include "net/forward-inside.h"

#define PIPE_SIZE (256 * 1024)
#define ACCEPTS_MAX 16 /* of one listener at one go */
#define TURNS_MAX 8    /* of one connection at one go: so many pipes full */

/* ---- pipes ---- */

static struct forward_pipe *take_pipe(struct forward_inside *inside)
{
	for (size_t i = 0; i < FORWARD_PIPES_MAX; i++) {
		struct forward_pipe *pipe = &inside->pipes[i];

		if (pipe->taken)
			continue;
		if (pipe->fds[0] < 0) {
			if (pipe2(pipe->fds, O_CLOEXEC | O_NONBLOCK) < 0)
				return NULL;
			/* It works with less, too. */
			(void)fcntl(pipe->fds[1], F_SETPIPE_SZ, PIPE_SIZE);
		}
		pipe->taken = true;
		return pipe;
	}
	return NULL;
}

/* With what is in it: then it cannot be used again. */
static void drop_pipe(struct forward_side *side)
{
	if (!side->pipe)
		return;
	if (side->pending > 0) {
		fd_close(&side->pipe->fds[0]);
		fd_close(&side->pipe->fds[1]);
	}
	side->pipe->taken = false;
	side->pipe = NULL;
	side->pending = 0;
}

/* ---- interest ---- */

static struct forward_subject subject(const struct forward_inside *inside,
				      const struct forward_connection *connection,
				      unsigned int side)
{
	return (struct forward_subject){ .kind = FORWARD_CONNECTION,
					 .side = (uint8_t)side,
					 .number = connection->number,
					 .index = (uint32_t)(connection - inside->connections) };
}

/* What is to be heard of one side: that it has something, if there is room for it; that it takes
 * something, if there is something for it. */
static uint32_t wanted(const struct forward_connection *connection, unsigned int number)
{
	const struct forward_side *side = &connection->sides[number];
	const struct forward_side *other = &connection->sides[!number];
	uint32_t events = 0;

	if (connection->connecting)
		return number == 1 ? EPOLLOUT : 0;
	if (!side->ended && side->pending == 0 && !side->starved)
		events |= EPOLLIN;
	if (other->pending > 0)
		events |= EPOLLOUT;
	return events;
}

/* Of a side that was told the end, and said its own, the kernel tells so as long as it is asked,
 * even if it is asked for nothing. */
static int unhear(struct forward_inside *inside, struct forward_side *side)
{
	if (!side->unheard && epoll_ctl(inside->poll_fd, EPOLL_CTL_DEL, side->fd, NULL) < 0)
		return -errno;
	side->unheard = true;
	side->interest = 0;
	return 0;
}

static int update_one(struct forward_inside *inside, struct forward_connection *connection,
		      unsigned int number)
{
	struct forward_side *side = &connection->sides[number];
	uint32_t events = wanted(connection, number);
	int r;

	if (events == 0 && connection->sides[!number].told)
		return unhear(inside, side);
	if (events == side->interest && !side->unheard)
		return 0;
	r = forward_watch(inside, side->fd, events, subject(inside, connection, number),
			  side->unheard);
	if (r < 0)
		return r;
	side->interest = events;
	side->unheard = false;
	return 0;
}

static int update(struct forward_inside *inside, struct forward_connection *connection)
{
	int r = 0;

	for (unsigned int i = 0; r >= 0 && i < 2; i++)
		r = update_one(inside, connection, i);
	return r;
}

/* ---- ending ---- */

/* Who waited for a pipe may go on: there is one. */
static void feed(struct forward_inside *inside)
{
	if (!inside->starving)
		return;
	inside->starving = false;
	for (size_t i = 0; i < FORWARD_CONNECTIONS_MAX; i++) {
		struct forward_connection *connection = &inside->connections[i];

		if (connection->sides[0].fd < 0 ||
		    (!connection->sides[0].starved && !connection->sides[1].starved))
			continue;
		connection->sides[0].starved = connection->sides[1].starved = false;
		(void)update(inside, connection);
	}
}

void forward_stream_close(struct forward_inside *inside, struct forward_connection *connection)
{
	static const struct linger at_once = { .l_onoff = 1 };
	bool done = connection->sides[0].told && connection->sides[1].told;

	for (unsigned int i = 0; i < 2; i++) {
		struct forward_side *side = &connection->sides[i];

		/* What was cut off must not look complete. */
		if (!done && side->fd >= 0)
			(void)setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &at_once,
					 sizeof(at_once));
		drop_pipe(side);
		fd_close(&side->fd);
	}
	connection->number++;
	feed(inside);
	if (inside->full)
		forward_stream_listen(inside, true);
}

/* ---- passing on ---- */

/* 1: something was read. 0: nothing now. */
static int take_in(struct forward_inside *inside, struct forward_side *side)
{
	ssize_t size;

	if (side->ended || side->pending > 0)
		return 0;
	if (!side->pipe) {
		side->pipe = take_pipe(inside);
		if (!side->pipe) {
			side->starved = inside->starving = true;
			return 0;
		}
	}
	size = splice(side->fd, NULL, side->pipe->fds[1], NULL, PIPE_SIZE,
		      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (size == 0)
		side->ended = true;
	side->pending = (uint32_t)size;
	return size > 0;
}

/* 0: it took what it could. */
static int put_out(struct forward_side *side, struct forward_side *other)
{
	ssize_t size;

	while (side->pending > 0) {
		size = splice(side->pipe->fds[0], NULL, other->fd, NULL, side->pending,
			      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (size < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		side->pending -= (uint32_t)size;
	}
	if (side->ended && !side->told) {
		if (shutdown(other->fd, SHUT_WR) < 0 && errno != ENOTCONN)
			return -errno;
		side->told = true;
	}
	return 0;
}

static int pass_on(struct forward_inside *inside, struct forward_side *side,
		   struct forward_side *other)
{
	int r = 1;

	for (unsigned int i = 0; r > 0 && i < TURNS_MAX; i++) {
		r = put_out(side, other);
		if (r < 0 || side->pending > 0)
			break;
		r = take_in(inside, side);
	}
	if (r >= 0)
		r = put_out(side, other);
	/* An empty pipe is for whoever needs it next. */
	if (side->pipe && side->pending == 0) {
		drop_pipe(side);
		feed(inside);
	}
	return r;
}

static int finish_connecting(struct forward_connection *connection)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(connection->sides[1].fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	connection->connecting = false;
	return -error;
}

static int run(struct forward_inside *inside, struct forward_connection *connection,
	       unsigned int number, uint32_t events)
{
	struct forward_side *sides = connection->sides;
	int r = 0;

	if (events & EPOLLERR || (events & EPOLLHUP && !sides[!number].told))
		return -ECONNRESET;
	if (connection->connecting)
		r = number == 1 ? finish_connecting(connection) : 0;
	for (unsigned int i = 0; r >= 0 && !connection->connecting && i < 2; i++)
		r = pass_on(inside, &sides[i], &sides[!i]);
	if (r >= 0 && sides[0].told && sides[1].told)
		return -ESHUTDOWN;
	return r < 0 ? r : update(inside, connection);
}

void forward_stream_run(struct forward_inside *inside, struct forward_connection *connection,
			unsigned int side, uint32_t events)
{
	/* It was closed by an event before this one. */
	if (connection->sides[0].fd < 0)
		return;
	if (run(inside, connection, side, events) < 0)
		forward_stream_close(inside, connection);
}

/* ---- beginning ---- */

void forward_stream_listen(struct forward_inside *inside, bool listen)
{
	inside->full = !listen;
	for (size_t i = 0; i < FORWARD_LISTENERS_MAX; i++) {
		struct forward_listener *listener = &inside->listeners[i];

		if (listener->fd >= 0 && listener->port.protocol == IPPROTO_TCP)
			(void)forward_watch(inside, listener->fd, listen ? EPOLLIN : 0,
					    (struct forward_subject){ .kind = FORWARD_STREAMS,
								      .index = (uint32_t)i },
					    false);
	}
}

static struct forward_connection *find_free(struct forward_inside *inside)
{
	for (size_t i = 0; i < FORWARD_CONNECTIONS_MAX; i++)
		if (inside->connections[i].sides[0].fd < 0)
			return &inside->connections[i];
	return NULL;
}

/* Take a caller only to send it away. */
static void send_away(struct forward_inside *inside, int listener_fd)
{
	int fd;

	fd_close(&inside->reserve_fd);
	fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	fd_close(&fd);
	inside->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int begin(struct forward_inside *inside, const struct forward_listener *listener, int fd,
		 struct forward_connection *connection)
{
	const union forward_address *target = &listener->target;
	autoclose int machine = socket(target->any.sa_family,
				       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, r;

	if (machine < 0)
		return -errno;
	/* What was said in small pieces is passed on in small pieces. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(machine, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(machine, &target->any, forward_address_size(target)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	r = forward_watch(inside, machine, EPOLLOUT, subject(inside, connection, 1), true);
	if (r >= 0)
		r = forward_watch(inside, fd, 0, subject(inside, connection, 0), true);
	if (r < 0)
		return r;
	*connection = (struct forward_connection){
		.sides = { { .fd = fd }, { .fd = take_fd(&machine), .interest = EPOLLOUT } },
		.connecting = true,
		.number = connection->number,
	};
	return 0;
}

void forward_stream_accept(struct forward_inside *inside, struct forward_listener *listener)
{
	for (unsigned int i = 0; listener->fd >= 0 && i < ACCEPTS_MAX; i++) {
		struct forward_connection *connection = find_free(inside);
		int fd;

		if (!connection) {
			forward_stream_listen(inside, false);
			return;
		}
		fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				send_away(inside, listener->fd);
			return;
		}
		if (begin(inside, listener, fd, connection) < 0)
			fd_close(&fd);
	}
}
