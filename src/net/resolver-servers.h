/* net/resolver-servers - the host's resolvers, as its resolv.conf has them. Quiet. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct resolver_address;
struct resolver_servers;

/* These, whatever resolv.conf has. COUNT 0: as resolv.conf has it. */
void resolver_servers_set(struct resolver_servers *servers, const struct resolver_address *list,
			  size_t count);

/* Read PATH if it is another file than before, but look at most once a second. As in libc, the host
 * itself is asked if nothing can be read. */
void resolver_servers_refresh(struct resolver_servers *servers, const char *path, uint64_t now);
