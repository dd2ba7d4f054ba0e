/* net/resolver-forward - queries to the host's resolvers. Quiet.
 *
 * Each has a socket of its own, connected and so with a port that nobody can know, and a random id;
 * a reply counts if it comes from the server, has the id and repeats the question. A question is
 * on its way only once, however often it is asked: many at a time would be easier to answer for
 * somebody else.
 */
#pragma once
#include <stdint.h>

struct resolver;
struct resolver_peer;
struct dns_query;

void resolver_forward_ask(struct resolver *resolver, const struct resolver_peer *peer,
			  const struct dns_query *query, uint64_t now);

/* Something happened at the slot's socket. */
void resolver_forward_go_on(struct resolver *resolver, unsigned int index, uint64_t now);

/* Nobody waits for the answer to this stream any more. */
void resolver_forward_forget_stream(struct resolver *resolver, unsigned int stream, uint64_t now);

/* Try again, or give up, whatever took too long; the next deadline, or NEXT if that is earlier. */
uint64_t resolver_forward_expire(struct resolver *resolver, uint64_t now, uint64_t next);

void resolver_forward_done(struct resolver *resolver);
