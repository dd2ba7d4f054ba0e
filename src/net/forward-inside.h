/* net/forward-inside - what the parts of net/forward have in common. */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/forward.h"

#define FORWARD_PIPES_MAX 32
#define FORWARD_DATAGRAM_MAX 65536

union forward_address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

static inline socklen_t forward_address_size(const union forward_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->six) : sizeof(address->four);
}

struct forward_listener {
	int fd; /* negative: free */
	struct firewall_port port;
	union forward_address here, target;
};

struct forward_pipe {
	int fds[2]; /* negative: not made yet */
	bool taken;
};

/* One end of a connection, and what was read from it and not written to the other one yet. */
struct forward_side {
	int fd;
	struct forward_pipe *pipe; /* only while something is in it */
	uint32_t pending;	   /* bytes in it */
	uint32_t interest;	   /* EPOLL* that are asked for */
	bool unheard;		   /* nothing is, not even failures */
	bool ended;		   /* it says nothing more */
	bool told;		   /* and the other one knows */
	bool starved;		   /* there was no pipe for it */
};

struct forward_connection {
	struct forward_side sides[2]; /* caller and machine; fd of the first negative: free */
	bool connecting;
	uint16_t number; /* of those that were in this place */
};

struct forward_caller {
	int fd; /* connected to the machine; negative: free */
	struct forward_listener *listener;
	union forward_address address;
	uint64_t heard;	 /* number of the last datagram */
	uint16_t number; /* of those that were in this place */
};

struct forward_inside {
	int poll_fd;
	int reserve_fd; /* given up to get rid of a caller when there are no descriptors left */
	bool full;	/* no connection can be accepted */
	bool starving;	/* somebody waits for a pipe */
	uint64_t datagrams;
	struct forward_listener listeners[FORWARD_LISTENERS_MAX];
	struct forward_connection connections[FORWARD_CONNECTIONS_MAX];
	struct forward_caller callers[FORWARD_CALLERS_MAX];
	struct forward_pipe pipes[FORWARD_PIPES_MAX];
	unsigned char datagram[FORWARD_DATAGRAM_MAX];
};

/* What an event of epoll is about. One that was told together with what ended its subject may come
 * when another one has that place: then the number is another. */
enum forward_kind { FORWARD_STREAMS, FORWARD_DATAGRAMS, FORWARD_CONNECTION, FORWARD_CALLER };

struct forward_subject {
	uint8_t kind, side;
	uint16_t number;
	uint32_t index;
};

/* Ask for EVENTS of FD, for the first time (or once more) or instead of others. */
int forward_watch(struct forward_inside *inside, int fd, uint32_t events,
		  struct forward_subject about, bool first);

/* ---- forward-stream ---- */

void forward_stream_accept(struct forward_inside *inside, struct forward_listener *listener);
void forward_stream_run(struct forward_inside *inside, struct forward_connection *connection,
			unsigned int side, uint32_t events);
void forward_stream_close(struct forward_inside *inside, struct forward_connection *connection);

/* Listeners of TCP are heard, or not. */
void forward_stream_listen(struct forward_inside *inside, bool listen);

/* ---- forward-datagram ---- */

void forward_datagram_from_caller(struct forward_inside *inside, struct forward_listener *listener);
void forward_datagram_from_machine(struct forward_inside *inside, struct forward_caller *caller);
void forward_datagram_close(struct forward_caller *caller);
