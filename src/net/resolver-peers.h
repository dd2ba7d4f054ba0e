/* net/resolver-peers - queries in datagrams, and answers to everybody who asked. Quiet. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resolver;
struct resolver_peer;
struct dns_query;

/* The next datagram of a listener; its size. -EAGAIN: there is none; -EBADMSG: one that is not
 * looked at: too long, or from somebody who may not ask. */
int resolver_peers_receive(struct resolver *resolver, struct resolver_peer *ret, uint8_t *data,
			   size_t room, unsigned int listener);

/* How long may the answer to PEER's query be? */
size_t resolver_peers_takes(const struct resolver_peer *peer, const struct dns_query *query);

void resolver_peers_send(struct resolver *resolver, const struct resolver_peer *peer,
			 const uint8_t *data, size_t size, uint64_t now);

/* An answer without records. */
void resolver_peers_send_code(struct resolver *resolver, const struct resolver_peer *peer,
			      const struct dns_query *query, int code, bool truncated,
			      uint64_t now);

bool resolver_peers_equal(const struct resolver_peer *a, const struct resolver_peer *b);
