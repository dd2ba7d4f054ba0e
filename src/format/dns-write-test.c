#include "format/dns-write.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/unit.h"

#define BYTES(text) (const uint8_t *)text, sizeof(text) - 1
#define QUESTION "\3Web\7example\0\0\1\0\1"
#define PLAIN "\x12\x34\1\x10\0\1\0\0\0\0\0\0" QUESTION
#define WITH_EDNS "\x12\x34\1\x20\0\1\0\0\0\0\0\1" QUESTION "\0\0\x29\x10\0\0\0\x80\0\0\0"
#define OPT_OURS "\0\0\x29\x04\xd0\0\0\x80\0\0\0"

static const uint8_t four[4] = { 10, 213, 0, 2 };
static const uint8_t six[16] = { 0xfd, 1, [15] = 2 };

static struct dns_query query_of(const uint8_t *data, size_t size)
{
	struct dns_query query;

	ck_assert_int_eq(dns_read_query(&query, data, size), 0);
	return query;
}

static void is(const uint8_t *data, size_t size, const uint8_t *expected, size_t expected_size)
{
	ck_assert_uint_eq(size, expected_size);
	ck_assert_mem_eq(data, expected, expected_size);
}

START_TEST(a_query_is_passed_on_as_ours)
{
	struct dns_query query = query_of(BYTES(PLAIN));
	uint8_t data[DNS_QUERY_MAX];

	is(data, dns_write_query(data, &query, 0xabcd, 1232),
	   BYTES("\xab\xcd\1\x10\0\1\0\0\0\0\0\0" QUESTION));
	query = query_of(BYTES(WITH_EDNS));
	is(data, dns_write_query(data, &query, 0xabcd, 600),
	   BYTES("\xab\xcd\1\x20\0\1\0\0\0\0\0\1" QUESTION "\0\0\x29\2\x58\0\0\x80\0\0\0"));
}
END_TEST

START_TEST(answers_are_written)
{
	struct dns_query query = query_of(BYTES(PLAIN));
	struct dns_writer writer;
	uint8_t data[512];

	dns_write_begin(&writer, data, sizeof(data), &query, DNS_NOERROR);
	dns_write_authoritative(&writer);
	dns_write_address(&writer, AF_INET, four, 5);
	dns_write_address(&writer, AF_INET6, six, 300);
	is(data, dns_write_end(&writer),
	   BYTES("\x12\x34\x85\x90\0\1\0\2\0\0\0\0" QUESTION
		 "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\xd5\0\2"
		 "\xc0\x0c\0\x1c\0\1\0\0\1\x2c\0\x10\xfd\1\0\0\0\0\0\0\0\0\0\0\0\0\0\2"));
}
END_TEST

START_TEST(edns_is_answered_with_edns)
{
	struct dns_query query = query_of(BYTES(WITH_EDNS));
	struct dns_writer writer;
	uint8_t data[512];

	dns_write_begin(&writer, data, sizeof(data), &query, DNS_NXDOMAIN);
	is(data, dns_write_end(&writer),
	   BYTES("\x12\x34\x81\x83\0\1\0\0\0\0\0\1" QUESTION OPT_OURS));
	dns_write_begin(&writer, data, sizeof(data), &query, DNS_BADVERS);
	is(data, dns_write_end(&writer),
	   BYTES("\x12\x34\x81\x80\0\1\0\0\0\0\0\1" QUESTION "\0\0\x29\x04\xd0\1\0\x80\0\0\0"));
}
END_TEST

START_TEST(what_could_not_be_read_is_answered_without_a_question)
{
	struct dns_query query;
	struct dns_writer writer;
	uint8_t data[512];

	ck_assert_int_eq(dns_read_query(&query, BYTES("\x12\x34\1\0\0\2\0\0\0\0\0\0")),
			 DNS_FORMERR);
	dns_write_begin(&writer, data, sizeof(data), &query, DNS_FORMERR);
	is(data, dns_write_end(&writer), BYTES("\x12\x34\x81\x81\0\0\0\0\0\0\0\0"));
}
END_TEST

START_TEST(pointers_are_written)
{
	struct dns_query query = query_of(BYTES(PLAIN));
	struct dns_writer writer;
	uint8_t data[512];

	dns_write_begin(&writer, data, sizeof(data), &query, DNS_NOERROR);
	ck_assert_int_eq(dns_write_pointer(&writer, "no name", 5), -EINVAL);
	ck_assert_int_eq(dns_write_pointer(&writer, "Web.machine", 5), 0);
	is(data, dns_write_end(&writer),
	   BYTES("\x12\x34\x81\x90\0\1\0\1\0\0\0\0" QUESTION
		 "\xc0\x0c\0\x0c\0\1\0\0\0\5\0\x0d\3Web\7machine\0"));
}
END_TEST

START_TEST(what_has_no_room_is_left_out)
{
	struct dns_query query = query_of(BYTES(WITH_EDNS));
	struct dns_writer writer;
	uint8_t data[DNS_QUERY_MAX];
	size_t size, fits = (sizeof(data) - 12 - (sizeof(QUESTION) - 1) - 11) / 28;

	dns_write_begin(&writer, data, sizeof(data), &query, DNS_NOERROR);
	for (int i = 0; i < 100; i++)
		dns_write_address(&writer, AF_INET6, six, 5);
	/* Nor is a smaller one that would fit. */
	dns_write_address(&writer, AF_INET, four, 5);
	size = dns_write_end(&writer);
	ck_assert_uint_le(size, sizeof(data));
	ck_assert(dns_reply_truncated(data));
	ck_assert_uint_eq(data[7], fits);
	ck_assert_mem_eq(data + size - 11, OPT_OURS, 11);
}
END_TEST

START_TEST(a_reply_is_cut_behind_its_answers)
{
	uint8_t data[] = "\x12\x34\x81\x80\0\1\0\1\0\0\0\2" QUESTION
			 "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\xd5\0\2"
			 "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\xd5\0\3"
			 "\0\0\x29\x10\0\0\0\x80\0\0\0";
	struct dns_query query = query_of(BYTES(WITH_EDNS));
	struct dns_record record;
	struct dns_reader reader;

	ck_assert_int_eq(dns_reader_init(&reader, data, sizeof(data) - 1), 0);
	while (dns_reader_next(&reader, &record) > 0)
		;
	is(data, dns_write_cut(data, reader.answers_end, &query),
	   BYTES("\x12\x34\x81\x80\0\1\0\1\0\0\0\1" QUESTION
		 "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\xd5\0\2" OPT_OURS));
	query.edns = false;
	ck_assert_uint_eq(dns_write_cut(data, reader.answers_end, &query), reader.answers_end);
	ck_assert_uint_eq(data[11], 0);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/dns-write", a_query_is_passed_on_as_ours, answers_are_written,
			edns_is_answered_with_edns,
			what_could_not_be_read_is_answered_without_a_question, pointers_are_written,
			what_has_no_room_is_left_out, a_reply_is_cut_behind_its_answers);
}
