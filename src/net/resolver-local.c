#include "net/resolver-local.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "format/dns-write.h"
#include "format/dns.h"
#include "net/resolver.h"

#define META_FIRST 128 /* RFC 6895: types that no record has, but for DNS_OPT */
#define META_LAST 255
#define MACHINES "machine"

struct answer {
	const struct resolver_config *config;
	const struct dns_query *query;
	const char *name, *spelled;
	int family; /* that is asked for; AF_UNSPEC: another type */
	struct resolver_address addresses[RESOLVER_ADDRESSES_MAX];
	size_t count;
	char pointer[DNS_NAME_ROOM]; /* "": none */
};

/* What is found: a code to answer with, or NOT_HERE. */
#define NOT_HERE (-1)

/* NAME is ZONE, or below it: then *ret_length is the rest's. */
static bool is_below(size_t *ret_length, const char *name, const char *zone)
{
	size_t length = strlen(name), tail = strlen(zone);

	if (length <= tail + 1 || name[length - tail - 1] != '.' || !text_ends(name, zone))
		return false;
	*ret_length = length - tail - 1;
	return true;
}

static bool is_or_below(const char *name, const char *zone)
{
	size_t length;

	return strcmp(name, zone) == 0 || is_below(&length, name, zone);
}

static void add(struct answer *answer, int family, const void *bytes, size_t size)
{
	struct resolver_address *address = &answer->addresses[answer->count++];

	*address = (struct resolver_address){ .family = family };
	memcpy(address->bytes, bytes, size);
}

static int look_up_as(struct answer *answer, resolver_lookup_fn *lookup, const char *text,
		      size_t length)
{
	int family = answer->family == AF_UNSPEC ? AF_INET : answer->family;
	char name[DNS_NAME_ROOM];
	int n;

	memcpy(name, text, length);
	name[length] = '\0';
	n = lookup(answer->config->context, answer->addresses, RESOLVER_ADDRESSES_MAX, name,
		   family);
	if (n < 0)
		return n == -ENXIO ? DNS_NXDOMAIN : NOT_HERE;
	if (answer->family != AF_UNSPEC)
		answer->count = MIN((size_t)n, RESOLVER_ADDRESSES_MAX);
	return DNS_NOERROR;
}

/* The first LENGTH characters of the name. */
static int look_up(struct answer *answer, resolver_lookup_fn *lookup, size_t length)
{
	int code;

	if (lookup == NULL || strcmp(answer->name, ".") == 0)
		return NOT_HERE;
	code = look_up_as(answer, lookup, answer->name, length);
	if (code == NOT_HERE && lookup == answer->config->lookup &&
	    strcmp(answer->name, answer->spelled) != 0)
		code = look_up_as(answer, lookup, answer->spelled, length);
	return code;
}

/* As it is, without "machine", without the zone, which may have the name of a domain that the world
 * knows too. */
static int look_up_all(struct answer *answer, resolver_lookup_fn *lookup)
{
	const char *name = answer->name, *domain = answer->config->domain;
	int code = look_up(answer, lookup, strlen(name));
	size_t length;

	if (code == NOT_HERE && is_below(&length, name, MACHINES))
		code = look_up(answer, lookup, length);
	else if (code == NOT_HERE && domain != NULL && is_below(&length, name, domain))
		code = look_up(answer, lookup, length);
	return code;
}

static int find_special(struct answer *answer)
{
	static const uint8_t loopback4[4] = { 127, 0, 0, 1 }, loopback6[16] = { [15] = 1 };
	const char *name = answer->name;

	if (is_or_below(name, "localhost")) {
		if (answer->family == AF_INET)
			add(answer, AF_INET, loopback4, sizeof(loopback4));
		if (answer->family == AF_INET6)
			add(answer, AF_INET6, loopback6, sizeof(loopback6));
		return DNS_NOERROR;
	}
	if (is_or_below(name, "invalid") || is_or_below(name, "onion"))
		return DNS_NXDOMAIN;
	/* Whether the resolver can be asked in another way (RFC 9462): it is about this one. */
	if (is_or_below(name, "resolver.arpa"))
		return DNS_NOERROR;
	return NOT_HERE;
}

static int find_name(struct answer *answer)
{
	const char *name = answer->name, *domain = answer->config->domain;
	bool single = strchr(name, '.') == NULL;
	size_t length;
	int code;

	/* What is anybody's own name in one of these forms is nobody's further one. */
	code = look_up_all(answer, answer->config->lookup);
	if (code == NOT_HERE)
		code = look_up_all(answer, answer->config->further);
	if (code != NOT_HERE)
		return code;
	if (is_below(&length, name, MACHINES))
		return DNS_NXDOMAIN;
	/* Who walks down to a name asks for what is above it: that it does not exist would mean
	 * that nothing below does. */
	if (strcmp(name, MACHINES) == 0)
		return DNS_NOERROR;
	if (domain != NULL && answer->family != AF_UNSPEC && strcmp(name, domain) == 0)
		return DNS_NOERROR;
	/* Other types than addresses are asked about top-level domains, to validate. */
	return single && answer->family != AF_UNSPEC ? DNS_NXDOMAIN : NOT_HERE;
}

static int find_loopback(struct answer *answer, int family, const uint8_t *bytes)
{
	static const uint8_t six[16] = { [15] = 1 }, four[4] = { 127, 0, 0, 1 };

	if (family == AF_INET ? memcmp(bytes, four, 4) == 0 : memcmp(bytes, six, 16) == 0) {
		memcpy(answer->pointer, "localhost", sizeof("localhost"));
		return DNS_NOERROR;
	}
	return family == AF_INET && bytes[0] == 127 ? DNS_NXDOMAIN : NOT_HERE;
}

static int find_address(struct answer *answer)
{
	const struct resolver_config *config = answer->config;
	uint8_t bytes[16];
	int family, code, r;

	if (answer->query->type != DNS_PTR || dns_name_address(&family, bytes, answer->name) < 0)
		return NOT_HERE;
	code = find_loopback(answer, family, bytes);
	if (code != NOT_HERE || config->reverse == NULL)
		return code;
	r = config->reverse(config->context, answer->pointer, sizeof(answer->pointer), family,
			    bytes);
	if (r < 0)
		answer->pointer[0] = '\0';
	if (r == -ENXIO)
		return DNS_NXDOMAIN;
	return r < 0 ? NOT_HERE : DNS_NOERROR;
}

static int find(struct answer *answer)
{
	int code;

	code = find_special(answer);
	if (code == NOT_HERE)
		code = find_address(answer);
	return code == NOT_HERE ? find_name(answer) : code;
}

static bool is_refused(const struct dns_query *query)
{
	return query->class != DNS_IN || query->type == 0 || query->type == DNS_OPT ||
	       (query->type >= META_FIRST && query->type <= META_LAST);
}

static size_t write_answer(uint8_t *data, size_t room, const struct answer *answer, int code)
{
	struct dns_writer writer;

	dns_write_begin(&writer, data, room, answer->query, code);
	dns_write_authoritative(&writer);
	for (size_t i = 0; i < answer->count; i++)
		dns_write_address(&writer, answer->family, answer->addresses[i].bytes,
				  RESOLVER_LOCAL_TTL_S);
	/* A name that is none is as good as none. */
	if (answer->pointer[0] != '\0')
		dns_write_pointer(&writer, answer->pointer, RESOLVER_LOCAL_TTL_S);
	return dns_write_end(&writer);
}

static size_t write_refusal(uint8_t *data, size_t room, const struct dns_query *query)
{
	struct dns_writer writer;

	dns_write_begin(&writer, data, room, query, DNS_REFUSED);
	return dns_write_end(&writer);
}

enum resolver_decision resolver_local_answer(const struct resolver_config *config, size_t *ret_size,
					     uint8_t *data, size_t room,
					     const struct dns_query *query)
{
	char name[DNS_NAME_ROOM], spelled[DNS_NAME_ROOM];
	struct answer answer = { .config = config, .query = query };
	int code;

	if (is_refused(query)) {
		*ret_size = write_refusal(data, room, query);
		return RESOLVER_REFUSED;
	}
	dns_query_name(name, query);
	dns_query_name_spelled(spelled, query);
	answer.name = name;
	answer.spelled = spelled;
	if (query->type == DNS_A)
		answer.family = AF_INET;
	else if (query->type == DNS_AAAA)
		answer.family = AF_INET6;
	code = find(&answer);
	if (code != NOT_HERE) {
		*ret_size = write_answer(data, room, &answer, code);
		return RESOLVER_LOCAL;
	}
	if (config->allowed == NULL || config->allowed(config->context, name))
		return RESOLVER_FORWARD;
	*ret_size = write_refusal(data, room, query);
	return RESOLVER_REFUSED;
}
