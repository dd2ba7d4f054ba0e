#include "net/resolver-upstream.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "format/dns-wire.h"
#include "format/dns-write.h"
#include "format/dns.h"
#include "io/fd.h"
#include "net/resolver-loop.h"
#include "net/resolver-state.h"

bool resolver_upstream_is_asking(const struct resolver_slot *slot)
{
	return slot->state > SLOT_WAITING;
}

void resolver_upstream_hang_up(struct resolver_slot *slot)
{
	if (resolver_upstream_is_asking(slot))
		fd_close(&slot->fd);
	/* Between two sockets. */
	slot->state = SLOT_WAITING;
	slot->fd = -EBADF;
	slot->done = 0;
	slot->strange = 0;
}

static socklen_t address_size(const union resolver_socket_address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->four) : sizeof(address->six);
}

static int dial(struct resolver *resolver, unsigned int index)
{
	struct resolver_slot *slot = &resolver->slots[index];
	const union resolver_socket_address *server = &resolver->servers.addresses[slot->server];
	int type = slot->tcp ? SOCK_STREAM : SOCK_DGRAM;
	autoclose int fd = -EBADF;
	int r;

	if (getrandom(&slot->id, sizeof(slot->id), GRND_NONBLOCK) != sizeof(slot->id))
		return -EAGAIN;
	fd = socket(server->any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &server->any, address_size(server)) < 0 && errno != EINPROGRESS)
		return -errno;
	r = resolver_loop_add(resolver, fd, EVENT_UPSTREAM, index, slot->tcp ? EPOLLOUT : EPOLLIN);
	if (r < 0)
		return r;
	slot->state = slot->tcp ? SLOT_CONNECTING : SLOT_UDP;
	slot->fd = take_fd(&fd);
	return 0;
}

/* What the asker takes, if that is less than what we take. */
static uint16_t wanted_size(const struct resolver_slot *slot)
{
	return slot->peer.is_stream ? DNS_UDP_OURS : MIN(slot->query.udp_size, DNS_UDP_OURS);
}

int resolver_upstream_send(struct resolver_slot *slot)
{
	uint8_t data[2 + DNS_QUERY_MAX];
	size_t size = dns_write_query(data + 2, &slot->query, slot->id, wanted_size(slot));
	ssize_t n;

	dns_put16(data, (unsigned int)size);
	if (slot->tcp)
		n = send(slot->fd, data, 2 + size, MSG_NOSIGNAL | MSG_DONTWAIT);
	else
		n = send(slot->fd, data + 2, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	/* So little always has room in a new connection. */
	return (size_t)n == size + (slot->tcp ? 2 : 0) ? 0 : -EIO;
}

int resolver_upstream_ask(struct resolver *resolver, unsigned int index)
{
	struct resolver_slot *slot = &resolver->slots[index];
	int r = 0;

	if (!resolver_upstream_is_asking(slot))
		r = dial(resolver, index);
	return r == 0 && !slot->tcp ? resolver_upstream_send(slot) : r;
}

int resolver_upstream_read(struct resolver *resolver, struct resolver_slot *slot)
{
	struct resolver_stream *stream = &resolver->streams[slot->peer.index];
	uint8_t *buffer = resolver->buffers[slot->peer.index];

	for (;;) {
		size_t want = slot->done < 2 ? 2 : 2 + (size_t)dns_get16(buffer);
		ssize_t n;

		if (slot->done >= 2 && slot->done == want)
			return 1;
		n = recv(slot->fd, buffer + slot->done, want - slot->done, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		slot->done += (size_t)n;
		stream->large = stream->large || slot->done > RESOLVER_PAGE;
	}
}
