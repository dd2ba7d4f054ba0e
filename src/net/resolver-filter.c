#include "net/resolver-filter.h"

#include <netinet/in.h>
#include <string.h>

#include "format/dns.h"

#define ALIASES_MAX 16

struct filter {
	const struct dns_query *query;
	const uint8_t *data;
	size_t size;
	char name[DNS_NAME_ROOM]; /* the one that has the addresses */
	bool strays;		  /* addresses of other names among the answers */
	bool others;		  /* addresses behind the answers */
	struct dns_record record; /* large: one for all */
};

/* 1: the name is an alias, and now is what it leads to; 0: it is none; negative: no message. */
static int follow_alias(struct filter *filter)
{
	struct dns_reader reader;
	int r;

	r = dns_reader_init(&reader, filter->data, filter->size);
	while (r == 0 && (r = dns_reader_next(&reader, &filter->record)) > 0) {
		const struct dns_record *record = &filter->record;

		r = 0;
		if (record->section != DNS_ANSWER)
			return 0;
		if (record->type == DNS_CNAME && strcmp(record->name, filter->name) == 0) {
			memcpy(filter->name, record->target, sizeof(filter->name));
			return 1;
		}
	}
	return r;
}

static void take_address(struct resolver_verdict *verdict, struct filter *filter)
{
	const struct dns_record *record = &filter->record;
	struct resolver_address *address;

	if (record->type == DNS_CNAME)
		return;
	if (record->section != DNS_ANSWER) {
		filter->others = true;
		return;
	}
	if (record->type != filter->query->type || strcmp(record->name, filter->name) != 0 ||
	    verdict->count == RESOLVER_ADDRESSES_MAX) {
		filter->strays = true;
		return;
	}
	address = &verdict->addresses[verdict->count++];
	*address = (struct resolver_address){
		.family = record->type == DNS_A ? AF_INET : AF_INET6,
		.ttl = record->ttl,
	};
	memcpy(address->bytes, record->address, sizeof(address->bytes));
}

static int take_addresses(struct resolver_verdict *verdict, struct filter *filter)
{
	struct dns_reader reader;
	int r;

	r = dns_reader_init(&reader, filter->data, filter->size);
	if (r < 0)
		return r;
	while ((r = dns_reader_next(&reader, &filter->record)) > 0)
		take_address(verdict, filter);
	verdict->answers_end = reader.answers_end;
	return r;
}

/* Ask, and keep those that are not refused. */
static bool learn(struct resolver_verdict *verdict, const struct resolver_config *config,
		  const struct dns_query *query)
{
	char asked[DNS_NAME_ROOM];
	size_t left = 0;

	if (verdict->count == 0)
		return true;
	dns_query_name(asked, query);
	if (config->learned(config->context, asked, verdict->addresses, verdict->count) < 0)
		return false;
	for (size_t i = 0; i < verdict->count; i++)
		if (!verdict->addresses[i].refused)
			verdict->addresses[left++] = verdict->addresses[i];
	if (left < verdict->count)
		verdict->kind = RESOLVER_REWRITE;
	verdict->count = left;
	return left > 0;
}

void resolver_filter_reply(struct resolver_verdict *ret, const struct resolver_config *config,
			   const struct dns_query *query, const uint8_t *data, size_t size)
{
	struct filter filter = { .query = query, .data = data, .size = size };
	int r = 1;

	*ret = (struct resolver_verdict){ .kind = RESOLVER_PASS };
	if (config->learned == NULL)
		return;
	if (dns_reply_truncated(data)) {
		ret->kind = RESOLVER_TRUNCATE;
		return;
	}
	dns_query_name(filter.name, query);
	for (int i = 0; i < ALIASES_MAX && r > 0; i++)
		r = follow_alias(&filter);
	if (r == 0)
		r = take_addresses(ret, &filter);
	if (r != 0 || !learn(ret, config, query) || (filter.strays && ret->count == 0)) {
		*ret = (struct resolver_verdict){ .kind = RESOLVER_REFUSE };
		return;
	}
	if (filter.strays)
		ret->kind = RESOLVER_REWRITE;
	else if (filter.others && ret->kind == RESOLVER_PASS)
		ret->kind = RESOLVER_CUT;
}
