/* net/resolver-servers - the host's resolvers, as its resolv.conf has them. Quiet. */
#pragma once
#include <stdint.h>

struct resolver_servers;

/* Read PATH if it is another file than before, but look at most once a second. As in libc, the host
 * itself is asked if nothing can be read. */
void resolver_servers_refresh(struct resolver_servers *servers, const char *path, uint64_t now);
