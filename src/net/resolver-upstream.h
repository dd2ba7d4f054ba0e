/* net/resolver-upstream - one question at one of the host's resolvers: its socket. Quiet.
 *
 * The socket is connected, so that the kernel drops what others send, and its port is one that
 * nobody can know; so is the id.
 */
#pragma once
#include <stdbool.h>

struct resolver;
struct resolver_slot;

/* Has the slot a socket? */
bool resolver_upstream_is_asking(const struct resolver_slot *slot);

/* Ask slot->server, by TCP if slot->tcp is set. A slot with a socket repeats its question. */
int resolver_upstream_ask(struct resolver *resolver, unsigned int index);

/* The question again, or over a new connection for the first time. -EAGAIN, -ENOTCONN: not yet. */
int resolver_upstream_send(struct resolver_slot *slot);

/* Over TCP, into the buffer of the stream that asked. 1: there is a whole message behind its size;
 * 0: not yet. */
int resolver_upstream_read(struct resolver *resolver, struct resolver_slot *slot);

/* Close the socket, if there is one. */
void resolver_upstream_hang_up(struct resolver_slot *slot);
