#include "net/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "format/dns.h"
#include "io/clock.h"
#include "net/resolver-forward.h"
#include "net/resolver-listen.h"
#include "net/resolver-local.h"
#include "net/resolver-loop.h"
#include "net/resolver-peers.h"
#include "net/resolver-state.h"
#include "net/resolver-servers.h"
#include "net/resolver-streams.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define DATAGRAMS_MAX 16 /* of one listener in one turn: there are others in the loop */
#define ACCEPTS_MAX 4

/* Names in DNS are compared in lower case. */
static int copy_text(char *ret, size_t room, const char *text, bool lower)
{
	size_t length = strlen(text);

	if (length >= room)
		return -ENAMETOOLONG;
	memcpy(ret, text, length + 1);
	for (size_t i = 0; lower && i < length; i++)
		ret[i] = (char)dns_name_lower((uint8_t)ret[i]);
	return 0;
}

static int copy_config(struct resolver *resolver, const struct resolver_config *config)
{
	const char *path = config->resolv_conf != NULL ? config->resolv_conf : RESOLV_CONF;
	int r;

	if (config->listen_count == 0 || config->listen_count > RESOLVER_LISTEN_MAX ||
	    config->client_count > RESOLVER_CLIENTS_MAX)
		return -EINVAL;
	resolver->config = *config;
	/* Only looked at while the sockets are opened. */
	resolver->config.listen = NULL;
	resolver->config.servers = NULL;
	resolver_servers_set(&resolver->servers, config->servers, config->server_count);
	for (size_t i = 0; i < config->client_count; i++)
		resolver->clients[i] = config->clients[i];
	resolver->config.clients = resolver->clients;
	r = copy_text(resolver->resolv_conf, sizeof(resolver->resolv_conf), path, false);
	resolver->config.resolv_conf = resolver->resolv_conf;
	if (r == 0 && config->domain != NULL) {
		r = copy_text(resolver->domain, sizeof(resolver->domain), config->domain, true);
		resolver->config.domain = resolver->domain;
	}
	return r;
}

static int open_all(struct resolver *resolver, const struct resolver_config *config)
{
	int r;

	r = copy_config(resolver, config);
	if (r == 0)
		r = resolver_loop_open(resolver);
	if (r == 0)
		r = resolver_listen_open(resolver, config->listen, config->listen_count,
					 config->port);
	return r;
}

int resolver_open(struct resolver **ret, const struct resolver_config *config)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct resolver *resolver;
	int r;

	resolver = mmap(NULL, sizeof(*resolver), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (resolver == MAP_FAILED)
		return fail(-errno, "cannot get memory for the guest's names");
	resolver->epoll = resolver->timer = -EBADF;
	r = open_all(resolver, config);
	if (r < 0) {
		resolver_done(&resolver);
		if (config->listen_count > 0)
			inet_ntop(config->listen[0].family, config->listen[0].bytes, text,
				  sizeof(text));
		return fail(r, "cannot listen on '%s' for the guest's questions for names", text);
	}
	*ret = resolver;
	return 0;
}

void resolver_done(struct resolver **resolver)
{
	if (*resolver == NULL)
		return;
	resolver_forward_done(*resolver);
	for (unsigned int i = 0; i < RESOLVER_STREAMS; i++)
		resolver_streams_close(*resolver, i);
	resolver_listen_done(*resolver);
	resolver_loop_done(*resolver);
	munmap(*resolver, sizeof(**resolver));
	*resolver = NULL;
}

void resolver_restrict(struct resolver *resolver, resolver_allowed_fn *allowed,
		       resolver_learned_fn *learned)
{
	resolver->config.allowed = allowed;
	resolver->config.learned = learned;
}

uint16_t resolver_port(const struct resolver *resolver)
{
	return resolver->port;
}

int resolver_poll_fd(const struct resolver *resolver)
{
	return resolver->epoll;
}

struct resolver_counts resolver_counts(const struct resolver *resolver)
{
	return resolver->counts;
}

static void answer(struct resolver *resolver, const struct resolver_peer *peer, const uint8_t *data,
		   size_t size, uint64_t now)
{
	uint8_t reply[DNS_UDP_OURS];
	struct dns_query query;
	size_t room, reply_size;
	int code;

	resolver->counts.asked++;
	code = dns_read_query(&query, data, size);
	if (code < 0) {
		resolver->counts.dropped++;
		if (peer->is_stream)
			resolver_streams_close(resolver, peer->index);
		return;
	}
	if (code > 0) {
		resolver->counts.refused++;
		resolver_peers_send_code(resolver, peer, &query, code, false, now);
		return;
	}
	room = MIN(resolver_peers_takes(peer, &query), sizeof(reply));
	switch (resolver_local_answer(&resolver->config, &reply_size, reply, room, &query)) {
	case RESOLVER_FORWARD: resolver_forward_ask(resolver, peer, &query, now); return;
	case RESOLVER_LOCAL: resolver->counts.local++; break;
	case RESOLVER_REFUSED: resolver->counts.refused++; break;
	}
	resolver_peers_send(resolver, peer, reply, reply_size, now);
}

/* After so many queries nothing is looked at for a while: what comes meanwhile fills the sockets'
 * queues, and costs nobody but the guest anything. */
static void spend(struct resolver *resolver, uint64_t now)
{
	if (!resolver_loop_spend(resolver, now))
		return;
	resolver_listen_watch(resolver, false);
	resolver_streams_watch_all(resolver);
}

static void serve_datagrams(struct resolver *resolver, unsigned int listener, uint64_t now)
{
	uint8_t data[RESOLVER_DATAGRAM_MAX];

	for (int i = 0; i < DATAGRAMS_MAX && resolver->resume == 0; i++) {
		struct resolver_peer peer;
		int n = resolver_peers_receive(resolver, &peer, data, sizeof(data), listener);

		if (n == -EAGAIN)
			return;
		spend(resolver, now);
		if (n < 0)
			resolver->counts.dropped++;
		else
			answer(resolver, &peer, data, (size_t)n, now);
	}
}

static void serve_accept(struct resolver *resolver, unsigned int listener, uint64_t now)
{
	for (int i = 0; i < ACCEPTS_MAX && resolver->resume == 0; i++) {
		if (resolver_streams_accept(resolver, listener, now) == 0)
			return;
		spend(resolver, now);
	}
}

static void serve_stream(struct resolver *resolver, unsigned int index, bool hung_up, uint64_t now)
{
	const struct resolver_stream *stream = &resolver->streams[index];
	const struct resolver_peer peer = { .is_stream = true, .index = index };

	if (hung_up) {
		resolver_streams_close(resolver, index);
		resolver_forward_forget_stream(resolver, index, now);
	} else if (stream->state == STREAM_WRITING) {
		resolver_streams_write(resolver, index, now);
	} else if (resolver->resume == 0 && resolver_streams_read(resolver, index) > 0) {
		spend(resolver, now);
		answer(resolver, &peer, resolver->buffers[index] + 2, stream->size, now);
		resolver_streams_watch(resolver, index);
	}
}

static void serve_timer(struct resolver *resolver, uint64_t now)
{
	uint64_t fired, next;

	if (read(resolver->timer, &fired, sizeof(fired)) != sizeof(fired))
		return;
	resolver->armed = 0;
	if (resolver->resume != 0 && resolver->resume <= now) {
		resolver->resume = 0;
		resolver_listen_watch(resolver, true);
		resolver_streams_watch_all(resolver);
	}
	next = resolver_forward_expire(resolver, now, resolver->resume);
	next = resolver_streams_expire(resolver, now, next);
	if (next != 0)
		resolver_loop_arm(resolver, next);
}

static void serve_event(struct resolver *resolver, const struct resolver_ready *ready, uint64_t now)
{
	unsigned int index = ready->index;

	switch (ready->event) {
	case EVENT_TIMER: serve_timer(resolver, now); break;
	case EVENT_DATAGRAM: serve_datagrams(resolver, index, now); break;
	case EVENT_ACCEPT: serve_accept(resolver, index, now); break;
	case EVENT_STREAM: serve_stream(resolver, index, ready->hung_up, now); break;
	case EVENT_UPSTREAM: resolver_forward_go_on(resolver, index, now); break;
	}
}

void resolver_serve(struct resolver *resolver)
{
	struct resolver_ready ready[RESOLVER_READY_MAX];
	uint64_t now = clock_monotonic_us();
	int n = resolver_loop_ready(resolver, ready);

	for (int i = 0; i < n; i++)
		serve_event(resolver, &ready[i], now);
}
