/* net/resolver-loop - what the responder waits for: descriptors, one time, and its turn.
 * Quiet. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct resolver;

enum resolver_event { EVENT_TIMER, EVENT_DATAGRAM, EVENT_ACCEPT, EVENT_STREAM, EVENT_UPSTREAM };

int resolver_loop_open(struct resolver *resolver);
void resolver_loop_done(struct resolver *resolver);

/* FD is watched until it is closed. */
int resolver_loop_add(struct resolver *resolver, int fd, enum resolver_event event,
		      unsigned int index, uint32_t watched);
void resolver_loop_change(struct resolver *resolver, int fd, enum resolver_event event,
			  unsigned int index, uint32_t watched);

#define RESOLVER_READY_MAX 16

struct resolver_ready {
	enum resolver_event event;
	unsigned int index;
	bool hung_up; /* nobody is at the other end any more */
};

/* How many things are ready. */
int resolver_loop_ready(struct resolver *resolver, struct resolver_ready ret[RESOLVER_READY_MAX]);

/* There is something to do at DEADLINE; an earlier one stays. */
void resolver_loop_arm(struct resolver *resolver, uint64_t deadline);

/* A query was read. True: it was the last one for now, resolver->resume says until when. */
bool resolver_loop_spend(struct resolver *resolver, uint64_t now);
