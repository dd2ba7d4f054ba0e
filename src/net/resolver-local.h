/* net/resolver-local - what is answered without asking anybody. Quiet. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct resolver_config;
struct dns_query;

enum resolver_decision {
	RESOLVER_LOCAL,	  /* answered with what is known here */
	RESOLVER_REFUSED, /* answered with that */
	RESOLVER_FORWARD, /* not answered: the host's resolvers are to be asked */
};

/* QUERY has a question. The answer is written into ROOM bytes, its size is *ret_size. */
enum resolver_decision resolver_local_answer(const struct resolver_config *config, size_t *ret_size,
					     uint8_t *data, size_t room,
					     const struct dns_query *query);
