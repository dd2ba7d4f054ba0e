#include "net/forward.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "io/fd.h"
#include "net/forward-inside.h"

#define EVENTS_MAX 32
#define BACKLOG 512

int forward_watch(struct forward_inside *inside, int fd, uint32_t events,
		  struct forward_subject about, bool first)
{
	struct epoll_event event = { .events = events };

	memcpy(&event.data, &about, sizeof(about));
	if (epoll_ctl(inside->poll_fd, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0)
		return -errno;
	return 0;
}

/* ---- opening and closing ---- */

int forward_open(struct forward *ret, struct arena *arena)
{
	autoclose int poll_fd = epoll_create1(EPOLL_CLOEXEC);
	autoclose int reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct forward_inside *inside;

	if (poll_fd < 0 || reserve < 0)
		return fail(-errno, "cannot forward ports");
	inside = arena_new(arena, struct forward_inside);
	for (size_t i = 0; i < FORWARD_LISTENERS_MAX; i++)
		inside->listeners[i].fd = -EBADF;
	for (size_t i = 0; i < FORWARD_CONNECTIONS_MAX; i++)
		inside->connections[i].sides[0].fd = inside->connections[i].sides[1].fd = -EBADF;
	for (size_t i = 0; i < FORWARD_CALLERS_MAX; i++)
		inside->callers[i].fd = -EBADF;
	for (size_t i = 0; i < FORWARD_PIPES_MAX; i++)
		inside->pipes[i].fds[0] = inside->pipes[i].fds[1] = -EBADF;
	inside->poll_fd = take_fd(&poll_fd);
	inside->reserve_fd = take_fd(&reserve);
	*ret = (struct forward){ .poll_fd = inside->poll_fd, .inside = inside };
	return 0;
}

static void close_callers(struct forward_inside *inside, const struct forward_listener *listener)
{
	for (size_t i = 0; i < FORWARD_CALLERS_MAX; i++)
		if (inside->callers[i].fd >= 0 && inside->callers[i].listener == listener)
			forward_datagram_close(&inside->callers[i]);
}

/* With its callers of UDP, who cannot be answered without it. */
static void close_listener(struct forward_inside *inside, struct forward_listener *listener)
{
	close_callers(inside, listener);
	fd_close(&listener->fd);
}

void forward_close(struct forward *forward)
{
	struct forward_inside *inside = forward->inside;

	if (!inside)
		return;
	for (size_t i = 0; i < FORWARD_LISTENERS_MAX; i++)
		close_listener(inside, &inside->listeners[i]);
	for (size_t i = 0; i < FORWARD_CONNECTIONS_MAX; i++)
		if (inside->connections[i].sides[0].fd >= 0)
			forward_stream_close(inside, &inside->connections[i]);
	for (size_t i = 0; i < FORWARD_PIPES_MAX; i++) {
		fd_close(&inside->pipes[i].fds[0]);
		fd_close(&inside->pipes[i].fds[1]);
	}
	fd_close(&inside->reserve_fd);
	fd_close(&inside->poll_fd);
	*forward = (struct forward)FORWARD_EMPTY;
}

/* ---- ports ---- */

static union forward_address socket_address(const struct firewall_address *address, uint16_t port)
{
	union forward_address ret = {};

	if (address->family == AF_INET) {
		ret.four.sin_family = AF_INET;
		ret.four.sin_port = htons(port);
		memcpy(&ret.four.sin_addr, address->bytes, sizeof(ret.four.sin_addr));
	} else {
		ret.six.sin6_family = AF_INET6;
		ret.six.sin6_port = htons(port);
		memcpy(&ret.six.sin6_addr, address->bytes, sizeof(ret.six.sin6_addr));
	}
	return ret;
}

static struct forward_listener *find_free(struct forward_inside *inside)
{
	for (size_t i = 0; i < FORWARD_LISTENERS_MAX; i++)
		if (inside->listeners[i].fd < 0)
			return &inside->listeners[i];
	return NULL;
}

static int bind_socket(int *ret, const union forward_address *here, bool stream)
{
	autoclose int fd =
		socket(here->any.sa_family,
		       (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* Of TCP it only means that old connections are no obstacle. */
	if (stream && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, &here->any, forward_address_size(here)) < 0)
		return -errno;
	if (stream && listen(fd, BACKLOG) < 0)
		return -errno;
	*ret = take_fd(&fd);
	return 0;
}

static int add_one(struct forward_inside *inside, const struct firewall_port *port, uint16_t offset,
		   const struct firewall_address *at, const struct firewall_address *target)
{
	union forward_address here = socket_address(at, (uint16_t)(port->first + offset));
	struct forward_listener *listener = find_free(inside);
	bool stream = port->protocol == IPPROTO_TCP;
	struct forward_subject about = { .kind = stream ? FORWARD_STREAMS : FORWARD_DATAGRAMS };
	autoclose int fd = -EBADF;
	int r;

	if (!listener)
		return -ENOSPC;
	about.index = (uint32_t)(listener - inside->listeners);
	r = bind_socket(&fd, &here, stream);
	/* The host may be without that family. */
	if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)
		return 0;
	if (r >= 0)
		r = forward_watch(inside, fd, stream && inside->full ? 0 : EPOLLIN, about, true);
	if (r < 0)
		return r;
	*listener = (struct forward_listener){
		.fd = take_fd(&fd),
		.port = *port,
		.here = here,
		.target = socket_address(target, (uint16_t)(port->container + offset)),
	};
	return 0;
}

/* The machine's address of that family; else any. */
static const struct firewall_address *target_of(int family,
						const struct firewall_address *addresses,
						size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (addresses[i].family == family)
			return &addresses[i];
	return count > 0 ? &addresses[0] : NULL;
}

static int add_range(struct forward_inside *inside, const struct firewall_port *port,
		     const struct firewall_address *at, const struct firewall_address *addresses,
		     size_t count)
{
	const struct firewall_address *target = target_of(at->family, addresses, count);
	unsigned int length = (unsigned int)(port->last - port->first) + 1;
	int r = 0;

	if (!target)
		return 0;
	if (length > FORWARD_LISTENERS_MAX)
		return -ENOSPC;
	for (unsigned int i = 0; r >= 0 && i < length; i++)
		r = add_one(inside, port, (uint16_t)i, at, target);
	return r;
}

int forward_add(struct forward *forward, const struct firewall_port *port,
		const struct firewall_address *addresses, size_t count)
{
	static const struct firewall_address loopbacks[] = {
		{ .family = AF_INET, .bits = 32, .bytes = { 127, 0, 0, 1 } },
		{ .family = AF_INET6, .bits = 128, .bytes = { [15] = 1 } },
	};
	int r = 0;

	if (port->host.family != 0 && !firewall_is_loopback(&port->host))
		return 0;
	if (port->host.family != 0)
		r = add_range(forward->inside, port, &port->host, addresses, count);
	for (size_t i = 0; r >= 0 && port->host.family == 0 && i < ARRAY_SIZE(loopbacks); i++)
		r = add_range(forward->inside, port, &loopbacks[i], addresses, count);
	if (r >= 0)
		return 0;
	forward_remove(forward, port);
	if (r == -ENOSPC)
		return fail_plain(r, "there are too many ports to have them at localhost too");
	return fail(r, "cannot forward port %u from localhost", port->first);
}

static bool is_same(const struct firewall_port *one, const struct firewall_port *two)
{
	return one->protocol == two->protocol && one->first == two->first &&
	       one->last == two->last && one->host.family == two->host.family &&
	       memcmp(one->host.bytes, two->host.bytes, sizeof(one->host.bytes)) == 0;
}

void forward_remove(struct forward *forward, const struct firewall_port *port)
{
	for (size_t i = 0; i < FORWARD_LISTENERS_MAX; i++) {
		struct forward_listener *listener = &forward->inside->listeners[i];

		if (listener->fd >= 0 && is_same(&listener->port, port))
			close_listener(forward->inside, listener);
	}
}

/* ---- other ports, other addresses ---- */

static const struct firewall_port *find_port(const struct firewall_port *ports, size_t count,
					     const struct firewall_port *port)
{
	for (size_t i = 0; i < count; i++)
		if (is_same(&ports[i], port))
			return &ports[i];
	return NULL;
}

static bool has_listener(const struct forward_inside *inside, const struct firewall_port *port)
{
	for (size_t i = 0; i < FORWARD_LISTENERS_MAX; i++)
		if (inside->listeners[i].fd >= 0 && is_same(&inside->listeners[i].port, port))
			return true;
	return false;
}

static void lead(struct forward_inside *inside, struct forward_listener *listener,
		 const struct firewall_port *port, const struct firewall_address *address)
{
	uint16_t at = ntohs(listener->here.any.sa_family == AF_INET6
				    ? listener->here.six.sin6_port
				    : listener->here.four.sin_port);
	uint16_t number = (uint16_t)(port->container + (at - port->first));
	union forward_address target = socket_address(address, number);

	listener->port = *port;
	if (memcmp(&target, &listener->target, sizeof(target)) == 0)
		return;
	listener->target = target;
	close_callers(inside, listener);
}

int forward_set(struct forward *forward, const struct firewall_port *ports, size_t port_count,
		const struct firewall_address *addresses, size_t count)
{
	struct forward_inside *inside = forward->inside;
	int first = 0;

	for (size_t i = 0; i < FORWARD_LISTENERS_MAX; i++) {
		struct forward_listener *listener = &inside->listeners[i];
		const struct firewall_port *port;

		if (listener->fd < 0)
			continue;
		port = find_port(ports, port_count, &listener->port);
		if (port && count > 0)
			lead(inside, listener, port,
			     target_of(listener->here.any.sa_family, addresses, count));
		else
			close_listener(inside, listener);
	}
	for (size_t i = 0; i < port_count; i++) {
		int r = has_listener(inside, &ports[i])
				? 0
				: forward_add(forward, &ports[i], addresses, count);

		first = first == 0 ? MIN(r, 0) : first;
	}
	return first;
}

/* ---- running ---- */

static void run_one(struct forward_inside *inside, const struct epoll_event *event)
{
	struct forward_connection *connection;
	struct forward_subject about;
	struct forward_caller *caller;

	memcpy(&about, &event->data, sizeof(about));
	switch ((enum forward_kind)about.kind) {
	case FORWARD_STREAMS: forward_stream_accept(inside, &inside->listeners[about.index]); break;
	case FORWARD_DATAGRAMS:
		forward_datagram_from_caller(inside, &inside->listeners[about.index]);
		break;
	case FORWARD_CONNECTION:
		connection = &inside->connections[about.index];
		if (connection->number == about.number)
			forward_stream_run(inside, connection, about.side, event->events);
		break;
	case FORWARD_CALLER:
		caller = &inside->callers[about.index];
		if (caller->number == about.number)
			forward_datagram_from_machine(inside, caller);
		break;
	}
}

void forward_run(struct forward *forward)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(forward->poll_fd, events, EVENTS_MAX, 0);

	for (int i = 0; i < count; i++)
		run_one(forward->inside, &events[i]);
}
