/* The responder without its sockets: a guest's query, or a server's reply to one for a machine that
 * may not reach everything. The first byte says which, and the type that was asked for. */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "format/dns-write.h"
#include "format/dns.h"
#include "fuzz.h"
#include "net/resolver-filter.h"
#include "net/resolver-local.h"
#include "net/resolver.h"

static int lookup(void *context, struct resolver_address *ret, size_t room, const char *name,
		  int family)
{
	(void)context;
	assert(strlen(name) < DNS_NAME_ROOM && room == RESOLVER_ADDRESSES_MAX);
	if (name[0] == 'x')
		return -ENXIO;
	if (name[0] != 'w')
		return -ENOENT;
	for (size_t i = 0; i < room; i++)
		ret[i] = (struct resolver_address){ .family = family };
	return name[1] == 'a' ? 1 : (int)room;
}

static int reverse(void *context, char *ret, size_t room, int family, const uint8_t *bytes)
{
	(void)context;
	assert(room >= DNS_NAME_ROOM && (family == AF_INET || family == AF_INET6));
	if (bytes[0] != 10)
		return -ENOENT;
	memcpy(ret, "web.machine", sizeof("web.machine"));
	return 0;
}

static bool allowed(void *context, const char *name)
{
	(void)context;
	return strchr(name, 'a') != NULL;
}

/* What is refused begins with 127; whatever is told later must not. */
static int learned(void *context, const char *name, struct resolver_address *addresses,
		   size_t count)
{
	(void)context;
	assert(strcmp(name, "www.example") == 0 && count <= RESOLVER_ADDRESSES_MAX);
	for (size_t i = 0; i < count; i++)
		addresses[i].refused = addresses[i].bytes[0] == 127;
	return 0;
}

static const struct resolver_config config = {
	.domain = "blue",
	.lookup = lookup,
	.reverse = reverse,
	.allowed = allowed,
	.learned = learned,
};

static void try_query(const uint8_t *data, size_t size)
{
	uint8_t reply[DNS_UDP_OURS];
	struct dns_query query;
	size_t reply_size = 0;

	if (dns_read_query(&query, data, size) != 0)
		return;
	if (resolver_local_answer(&config, &reply_size, reply, DNS_UDP_MIN, &query) ==
	    RESOLVER_FORWARD)
		return;
	assert(reply_size <= DNS_UDP_MIN);
	assert(dns_check_reply(reply, reply_size, &query, query.id) == 0);
}

/* No address of 127.0.0.0/8 is left. */
static void check_told(const uint8_t *data, size_t size)
{
	struct dns_record record;
	struct dns_reader reader;
	int r;

	assert(dns_reader_init(&reader, data, size) == 0);
	while ((r = dns_reader_next(&reader, &record)) > 0)
		assert(record.type == DNS_CNAME || record.address[0] != 127);
	assert(r == 0);
}

static void try_reply(const uint8_t *data, size_t size, uint8_t type)
{
	static const uint8_t question[] = "\3www\7example\0\0\0\0\1";
	struct dns_query query = { .question_size = sizeof(question) - 1, .type = type };
	struct resolver_verdict verdict;
	uint8_t copy[4096];

	memcpy(query.question, question, sizeof(question) - 1);
	query.question[sizeof(question) - 4] = type;
	if (size < 2 || size > sizeof(copy) ||
	    dns_check_reply(data, size, &query, (uint16_t)(data[0] << 8 | data[1])) < 0 ||
	    dns_reply_lacks_question(data))
		return;
	resolver_filter_reply(&verdict, &config, &query, data, size);
	memcpy(copy, data, size);
	if (verdict.kind == RESOLVER_CUT)
		size = dns_write_cut(copy, verdict.answers_end, &query);
	if (verdict.kind == RESOLVER_CUT || verdict.kind == RESOLVER_PASS)
		check_told(copy, size);
	for (size_t i = 0; i < verdict.count; i++)
		assert(verdict.addresses[i].bytes[0] != 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 0)
		try_query(data + 1, size - 1);
	else
		try_reply(data + 1, size - 1, data[0]);
	return 0;
}
