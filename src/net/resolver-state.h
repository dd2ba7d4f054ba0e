/* net/resolver-state - the memory of a responder, for the modules resolver*.
 *
 * It is mapped once, and all zero is its first state: pages that are never needed are never there.
 */
#pragma once
#include <netinet/in.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "format/dns.h"
#include "format/resolv-conf.h"
#include "net/resolver.h"

#define RESOLVER_DATAGRAM_MAX 4096 /* longer ones are not looked at */
#define RESOLVER_PAGE 4096
/* The size in front of a message over TCP, and the longest one, in whole pages. */
#define RESOLVER_BUFFER (17 * RESOLVER_PAGE)

union resolver_socket_address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

struct resolver_listener {
	int family, udp, tcp;
};

/* Who asked, and so where the answer goes. */
struct resolver_peer {
	bool is_stream;
	unsigned int index; /* of the stream, or else of the listener */
	union resolver_socket_address address;
	union {
		struct in_addr four;
		struct in6_addr six;
	} to; /* the address of ours that was asked: it has to answer */
};

enum resolver_stream_state { STREAM_FREE, STREAM_READING, STREAM_WAITING, STREAM_WRITING };

struct resolver_stream {
	enum resolver_stream_state state;
	int fd;
	uint32_t watched;  /* for what epoll looks */
	size_t done, size; /* of what is read or written */
	bool large;	   /* more than the buffer's first page was used */
	uint64_t deadline; /* 0: none */
};

enum resolver_slot_state {
	SLOT_FREE,
	SLOT_WAITING, /* for another slot with the same question */
	SLOT_UDP,
	SLOT_CONNECTING,
	SLOT_TCP,
};

/* One query to the host's resolvers. */
struct resolver_slot {
	enum resolver_slot_state state;
	int fd; /* of the last three states */
	struct resolver_peer peer;
	struct dns_query query;
	uint16_t id;
	bool tcp;	       /* the server has more than goes into a datagram */
	unsigned int twin;     /* whom it waits for */
	unsigned int server;   /* index */
	unsigned int tries;    /* sent so often */
	unsigned int refusals; /* servers that could not answer */
	unsigned int strange;  /* datagrams that are no answer */
	size_t done;	       /* of a message over TCP */
	uint64_t deadline, give_up;
};

struct resolver_servers {
	union resolver_socket_address addresses[RESOLV_CONF_SERVERS_MAX];
	size_t count;
	unsigned int first; /* the one to begin with */
	uint64_t timeout_us;
	unsigned int attempts;
	bool rotate;
	bool set;	     /* not from a file */
	uint64_t checked_us; /* 0: never */
	struct {
		uint64_t device, inode, size;
		int64_t seconds, nanoseconds;
	} file;
};

struct resolver {
	int epoll, timer;
	uint64_t armed; /* when the timer fires; 0: never */

	struct resolver_config config; /* its pointers lead to what follows */
	struct resolver_prefix clients[RESOLVER_CLIENTS_MAX];
	char domain[256], resolv_conf[256];

	struct resolver_listener listeners[RESOLVER_LISTEN_MAX];
	size_t listener_count;
	uint16_t port;

	uint64_t tokens, refilled; /* queries that may come now, in millionths; since when */
	uint64_t resume;	   /* no more tokens: nothing is read before; 0: all is well */

	struct resolver_servers servers;
	struct resolver_counts counts;
	size_t outstanding;
	struct resolver_stream streams[RESOLVER_STREAMS];
	struct resolver_slot slots[RESOLVER_OUTSTANDING];
	alignas(RESOLVER_PAGE) uint8_t buffers[RESOLVER_STREAMS][RESOLVER_BUFFER];
};
