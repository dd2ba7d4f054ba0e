/* net/resolver-filter - which addresses of a reply the guest may see. Quiet.
 *
 * Only the name that was asked for, and what its aliases (CNAME) lead to in the same reply, has
 * addresses in it; others are not passed on. Nor is what the callback refuses.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "net/resolver.h"

struct dns_query;

enum resolver_verdict_kind {
	RESOLVER_PASS,	   /* all of it */
	RESOLVER_CUT,	   /* without what is behind the answers */
	RESOLVER_REWRITE,  /* only the addresses that are left */
	RESOLVER_TRUNCATE, /* nothing: the rest is not in it, so that nothing can be said of it */
	RESOLVER_REFUSE,
};

struct resolver_verdict {
	enum resolver_verdict_kind kind;
	size_t answers_end; /* RESOLVER_CUT */
	struct resolver_address addresses[RESOLVER_ADDRESSES_MAX];
	size_t count;
};

/* DATA is a reply to QUERY (dns_check_reply()). Calls config->learned. */
void resolver_filter_reply(struct resolver_verdict *ret, const struct resolver_config *config,
			   const struct dns_query *query, const uint8_t *data, size_t size);
