/* DNS messages: as a guest's query, as a server's reply to it, and what is written back. */
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "base/macros.h"
#include "format/dns-write.h"
#include "format/dns.h"
#include "fuzz.h"

static void check_name(const char *name)
{
	uint8_t wire[DNS_NAME_WIRE_MAX], again[DNS_NAME_WIRE_MAX];
	char text[DNS_NAME_ROOM];
	size_t taken;
	int length;

	assert(strlen(name) < DNS_NAME_ROOM);
	for (const char *c = name; *c != '\0'; c++)
		assert(*c > ' ' && *c < 0x7f && !(*c >= 'A' && *c <= 'Z'));
	/* There and back. */
	length = dns_name_write(wire, name);
	assert(length > 0);
	assert(dns_name_read(again, &taken, wire, (size_t)length, 0) == length);
	assert(taken == (size_t)length);
	dns_name_text(text, again, false);
	assert(strcmp(text, name) == 0);
}

static void check_written(const uint8_t *data, size_t size, const struct dns_query *query)
{
	struct dns_record record;
	struct dns_reader reader;
	int r;

	if (query->question_size > 0)
		assert(dns_check_reply(data, size, query, query->id) == 0);
	assert(dns_reader_init(&reader, data, size) == 0);
	while ((r = dns_reader_next(&reader, &record)) > 0)
		check_name(record.name);
	assert(r == 0);
}

static void write_answer(const struct dns_query *query, int code)
{
	static const uint8_t address[16] = { 10, 1, 2, 3 };
	uint8_t data[DNS_UDP_MIN];
	struct dns_writer writer;
	size_t size;

	dns_write_begin(&writer, data, sizeof(data), query, code);
	for (int i = 0; i < 20 && query->question_size > 0; i++)
		dns_write_address(&writer, i % 2 ? AF_INET6 : AF_INET, address, 5);
	size = dns_write_end(&writer);
	assert(size <= sizeof(data));
	/* Only queries are repeated in the replies' flags. */
	if (code != DNS_NOTIMP)
		check_written(data, size, query);
}

static void try_query(const uint8_t *data, size_t size)
{
	struct dns_query query, again;
	uint8_t ours[DNS_QUERY_MAX];
	char name[DNS_NAME_ROOM];
	int code;

	code = dns_read_query(&query, data, size);
	if (code < 0)
		return;
	assert(code <= DNS_BADVERS && query.udp_size >= DNS_UDP_MIN);
	write_answer(&query, code);
	if (code > 0)
		return;
	dns_query_name(name, &query);
	check_name(name);
	size = dns_write_query(ours, &query, 0x1234, DNS_UDP_OURS);
	assert(dns_read_query(&again, ours, size) == 0);
	assert(again.id == 0x1234 && dns_query_equal(&query, &again));
}

static void try_reply(const uint8_t *data, size_t size)
{
	uint8_t copy[4096];
	struct dns_query query = { .udp_size = DNS_UDP_MIN, .edns = size % 2 };
	struct dns_record record;
	struct dns_reader reader;
	unsigned int count = 0;
	bool others = false;
	int r;

	if (dns_reader_init(&reader, data, size) < 0)
		return;
	while ((r = dns_reader_next(&reader, &record)) > 0) {
		check_name(record.name);
		if (record.type == DNS_CNAME)
			check_name(record.target);
		others = others || (record.section != DNS_ANSWER && record.type != DNS_CNAME);
		assert(++count <= DNS_RECORDS_MAX);
	}
	if (r < 0 || !others || size > sizeof(copy))
		return;
	memcpy(copy, data, size);
	assert(dns_write_cut(copy, reader.answers_end, &query) <= size);
	assert(dns_reader_init(&reader, copy, size) == 0);
	while ((r = dns_reader_next(&reader, &record)) > 0)
		assert(record.section == DNS_ANSWER);
	assert(r == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t question[] = "\3www\7example\0\0\1\0";
	struct dns_query query = { .question_size = sizeof(question) };
	uint8_t address[16], copy[512];
	int family;

	try_query(data, size);
	try_reply(data, size);
	memcpy(query.question, question, sizeof(question));
	query.question[sizeof(question) - 1] = 1;
	if (size >= 2 && size <= sizeof(copy)) {
		memcpy(copy, data, size);
		if (dns_check_reply(copy, size, &query, (uint16_t)(data[0] << 8 | data[1])) == 0)
			dns_adopt_reply(copy, size, &query);
	}
	if (size > 0 && size < sizeof(copy)) {
		memcpy(copy, data, size);
		copy[size] = '\0';
		if (dns_name_address(&family, address, (const char *)copy) == 0)
			assert(family == AF_INET || family == AF_INET6);
	}
	return 0;
}
