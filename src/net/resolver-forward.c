#include "net/resolver-forward.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "format/dns-write.h"
#include "format/dns.h"
#include "io/fd.h"
#include "net/resolver-filter.h"
#include "net/resolver-loop.h"
#include "net/resolver-peers.h"
#include "net/resolver-servers.h"
#include "net/resolver-state.h"
#include "net/resolver-upstream.h"

#define NO_SLOT RESOLVER_OUTSTANDING
#define PATIENCE 5    /* times the time of one try */
#define STRANGE_MAX 8 /* datagrams that are no answer: somebody guesses, and has to begin again */

/* What is told to all who wait for one answer. */
struct outcome {
	int code; /* without DATA */
	uint8_t *data;
	size_t size;
	const struct resolver_verdict *verdict;
};

static void try_next(struct resolver *resolver, unsigned int index, uint64_t now);

static void release(struct resolver *resolver, unsigned int index)
{
	struct resolver_slot *slot = &resolver->slots[index];

	resolver_upstream_hang_up(slot);
	slot->state = SLOT_FREE;
	resolver->outstanding--;
}

static void tell_rewritten(struct resolver *resolver, const struct resolver_slot *slot,
			   const struct resolver_verdict *verdict, size_t takes, uint64_t now)
{
	uint8_t data[DNS_QUERY_MAX + RESOLVER_ADDRESSES_MAX * 28];
	struct dns_writer writer;

	dns_write_begin(&writer, data, MIN(takes, sizeof(data)), &slot->query, DNS_NOERROR);
	for (size_t i = 0; i < verdict->count; i++)
		dns_write_address(&writer, verdict->addresses[i].family,
				  verdict->addresses[i].bytes, verdict->addresses[i].ttl);
	resolver_peers_send(resolver, &slot->peer, data, dns_write_end(&writer), now);
}

static void tell(struct resolver *resolver, const struct resolver_slot *slot,
		 const struct outcome *outcome, uint64_t now)
{
	enum resolver_verdict_kind kind = outcome->data ? outcome->verdict->kind : RESOLVER_REFUSE;
	size_t takes = resolver_peers_takes(&slot->peer, &slot->query);

	if (kind == RESOLVER_REFUSE) {
		resolver_peers_send_code(resolver, &slot->peer, &slot->query, outcome->code, false,
					 now);
	} else if (kind == RESOLVER_REWRITE) {
		tell_rewritten(resolver, slot, outcome->verdict, takes, now);
	} else if (kind == RESOLVER_TRUNCATE || outcome->size > takes) {
		resolver_peers_send_code(resolver, &slot->peer, &slot->query,
					 dns_reply_code(outcome->data), true, now);
	} else {
		dns_adopt_reply(outcome->data, outcome->size, &slot->query);
		resolver_peers_send(resolver, &slot->peer, outcome->data, outcome->size, now);
	}
}

/* The first that waited for INDEX asks itself, the others wait for it. */
static void succeed(struct resolver *resolver, unsigned int index, uint64_t now)
{
	unsigned int heir = NO_SLOT;

	for (unsigned int i = 0; i < RESOLVER_OUTSTANDING; i++) {
		struct resolver_slot *slot = &resolver->slots[i];

		if (slot->state != SLOT_WAITING || slot->twin != index)
			continue;
		if (heir == NO_SLOT)
			heir = i;
		slot->twin = heir;
	}
	if (heir != NO_SLOT)
		try_next(resolver, heir, now);
}

static void finish(struct resolver *resolver, unsigned int index, const struct outcome *outcome,
		   uint64_t now)
{
	const struct dns_query *query = &resolver->slots[index].query;

	for (unsigned int i = 0; i < RESOLVER_OUTSTANDING; i++) {
		struct resolver_slot *slot = &resolver->slots[i];

		if (i == index || slot->state != SLOT_WAITING || slot->twin != index ||
		    !dns_query_equal(&slot->query, query))
			continue;
		tell(resolver, slot, outcome, now);
		release(resolver, i);
	}
	/* The last, since its stream's buffer may hold the answer. */
	tell(resolver, &resolver->slots[index], outcome, now);
	release(resolver, index);
	succeed(resolver, index, now);
}

static void fail(struct resolver *resolver, unsigned int index, int code, uint64_t now)
{
	resolver->counts.failed++;
	finish(resolver, index, &(struct outcome){ .code = code }, now);
}

/* The next server's turn. */
static void turn(struct resolver *resolver, struct resolver_slot *slot)
{
	resolver_upstream_hang_up(slot);
	slot->server = (unsigned int)((slot->server + 1) % resolver->servers.count);
}

/* The server cannot be reached, so that later queries do not begin with it. */
static void blame(struct resolver *resolver, const struct resolver_slot *slot)
{
	struct resolver_servers *servers = &resolver->servers;

	if (slot->server == servers->first)
		servers->first = (unsigned int)((servers->first + 1) % servers->count);
}

static void try_next(struct resolver *resolver, unsigned int index, uint64_t now)
{
	struct resolver_slot *slot = &resolver->slots[index];
	struct resolver_servers *servers = &resolver->servers;
	size_t most = servers->attempts * servers->count;

	/* There may be fewer than there were. */
	slot->server %= (unsigned int)servers->count;
	while (slot->tries < most && now < slot->give_up) {
		bool last = ++slot->tries == most;

		if (resolver_upstream_ask(resolver, index) == 0) {
			slot->deadline = MIN(now + servers->timeout_us, slot->give_up);
			if (last)
				slot->deadline = slot->give_up;
			resolver_loop_arm(resolver, slot->deadline);
			return;
		}
		blame(resolver, slot);
		turn(resolver, slot);
	}
	fail(resolver, index, DNS_SERVFAIL, now);
}

static bool is_repeated(const struct resolver *resolver, const struct resolver_peer *peer,
			const struct dns_query *query)
{
	for (unsigned int i = 0; resolver->outstanding > 0 && i < RESOLVER_OUTSTANDING; i++) {
		const struct resolver_slot *slot = &resolver->slots[i];

		if (slot->state != SLOT_FREE && slot->query.id == query->id &&
		    resolver_peers_equal(&slot->peer, peer) && dns_query_equal(&slot->query, query))
			return true;
	}
	return false;
}

static unsigned int find_free(const struct resolver *resolver)
{
	unsigned int index = 0;

	while (index < RESOLVER_OUTSTANDING && resolver->slots[index].state != SLOT_FREE)
		index++;
	return index;
}

/* Who asks the same already. */
static unsigned int find_twin(const struct resolver *resolver, const struct dns_query *query)
{
	for (unsigned int i = 0; resolver->outstanding > 0 && i < RESOLVER_OUTSTANDING; i++)
		if (resolver_upstream_is_asking(&resolver->slots[i]) &&
		    dns_query_same_question(&resolver->slots[i].query, query))
			return i;
	return NO_SLOT;
}

void resolver_forward_ask(struct resolver *resolver, const struct resolver_peer *peer,
			  const struct dns_query *query, uint64_t now)
{
	struct resolver_servers *servers = &resolver->servers;
	unsigned int index = find_free(resolver), twin;
	struct resolver_slot *slot;

	if (is_repeated(resolver, peer, query)) {
		resolver->counts.dropped++;
		return;
	}
	if (index == NO_SLOT) {
		resolver->counts.failed++;
		resolver_peers_send_code(resolver, peer, query, DNS_SERVFAIL, false, now);
		return;
	}
	resolver->counts.forwarded++;
	resolver_servers_refresh(servers, resolver->config.resolv_conf, now);
	if (resolver->config.timeout_us > 0)
		servers->timeout_us = resolver->config.timeout_us;
	if (servers->rotate)
		servers->first = (unsigned int)((servers->first + 1) % servers->count);
	twin = find_twin(resolver, query);
	slot = &resolver->slots[index];
	*slot = (struct resolver_slot){
		.state = SLOT_WAITING,
		.fd = -EBADF,
		.peer = *peer,
		.query = *query,
		.twin = twin,
		.server = servers->first,
		.give_up = now + PATIENCE * servers->timeout_us,
	};
	slot->deadline = slot->give_up;
	resolver->outstanding++;
	if (twin == NO_SLOT)
		try_next(resolver, index, now);
	else
		resolver_loop_arm(resolver, slot->deadline);
}

static bool is_servers_fault(int code)
{
	return code == DNS_SERVFAIL || code == DNS_NOTIMP || code == DNS_REFUSED ||
	       code == DNS_FORMERR;
}

/* A reply that counts. */
static void take_reply(struct resolver *resolver, unsigned int index, uint8_t *data, size_t size,
		       uint64_t now)
{
	struct resolver_slot *slot = &resolver->slots[index];
	struct resolver_verdict verdict;
	int code = dns_reply_code(data);

	if (is_servers_fault(code) && ++slot->refusals < resolver->servers.count) {
		turn(resolver, slot);
		try_next(resolver, index, now);
		return;
	}
	if (dns_reply_truncated(data) && slot->peer.is_stream && !slot->tcp) {
		resolver_upstream_hang_up(slot);
		slot->tcp = true;
		slot->tries = 0;
		try_next(resolver, index, now);
		return;
	}
	if (dns_reply_lacks_question(data)) {
		fail(resolver, index, code, now);
		return;
	}
	resolver_filter_reply(&verdict, &resolver->config, &slot->query, data, size);
	if (verdict.kind == RESOLVER_REFUSE)
		resolver->counts.refused++;
	if (verdict.kind == RESOLVER_CUT)
		size = dns_write_cut(data, verdict.answers_end, &slot->query);
	finish(resolver, index,
	       &(struct outcome){
		       .code = DNS_REFUSED,
		       .data = data,
		       .size = size,
		       .verdict = &verdict,
	       },
	       now);
}

static void give_up_try(struct resolver *resolver, unsigned int index, uint64_t now)
{
	blame(resolver, &resolver->slots[index]);
	turn(resolver, &resolver->slots[index]);
	try_next(resolver, index, now);
}

static void read_datagrams(struct resolver *resolver, unsigned int index, uint64_t now)
{
	struct resolver_slot *slot = &resolver->slots[index];
	uint8_t data[RESOLVER_DATAGRAM_MAX + 1];

	while (slot->strange < STRANGE_MAX) {
		ssize_t n = recv(slot->fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break; /* nobody listens there */
		if (n <= RESOLVER_DATAGRAM_MAX &&
		    dns_check_reply(data, (size_t)n, &slot->query, slot->id) == 0) {
			take_reply(resolver, index, data, (size_t)n, now);
			return;
		}
		slot->strange++;
	}
	give_up_try(resolver, index, now);
}

static void go_on_connected(struct resolver *resolver, unsigned int index, uint64_t now)
{
	struct resolver_slot *slot = &resolver->slots[index];
	uint8_t *data = resolver->buffers[slot->peer.index] + 2;
	int r;

	if (slot->state == SLOT_CONNECTING) {
		r = resolver_upstream_send(slot);
		if (r == -EAGAIN || r == -ENOTCONN)
			return;
		slot->state = SLOT_TCP;
		if (r == 0)
			resolver_loop_change(resolver, slot->fd, EVENT_UPSTREAM, index, EPOLLIN);
	} else {
		r = resolver_upstream_read(resolver, slot);
	}
	if (r > 0)
		r = dns_check_reply(data, slot->done - 2, &slot->query, slot->id);
	else if (r == 0)
		return;
	if (r == 0)
		take_reply(resolver, index, data, slot->done - 2, now);
	else
		give_up_try(resolver, index, now);
}

void resolver_forward_go_on(struct resolver *resolver, unsigned int index, uint64_t now)
{
	const struct resolver_slot *slot = &resolver->slots[index];

	if (slot->state == SLOT_UDP)
		read_datagrams(resolver, index, now);
	else if (resolver_upstream_is_asking(slot))
		go_on_connected(resolver, index, now);
}

void resolver_forward_forget_stream(struct resolver *resolver, unsigned int stream, uint64_t now)
{
	for (unsigned int i = 0; i < RESOLVER_OUTSTANDING; i++) {
		struct resolver_slot *slot = &resolver->slots[i];

		if (slot->state == SLOT_FREE || !slot->peer.is_stream || slot->peer.index != stream)
			continue;
		release(resolver, i);
		succeed(resolver, i, now);
		return;
	}
}

uint64_t resolver_forward_expire(struct resolver *resolver, uint64_t now, uint64_t next)
{
	for (unsigned int i = 0; resolver->outstanding > 0 && i < RESOLVER_OUTSTANDING; i++) {
		struct resolver_slot *slot = &resolver->slots[i];

		if (slot->state == SLOT_FREE)
			continue;
		if (slot->deadline <= now && !resolver_upstream_is_asking(slot)) {
			fail(resolver, i, DNS_SERVFAIL, now);
		} else if (slot->deadline <= now) {
			blame(resolver, slot);
			/* One that is alone keeps its socket: it may only be slow. */
			if (resolver->servers.count > 1 || slot->tcp)
				turn(resolver, slot);
			try_next(resolver, i, now);
		}
		if (slot->state != SLOT_FREE && (next == 0 || slot->deadline < next))
			next = slot->deadline;
	}
	return next;
}

void resolver_forward_done(struct resolver *resolver)
{
	for (unsigned int i = 0; i < RESOLVER_OUTSTANDING; i++)
		if (resolver_upstream_is_asking(&resolver->slots[i]))
			fd_close(&resolver->slots[i].fd);
}
