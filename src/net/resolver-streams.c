#include "net/resolver-streams.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "format/dns-wire.h"
#include "io/fd.h"
#include "net/resolver-loop.h"
#include "net/resolver-state.h"

#define NOBODY RESOLVER_STREAMS

static bool has_prefix(const uint8_t *bytes, const struct resolver_prefix *prefix)
{
	unsigned int rest = prefix->length % 8, whole = prefix->length / 8;

	if (memcmp(bytes, prefix->bytes, whole) != 0)
		return false;
	return rest == 0 || (bytes[whole] ^ prefix->bytes[whole]) >> (8 - rest) == 0;
}

bool resolver_streams_may_ask(const struct resolver *resolver, int family, const void *bytes)
{
	for (size_t i = 0; i < resolver->config.client_count; i++)
		if (resolver->clients[i].family == family &&
		    has_prefix(bytes, &resolver->clients[i]))
			return true;
	return resolver->config.client_count == 0;
}

static void give_back_buffer(struct resolver *resolver, unsigned int index)
{
	/* Zero pages take their place: a supervisor that idles is small. */
	if (resolver->streams[index].large)
		madvise(resolver->buffers[index], RESOLVER_BUFFER, MADV_DONTNEED);
	resolver->streams[index].large = false;
}

void resolver_streams_close(struct resolver *resolver, unsigned int index)
{
	struct resolver_stream *stream = &resolver->streams[index];

	if (stream->state == STREAM_FREE)
		return;
	fd_close(&stream->fd);
	give_back_buffer(resolver, index);
	*stream = (struct resolver_stream){ .state = STREAM_FREE, .fd = -EBADF };
}

static void begin_query(struct resolver *resolver, unsigned int index, uint64_t now)
{
	struct resolver_stream *stream = &resolver->streams[index];

	give_back_buffer(resolver, index);
	stream->state = STREAM_READING;
	stream->done = 0;
	stream->deadline = now + RESOLVER_STREAM_PATIENCE_US;
	resolver_loop_arm(resolver, stream->deadline);
}

/* A free one, or else that of the client that was silent for longest. */
static unsigned int find_place(struct resolver *resolver)
{
	unsigned int oldest = NOBODY;

	for (unsigned int i = 0; i < RESOLVER_STREAMS; i++) {
		const struct resolver_stream *stream = &resolver->streams[i];

		if (stream->state == STREAM_FREE)
			return i;
		if (stream->state == STREAM_READING &&
		    (oldest == NOBODY || stream->deadline < resolver->streams[oldest].deadline))
			oldest = i;
	}
	if (oldest != NOBODY)
		resolver_streams_close(resolver, oldest);
	return oldest;
}

static const void *bytes_of(const union resolver_socket_address *address)
{
	if (address->any.sa_family == AF_INET)
		return &address->four.sin_addr;
	return &address->six.sin6_addr;
}

int resolver_streams_accept(struct resolver *resolver, unsigned int listener, uint64_t now)
{
	union resolver_socket_address peer = { .any.sa_family = AF_UNSPEC };
	socklen_t size = sizeof(peer);
	autoclose int fd = -EBADF;
	unsigned int index;

	fd = accept4(resolver->listeners[listener].tcp, &peer.any, &size,
		     SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return errno == ECONNABORTED ? 1 : 0;
	if (!resolver_streams_may_ask(resolver, peer.any.sa_family, bytes_of(&peer)))
		return 1;
	index = find_place(resolver);
	if (index == NOBODY || resolver_loop_add(resolver, fd, EVENT_STREAM, index, EPOLLIN) < 0)
		return 1;
	resolver->streams[index].fd = take_fd(&fd);
	resolver->streams[index].watched = EPOLLIN;
	begin_query(resolver, index, now);
	return 1;
}

int resolver_streams_read(struct resolver *resolver, unsigned int index)
{
	struct resolver_stream *stream = &resolver->streams[index];
	uint8_t *buffer = resolver->buffers[index];

	if (stream->state != STREAM_READING)
		return 0;
	for (;;) {
		size_t want = stream->done < 2 ? 2 : 2 + (size_t)dns_get16(buffer);
		ssize_t n;

		if (want > 2 + RESOLVER_DATAGRAM_MAX || (stream->done >= 2 && want == 2))
			break;
		n = recv(stream->fd, buffer + stream->done, want - stream->done, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			break;
		stream->done += (size_t)n;
		if (stream->done < want || want == 2)
			continue;
		stream->size = want - 2;
		stream->state = STREAM_WAITING;
		stream->deadline = 0;
		return 1;
	}
	resolver_streams_close(resolver, index);
	return -EPIPE;
}

void resolver_streams_send(struct resolver *resolver, unsigned int index, const uint8_t *data,
			   size_t size, uint64_t now)
{
	struct resolver_stream *stream = &resolver->streams[index];
	uint8_t *buffer = resolver->buffers[index];

	if (stream->state != STREAM_WAITING)
		return;
	memmove(buffer + 2, data, size);
	dns_put16(buffer, (unsigned int)size);
	stream->state = STREAM_WRITING;
	stream->done = 0;
	stream->size = 2 + size;
	stream->large = stream->large || stream->size > RESOLVER_PAGE;
	stream->deadline = now + RESOLVER_STREAM_PATIENCE_US;
	resolver_loop_arm(resolver, stream->deadline);
	resolver_streams_write(resolver, index, now);
}

void resolver_streams_write(struct resolver *resolver, unsigned int index, uint64_t now)
{
	struct resolver_stream *stream = &resolver->streams[index];
	const uint8_t *buffer = resolver->buffers[index];

	if (stream->state != STREAM_WRITING)
		return;
	while (stream->done < stream->size) {
		ssize_t n = send(stream->fd, buffer + stream->done, stream->size - stream->done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN) {
			resolver_streams_close(resolver, index);
			return;
		}
		if (n < 0) {
			resolver_streams_watch(resolver, index);
			return;
		}
		stream->done += (size_t)n;
	}
	begin_query(resolver, index, now);
	resolver_streams_watch(resolver, index);
}

void resolver_streams_watch(struct resolver *resolver, unsigned int index)
{
	struct resolver_stream *stream = &resolver->streams[index];
	uint32_t watched = 0;

	if (stream->state == STREAM_FREE)
		return;
	if (stream->state == STREAM_WRITING)
		watched = EPOLLOUT;
	else if (stream->state == STREAM_READING && resolver->resume == 0)
		watched = EPOLLIN;
	if (watched == stream->watched)
		return;
	resolver_loop_change(resolver, stream->fd, EVENT_STREAM, index, watched);
	stream->watched = watched;
}

void resolver_streams_watch_all(struct resolver *resolver)
{
	for (unsigned int i = 0; i < RESOLVER_STREAMS; i++)
		resolver_streams_watch(resolver, i);
}

uint64_t resolver_streams_expire(struct resolver *resolver, uint64_t now, uint64_t next)
{
	for (unsigned int i = 0; i < RESOLVER_STREAMS; i++) {
		struct resolver_stream *stream = &resolver->streams[i];

		if (stream->state == STREAM_FREE || stream->deadline == 0)
			continue;
		if (stream->deadline <= now)
			resolver_streams_close(resolver, i);
		else if (next == 0 || stream->deadline < next)
			next = stream->deadline;
	}
	return next;
}
