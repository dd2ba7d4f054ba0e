/* net/resolver-streams - clients over TCP: one query at a time, then its answer. Quiet.
 *
 * A client has RESOLVER_STREAM_PATIENCE_US for a query, however it trickles, and as long to take
 * the answer. While an answer is awaited, the stream's buffer is free for others.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/resolver.h"

struct resolver;

#define RESOLVER_STREAM_PATIENCE_US 10000000

/* May this address ask? */
bool resolver_streams_may_ask(const struct resolver *resolver, int family, const void *bytes);

/* Accept the next client of a listener. 0: nobody is there. */
int resolver_streams_accept(struct resolver *resolver, unsigned int listener, uint64_t now);

/* 1: a query is in the buffer behind its size, and the stream waits; 0: not all of it; negative:
 * the stream is closed. */
int resolver_streams_read(struct resolver *resolver, unsigned int index);

/* The answer, which may be in the stream's buffer already. */
void resolver_streams_send(struct resolver *resolver, unsigned int index, const uint8_t *data,
			   size_t size, uint64_t now);

/* Go on with the answer. */
void resolver_streams_write(struct resolver *resolver, unsigned int index, uint64_t now);

/* Look for what the stream needs next. */
void resolver_streams_watch(struct resolver *resolver, unsigned int index);
void resolver_streams_watch_all(struct resolver *resolver);

/* Nothing happens to a stream that is closed. */
void resolver_streams_close(struct resolver *resolver, unsigned int index);

/* Close those whose time is over; the next deadline, or NEXT if that is earlier (0: none). */
uint64_t resolver_streams_expire(struct resolver *resolver, uint64_t now, uint64_t next);
