#include "format/dns-write.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "format/dns-name.h"
#include "format/dns-wire.h"
#include "format/dns.h"

static size_t put_opt(uint8_t *at, const struct dns_query *query, unsigned int udp_size,
		      unsigned int code)
{
	at[0] = 0; /* the root's name */
	dns_put16(at + 1, DNS_OPT);
	dns_put16(at + 3, udp_size);
	dns_put32(at + 5, (uint32_t)(code >> 4) << 24 | (query->dnssec_ok ? DNS_DNSSEC_OK : 0));
	dns_put16(at + 9, 0);
	return DNS_OPT_SIZE;
}

static size_t put_head(uint8_t *at, const struct dns_query *query, unsigned int id,
		       unsigned int flags)
{
	memset(at, 0, DNS_HEADER_SIZE);
	dns_put16(at, id);
	dns_put16(at + DNS_FLAGS_AT, flags);
	dns_put16(at + DNS_COUNTS_AT, query->question_size > 0);
	dns_put16(at + DNS_COUNTS_AT + 2 * DNS_COUNT_OF(DNS_ADDITIONAL), query->edns);
	memcpy(at + DNS_HEADER_SIZE, query->question, query->question_size);
	return DNS_HEADER_SIZE + query->question_size;
}

size_t dns_write_query(uint8_t ret[DNS_QUERY_MAX], const struct dns_query *query, uint16_t id,
		       uint16_t udp_size)
{
	size_t size = put_head(ret, query, id, query->flags & DNS_FLAGS_ASKED);

	if (query->edns)
		size += put_opt(ret + size, query, udp_size, 0);
	return size;
}

void dns_write_begin(struct dns_writer *ret, uint8_t *data, size_t room,
		     const struct dns_query *query, int code)
{
	unsigned int flags = query->flags &
			     (DNS_FLAG_OPCODE | DNS_FLAG_RECURSE | DNS_FLAG_UNCHECKED);

	assert(room >= DNS_QUERY_MAX);
	*ret = (struct dns_writer){
		.data = data,
		.room = room - (query->edns ? DNS_OPT_SIZE : 0),
		.query = query,
		.code = (uint16_t)code,
		.flags = (uint16_t)(DNS_FLAG_REPLY | DNS_FLAG_RECURSES | flags |
				    (code & DNS_FLAG_CODE)),
	};
	ret->size = put_head(data, query, query->id, 0);
}

void dns_write_authoritative(struct dns_writer *writer)
{
	writer->flags |= DNS_FLAG_AUTHORITATIVE;
}

void dns_write_truncated(struct dns_writer *writer)
{
	writer->flags |= DNS_FLAG_TRUNCATED;
}

/* The place for the data, or NULL. */
static uint8_t *add_record(struct dns_writer *writer, unsigned int type, uint32_t ttl, size_t size)
{
	uint8_t *at = writer->data + writer->size;

	assert(writer->query->question_size > 0);
	if (writer->flags & DNS_FLAG_TRUNCATED)
		return NULL;
	if (writer->room - writer->size < 2 + DNS_RECORD_SIZE + size) {
		dns_write_truncated(writer);
		return NULL;
	}
	dns_put16(at, DNS_POINTER | DNS_HEADER_SIZE); /* the question's name */
	dns_put16(at + 2, type);
	dns_put16(at + 4, DNS_IN);
	dns_put32(at + 6, ttl);
	dns_put16(at + 10, (unsigned int)size);
	writer->size += 2 + DNS_RECORD_SIZE + size;
	writer->answers++;
	return at + 2 + DNS_RECORD_SIZE;
}

void dns_write_address(struct dns_writer *writer, int family, const uint8_t *address, uint32_t ttl)
{
	size_t size = family == AF_INET ? 4 : 16;
	uint8_t *at = add_record(writer, family == AF_INET ? DNS_A : DNS_AAAA, ttl, size);

	if (at != NULL)
		memcpy(at, address, size);
}

int dns_write_pointer(struct dns_writer *writer, const char *name, uint32_t ttl)
{
	uint8_t wire[DNS_NAME_WIRE_MAX], *at;
	int size = dns_name_write(wire, name);

	if (size < 0)
		return size;
	at = add_record(writer, DNS_PTR, ttl, (size_t)size);
	if (at != NULL)
		memcpy(at, wire, (size_t)size);
	return 0;
}

size_t dns_write_end(struct dns_writer *writer)
{
	dns_put16(writer->data + DNS_FLAGS_AT, writer->flags);
	dns_put16(writer->data + DNS_COUNTS_AT + 2 * DNS_COUNT_OF(DNS_ANSWER), writer->answers);
	if (writer->query->edns)
		writer->size += put_opt(writer->data + writer->size, writer->query, DNS_UDP_OURS,
					writer->code);
	return writer->size;
}

size_t dns_write_cut(uint8_t *data, size_t answers_end, const struct dns_query *query)
{
	unsigned int code = dns_get16(data + DNS_FLAGS_AT) & DNS_FLAG_CODE;

	/* Names lead backwards only, so that nothing that stays needs what goes; and what goes is
	 * longer than DNS_OPT_SIZE. */
	dns_put16(data + DNS_COUNTS_AT + 2 * DNS_COUNT_OF(DNS_AUTHORITY), 0);
	dns_put16(data + DNS_COUNTS_AT + 2 * DNS_COUNT_OF(DNS_ADDITIONAL), query->edns);
	if (query->edns)
		answers_end += put_opt(data + answers_end, query, DNS_UDP_OURS, code);
	return answers_end;
}
