/* net/resolver-listen - the sockets of the responder. Quiet. */
#pragma once
#include "net/resolver.h"

struct resolver;

/* On one port, for UDP and TCP and each address, which stays readable in resolver->port. */
int resolver_listen_open(struct resolver *resolver, const struct resolver_address *addresses,
			 size_t count, uint16_t wish);
void resolver_listen_done(struct resolver *resolver);

/* Look at them, or not for a while. */
void resolver_listen_watch(struct resolver *resolver, bool watched);
