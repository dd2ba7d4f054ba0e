/* UDP: the part of net/forward that passes datagrams on. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "io/fd.h"
#include "net/forward-inside.h"

#define TURNS_MAX 64 /* datagrams of one socket at one go */

void forward_datagram_close(struct forward_caller *caller)
{
	fd_close(&caller->fd);
	caller->listener = NULL;
	caller->number++;
}

static bool is_same(const union forward_address *one, const union forward_address *two)
{
	if (one->any.sa_family != two->any.sa_family)
		return false;
	if (one->any.sa_family == AF_INET)
		return one->four.sin_port == two->four.sin_port &&
		       one->four.sin_addr.s_addr == two->four.sin_addr.s_addr;
	return one->six.sin6_port == two->six.sin6_port &&
	       memcmp(&one->six.sin6_addr, &two->six.sin6_addr, sizeof(one->six.sin6_addr)) == 0;
}

/* Who called before; else a free place, or that of who was silent for longest. */
static struct forward_caller *find(struct forward_inside *inside,
				   const struct forward_listener *listener,
				   const union forward_address *address)
{
	struct forward_caller *best = &inside->callers[0];

	for (size_t i = 0; i < FORWARD_CALLERS_MAX; i++) {
		struct forward_caller *caller = &inside->callers[i];

		if (caller->fd >= 0 && caller->listener == listener &&
		    is_same(&caller->address, address))
			return caller;
		if (best->fd >= 0 && (caller->fd < 0 || caller->heard < best->heard))
			best = caller;
	}
	forward_datagram_close(best);
	return best;
}

static int begin(struct forward_inside *inside, struct forward_listener *listener,
		 const union forward_address *address, struct forward_caller *caller)
{
	const union forward_address *target = &listener->target;
	autoclose int fd = socket(target->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				  0);
	struct forward_subject about = { .kind = FORWARD_CALLER,
					 .number = caller->number,
					 .index = (uint32_t)(caller - inside->callers) };
	int r;

	if (fd < 0)
		return -errno;
	if (connect(fd, &target->any, forward_address_size(target)) < 0)
		return -errno;
	r = forward_watch(inside, fd, EPOLLIN, about, true);
	if (r < 0)
		return r;
	*caller = (struct forward_caller){ .fd = take_fd(&fd),
					   .listener = listener,
					   .address = *address,
					   .number = about.number };
	return 0;
}

void forward_datagram_from_caller(struct forward_inside *inside, struct forward_listener *listener)
{
	for (unsigned int i = 0; listener->fd >= 0 && i < TURNS_MAX; i++) {
		union forward_address from = {};
		socklen_t size = sizeof(from);
		struct forward_caller *caller;
		ssize_t length = recvfrom(listener->fd, inside->datagram, sizeof(inside->datagram),
					  0, &from.any, &size);

		if (length < 0) {
			if (errno == EAGAIN)
				return;
			continue; /* an answer was not taken: nothing that matters here */
		}
		caller = find(inside, listener, &from);
		if (caller->fd < 0 && begin(inside, listener, &from, caller) < 0)
			continue;
		caller->heard = ++inside->datagrams;
		/* What does not fit is lost, as it may be. */
		(void)send(caller->fd, inside->datagram, (size_t)length, MSG_NOSIGNAL);
	}
}

void forward_datagram_from_machine(struct forward_inside *inside, struct forward_caller *caller)
{
	for (unsigned int i = 0; caller->fd >= 0 && i < TURNS_MAX; i++) {
		ssize_t length = recv(caller->fd, inside->datagram, sizeof(inside->datagram), 0);

		if (length < 0) {
			/* Nobody listens there: the caller's next word begins anew. */
			if (errno != EAGAIN && errno != EINTR)
				forward_datagram_close(caller);
			return;
		}
		caller->heard = ++inside->datagrams;
		(void)sendto(caller->listener->fd, inside->datagram, (size_t)length, MSG_NOSIGNAL,
			     &caller->address.any, forward_address_size(&caller->address));
	}
}
