#include "format/dns.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "format/dns-name.h"
#include "format/dns-wire.h"

#define QUERY_RECORDS_MAX 16 /* of a query: one for EDNS, one for a signature, a few for luck */

static int read_question(struct dns_query *query, size_t *at, const uint8_t *data, size_t size)
{
	uint8_t wire[DNS_NAME_WIRE_MAX];
	size_t taken;
	int length;

	if (dns_count(data, DNS_COUNT_QUESTIONS) != 1)
		return DNS_FORMERR;
	length = dns_name_read(wire, &taken, data, size, DNS_HEADER_SIZE);
	/* There is nothing in front that a pointer could sensibly lead to. */
	if (length < 0 || (size_t)length != taken || size - DNS_HEADER_SIZE - taken < 4)
		return DNS_FORMERR;
	*at = DNS_HEADER_SIZE + taken + 4;
	query->question_size = (uint16_t)(taken + 4);
	memcpy(query->question, data + DNS_HEADER_SIZE, query->question_size);
	query->type = dns_get16(data + *at - 4);
	query->class = dns_get16(data + *at - 2);
	return 0;
}

static int read_opt(struct dns_query *query, const uint8_t *record, size_t name_size)
{
	if (query->edns || name_size != 1)
		return DNS_FORMERR;
	query->edns = true;
	query->udp_size = MAX(dns_get16(record + 2), DNS_UDP_MIN);
	query->dnssec_ok = dns_get32(record + 4) & DNS_DNSSEC_OK;
	return record[5] > 0 ? DNS_BADVERS : 0;
}

static int read_sections(struct dns_query *query, const uint8_t *data, size_t size)
{
	unsigned int others = dns_count(data, DNS_COUNT_OF(DNS_ANSWER)) +
			      dns_count(data, DNS_COUNT_OF(DNS_AUTHORITY));
	unsigned int all = others + dns_count(data, DNS_COUNT_OF(DNS_ADDITIONAL));
	uint8_t wire[DNS_NAME_WIRE_MAX];
	int r, code = 0;
	size_t at;

	r = read_question(query, &at, data, size);
	if (r != 0)
		return r;
	if (all > QUERY_RECORDS_MAX)
		return DNS_FORMERR;
	for (unsigned int i = 0; i < all; i++) {
		const uint8_t *record;
		size_t taken;

		if (dns_name_read(wire, &taken, data, size, at) < 0 ||
		    size - at - taken < DNS_RECORD_SIZE)
			return DNS_FORMERR;
		record = data + at + taken;
		at += taken + DNS_RECORD_SIZE;
		if (dns_get16(record + 8) > size - at)
			return DNS_FORMERR;
		at += dns_get16(record + 8);
		if (i >= others && dns_get16(record) == DNS_OPT)
			code = read_opt(query, record, taken);
		if (code == DNS_FORMERR)
			return code;
	}
	return at == size ? code : DNS_FORMERR;
}

int dns_read_query(struct dns_query *ret, const uint8_t *data, size_t size)
{
	struct dns_query query = { .udp_size = DNS_UDP_MIN };
	int code;

	if (size < DNS_HEADER_SIZE || size > DNS_MESSAGE_MAX)
		return -EBADMSG;
	query.id = dns_get16(data);
	query.flags = dns_get16(data + DNS_FLAGS_AT);
	/* Two who answer each other's replies would never end. */
	if (query.flags & DNS_FLAG_REPLY)
		return -EBADMSG;
	code = query.flags & DNS_FLAG_OPCODE ? DNS_NOTIMP : read_sections(&query, data, size);
	*ret = query;
	return code;
}

void dns_query_name(char ret[DNS_NAME_ROOM], const struct dns_query *query)
{
	assert(query->question_size > 0);
	dns_name_text(ret, query->question, false);
}

void dns_query_name_spelled(char ret[DNS_NAME_ROOM], const struct dns_query *query)
{
	assert(query->question_size > 0);
	dns_name_text(ret, query->question, true);
}

/* Sizes of labels are no letters. */
static bool same_question(const uint8_t *a, const uint8_t *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i] && (i >= size - 4 || dns_name_lower(a[i]) != dns_name_lower(b[i])))
			return false;
	return true;
}

bool dns_query_same_question(const struct dns_query *a, const struct dns_query *b)
{
	return a->question_size == b->question_size &&
	       same_question(a->question, b->question, a->question_size);
}

bool dns_query_equal(const struct dns_query *a, const struct dns_query *b)
{
	return dns_query_same_question(a, b) && ((a->flags ^ b->flags) & DNS_FLAGS_ASKED) == 0 &&
	       a->edns == b->edns && a->dnssec_ok == b->dnssec_ok;
}

static bool may_lack_question(int code)
{
	return code == DNS_FORMERR || code == DNS_SERVFAIL || code == DNS_NOTIMP ||
	       code == DNS_REFUSED;
}

int dns_check_reply(const uint8_t *data, size_t size, const struct dns_query *query, uint16_t id)
{
	unsigned int flags;

	if (size < DNS_HEADER_SIZE || dns_get16(data) != id)
		return -EBADMSG;
	flags = dns_get16(data + DNS_FLAGS_AT);
	if (!(flags & DNS_FLAG_REPLY) || (flags & DNS_FLAG_OPCODE))
		return -EBADMSG;
	if (dns_reply_lacks_question(data) && may_lack_question(dns_reply_code(data)))
		return dns_count(data, DNS_COUNT_OF(DNS_ANSWER)) == 0 ? 0 : -EBADMSG;
	if (dns_count(data, DNS_COUNT_QUESTIONS) != 1 ||
	    size - DNS_HEADER_SIZE < query->question_size)
		return -EBADMSG;
	return same_question(data + DNS_HEADER_SIZE, query->question, query->question_size)
		       ? 0
		       : -EBADMSG;
}

int dns_reply_code(const uint8_t *data)
{
	return dns_get16(data + DNS_FLAGS_AT) & DNS_FLAG_CODE;
}

bool dns_reply_truncated(const uint8_t *data)
{
	return dns_get16(data + DNS_FLAGS_AT) & DNS_FLAG_TRUNCATED;
}

bool dns_reply_lacks_question(const uint8_t *data)
{
	return dns_count(data, DNS_COUNT_QUESTIONS) == 0;
}

void dns_adopt_reply(uint8_t *data, size_t size, const struct dns_query *query)
{
	dns_put16(data, query->id);
	if (dns_reply_lacks_question(data))
		return;
	assert(size >= (size_t)DNS_HEADER_SIZE + query->question_size);
	memcpy(data + DNS_HEADER_SIZE, query->question, query->question_size);
}

int dns_reader_init(struct dns_reader *ret, const uint8_t *data, size_t size)
{
	struct dns_reader reader = { .data = data, .size = size, .at = DNS_HEADER_SIZE };
	uint8_t wire[DNS_NAME_WIRE_MAX];

	if (size < DNS_HEADER_SIZE || dns_count(data, DNS_COUNT_QUESTIONS) > 1)
		return -EBADMSG;
	if (dns_count(data, DNS_COUNT_QUESTIONS) == 1) {
		size_t taken;

		if (dns_name_read(wire, &taken, data, size, reader.at) < 0 ||
		    size - reader.at - taken < 4)
			return -EBADMSG;
		reader.at += taken + 4;
	}
	for (unsigned int i = 0; i < DNS_SECTIONS; i++)
		reader.left[i] = (uint16_t)dns_count(data, 1 + i);
	*ret = reader;
	return 0;
}

static int read_data(struct dns_record *record, const struct dns_reader *reader, size_t at,
		     size_t size)
{
	uint8_t wire[DNS_NAME_WIRE_MAX];
	size_t taken;

	if (record->type == DNS_CNAME) {
		if (dns_name_read(wire, &taken, reader->data, reader->size, at) < 0 ||
		    taken != size)
			return -EBADMSG;
		dns_name_text(record->target, wire, false);
		return 1;
	}
	if (record->type != DNS_A && record->type != DNS_AAAA)
		return 0;
	if (size != (record->type == DNS_A ? 4 : 16))
		return -EBADMSG;
	memcpy(record->address, reader->data + at, size);
	return 1;
}

/* 1: *ret is one, 0: it is of another type. */
static int read_record(struct dns_reader *reader, struct dns_record *ret)
{
	uint8_t wire[DNS_NAME_WIRE_MAX];
	size_t taken, size, at;
	const uint8_t *head;

	if (dns_name_read(wire, &taken, reader->data, reader->size, reader->at) < 0 ||
	    reader->size - reader->at - taken < DNS_RECORD_SIZE)
		return -EBADMSG;
	head = reader->data + reader->at + taken;
	at = reader->at + taken + DNS_RECORD_SIZE;
	size = dns_get16(head + 8);
	if (size > reader->size - at)
		return -EBADMSG;
	reader->at = at + size;
	if (dns_get16(head + 2) != DNS_IN)
		return 0;
	ret->type = dns_get16(head);
	/* RFC 2181, 8: a number that would be negative is none. */
	ret->ttl = dns_get32(head + 4) > INT32_MAX ? 0 : dns_get32(head + 4);
	dns_name_text(ret->name, wire, false);
	return read_data(ret, reader, at, size);
}

int dns_reader_next(struct dns_reader *reader, struct dns_record *ret)
{
	for (unsigned int section = 0; section < DNS_SECTIONS; section++) {
		while (reader->left[section] > 0) {
			int r;

			if (reader->seen++ == DNS_RECORDS_MAX)
				return -E2BIG;
			reader->left[section]--;
			r = read_record(reader, ret);
			ret->section = section;
			if (r != 0)
				return r;
		}
		if (section == DNS_ANSWER && reader->answers_end == 0)
			reader->answers_end = reader->at;
	}
	return 0;
}
