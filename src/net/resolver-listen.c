#include "net/resolver-listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "format/dns-wire.h"
#include "io/fd.h"
#include "net/resolver-loop.h"
#include "net/resolver-state.h"

#define BACKLOG 8
#define RESERVED_TRIES 64
#define FREE_TRIES 16

/* Ports that only root can take and that nothing is known to use. While a supervisor is renewed, or
 * is dead and its guest is not, no user of the host can answer in its place. */
static const struct {
	uint16_t first, last;
} reserved[] = {
	{ 812, 827 }, { 834, 846 }, { 874, 885 }, { 889, 899 }, { 914, 952 }, { 954, 988 },
};

static void make_address(union resolver_socket_address *ret, socklen_t *size,
			 const struct resolver_address *address, uint16_t port)
{
	memset(ret, 0, sizeof(*ret));
	ret->any.sa_family = (sa_family_t)address->family;
	if (address->family == AF_INET) {
		ret->four.sin_port = htons(port);
		memcpy(&ret->four.sin_addr, address->bytes, sizeof(ret->four.sin_addr));
		*size = sizeof(ret->four);
	} else {
		ret->six.sin6_port = htons(port);
		memcpy(&ret->six.sin6_addr, address->bytes, sizeof(ret->six.sin6_addr));
		*size = sizeof(ret->six);
	}
}

static int set(int fd, int level, int option)
{
	return setsockopt(fd, level, option, &(int){ 1 }, sizeof(int)) < 0 ? -errno : 0;
}

static int prepare(int fd, int family, int type)
{
	int r = 0;

	/* Also before the link is there, and while its address is still tried by the kernel. */
	if (family == AF_INET)
		r = set(fd, IPPROTO_IP, IP_FREEBIND);
	else
		r = set(fd, IPPROTO_IPV6, IPV6_FREEBIND);
	if (r == 0 && family == AF_INET6)
		r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (r == 0 && type == SOCK_STREAM)
		return set(fd, SOL_SOCKET, SO_REUSEADDR);
	if (r == 0 && family == AF_INET)
		return set(fd, IPPROTO_IP, IP_PKTINFO);
	return r < 0 ? r : set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
}

/* PORT 0: the kernel chooses, and *ret_port is what it chose. */
static int open_one(int *ret_fd, uint16_t *ret_port, const struct resolver_address *address,
		    int type, uint16_t port)
{
	union resolver_socket_address name;
	autoclose int fd = -EBADF;
	socklen_t size;
	int r;

	make_address(&name, &size, address, port);
	fd = socket(address->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = prepare(fd, address->family, type);
	if (r < 0)
		return r;
	if (bind(fd, &name.any, size) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	if (getsockname(fd, &name.any, &size) < 0)
		return -errno;
	/* At the same place for both families. */
	*ret_port = ntohs(name.four.sin_port);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int open_pair(struct resolver_listener *ret, uint16_t *port,
		     const struct resolver_address *address)
{
	struct resolver_listener listener = { .family = address->family };
	autoclose int udp = -EBADF, tcp = -EBADF;
	int r;

	r = open_one(&udp, port, address, SOCK_DGRAM, *port);
	if (r == 0)
		r = open_one(&tcp, port, address, SOCK_STREAM, *port);
	if (r < 0)
		return r;
	listener.udp = take_fd(&udp);
	listener.tcp = take_fd(&tcp);
	*ret = listener;
	return 0;
}

static void close_all(struct resolver *resolver)
{
	for (size_t i = 0; i < resolver->listener_count; i++) {
		fd_close(&resolver->listeners[i].udp);
		fd_close(&resolver->listeners[i].tcp);
	}
	resolver->listener_count = 0;
}

static int open_all(struct resolver *resolver, const struct resolver_address *addresses,
		    size_t count, uint16_t port)
{
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		r = open_pair(&resolver->listeners[resolver->listener_count], &port, &addresses[i]);
		if (r == 0)
			resolver->listener_count++;
		else if (r != -EAFNOSUPPORT)
			break;
	}
	if (r == -EAFNOSUPPORT && resolver->listener_count > 0)
		r = 0;
	if (r < 0)
		close_all(resolver);
	resolver->port = port;
	return r;
}

/* Where a flow leads is decided with its first packet, and the kernel remembers that for longer
 * than a machine lives. So who has the address of one before is answered at the same port, or
 * questions from a port that was used a moment ago would go where nobody listens any more.
 * Neighbours in a net, who may share a gateway, begin at different ones. */
static unsigned int place_of(const struct resolver_prefix *client)
{
	return dns_get16(client->bytes + (client->family == AF_INET6 ? 14 : 2));
}

static int open_reserved(struct resolver *resolver, const struct resolver_address *addresses,
			 size_t count)
{
	unsigned int all = 0, start = place_of(&resolver->clients[0]);
	int r = -EADDRINUSE;

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		all += reserved[i].last - reserved[i].first + 1U;
	for (unsigned int i = 0; i < RESERVED_TRIES && r == -EADDRINUSE; i++) {
		unsigned int n = (start + i) % all, range = 0;

		for (; n > (unsigned int)(reserved[range].last - reserved[range].first); range++)
			n -= reserved[range].last - reserved[range].first + 1U;
		r = open_all(resolver, addresses, count, (uint16_t)(reserved[range].first + n));
	}
	return r;
}

int resolver_listen_open(struct resolver *resolver, const struct resolver_address *addresses,
			 size_t count, uint16_t wish)
{
	int r = -EADDRINUSE;

	if (wish != 0)
		r = open_all(resolver, addresses, count, wish);
	if (r == -EADDRINUSE || r == -EACCES)
		r = open_reserved(resolver, addresses, count);
	/* What the kernel gives is free for one of the sockets only. */
	for (int i = 0; i < FREE_TRIES && (r == -EADDRINUSE || r == -EACCES); i++)
		r = open_all(resolver, addresses, count, 0);
	for (unsigned int i = 0; r == 0 && i < resolver->listener_count; i++) {
		const struct resolver_listener *listener = &resolver->listeners[i];

		r = resolver_loop_add(resolver, listener->udp, EVENT_DATAGRAM, i, EPOLLIN);
		if (r == 0)
			r = resolver_loop_add(resolver, listener->tcp, EVENT_ACCEPT, i, EPOLLIN);
	}
	return r;
}

void resolver_listen_done(struct resolver *resolver)
{
	close_all(resolver);
}

void resolver_listen_watch(struct resolver *resolver, bool watched)
{
	uint32_t events = watched ? EPOLLIN : 0;

	for (unsigned int i = 0; i < resolver->listener_count; i++) {
		const struct resolver_listener *listener = &resolver->listeners[i];

		resolver_loop_change(resolver, listener->udp, EVENT_DATAGRAM, i, events);
		resolver_loop_change(resolver, listener->tcp, EVENT_ACCEPT, i, events);
	}
}
