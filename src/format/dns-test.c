#include "format/dns.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/unit.h"

#define BYTES(text) (const uint8_t *)text, sizeof(text) - 1

/* Id 0x1234, RD; counts; the question "Web.example" A IN. */
#define HEAD(qd, an, ns, ar) "\x12\x34\1\0\0" qd "\0" an "\0" ns "\0" ar
#define QUESTION "\3Web\7example\0\0\1\0\1"
#define OPT_4096_DO "\0\0\x29\x10\0\0\0\x80\0\0\0"
#define REPLY(flags, an, ns, ar) "\x12\x34" flags "\0\1\0" an "\0" ns "\0" ar QUESTION
#define A_RECORD(name, ttl, address) name "\0\1\0\1" ttl "\0\4" address
#define TTL "\0\0\1\x2c" /* 300 */

static int read_query(struct dns_query *query, const uint8_t *data, size_t size)
{
	memset(query, 0x55, sizeof(*query));
	return dns_read_query(query, data, size);
}

START_TEST(a_query_is_read)
{
	struct dns_query query;
	char name[DNS_NAME_ROOM];

	ck_assert_int_eq(read_query(&query, BYTES(HEAD("\1", "\0", "\0", "\0") QUESTION)), 0);
	ck_assert_uint_eq(query.id, 0x1234);
	ck_assert_uint_eq(query.flags, 0x0100);
	ck_assert_uint_eq(query.type, DNS_A);
	ck_assert_uint_eq(query.class, DNS_IN);
	ck_assert_uint_eq(query.udp_size, 512);
	ck_assert(!query.edns && !query.dnssec_ok);
	ck_assert_uint_eq(query.question_size, sizeof(QUESTION) - 1);
	ck_assert_mem_eq(query.question, QUESTION, sizeof(QUESTION) - 1);
	dns_query_name(name, &query);
	ck_assert_str_eq(name, "web.example");
	dns_query_name_spelled(name, &query);
	ck_assert_str_eq(name, "Web.example");
}
END_TEST

START_TEST(a_query_with_edns_is_read)
{
	struct dns_query query;

	ck_assert_int_eq(
		read_query(&query, BYTES(HEAD("\1", "\0", "\0", "\1") QUESTION OPT_4096_DO)), 0);
	ck_assert(query.edns && query.dnssec_ok);
	ck_assert_uint_eq(query.udp_size, 4096);
	/* Smaller than what everybody takes is no size; options are passed over. */
	ck_assert_int_eq(read_query(&query, BYTES(HEAD("\1", "\0", "\0", "\1") QUESTION
						  "\0\0\x29\0\1\0\0\0\0\0\6\0\x0a\0\2ab")),
			 0);
	ck_assert_uint_eq(query.udp_size, 512);
	ck_assert(!query.dnssec_ok);
	ck_assert_int_eq(read_query(&query, BYTES(HEAD("\1", "\0", "\0", "\1") QUESTION
						  "\0\0\x29\x10\0\0\1\0\0\0\0")),
			 DNS_BADVERS);
	ck_assert(query.edns && query.question_size > 0);
}
END_TEST

START_TEST(other_queries_are_answered_with_a_code)
{
	static const struct {
		const char *data;
		size_t size;
		int code;
	} cases[] = {
#define CASE(code, text) { text, sizeof(text) - 1, code }
		CASE(DNS_FORMERR, HEAD("\0", "\0", "\0", "\0")),
		CASE(DNS_FORMERR, HEAD("\1", "\0", "\0", "\0")),
		CASE(DNS_FORMERR, HEAD("\2", "\0", "\0", "\0") QUESTION QUESTION),
		CASE(DNS_FORMERR, HEAD("\1", "\0", "\0", "\0") QUESTION "x"),
		CASE(DNS_FORMERR, HEAD("\1", "\0", "\0", "\0") "\3web\0\0\1\0"),
		CASE(DNS_FORMERR, HEAD("\1", "\0", "\0", "\0") "\3web\xc0\0\0\1\0\1"),
		CASE(DNS_FORMERR, HEAD("\1", "\0", "\0", "\1") QUESTION),
		CASE(DNS_FORMERR, HEAD("\1", "\0", "\0", "\x11") QUESTION),
		CASE(DNS_FORMERR, HEAD("\1", "\0", "\0", "\2") QUESTION OPT_4096_DO OPT_4096_DO),
		CASE(DNS_FORMERR,
		     HEAD("\1", "\0", "\0", "\1") QUESTION "\1a\0\0\x29\x10\0\0\0\0\0\0\0"),
		CASE(DNS_FORMERR,
		     HEAD("\1", "\0", "\0", "\1") QUESTION "\0\0\x29\x10\0\0\0\0\0\0\1"),
		CASE(DNS_NOTIMP, "\x12\x34\x28\0\0\1\0\0\0\0\0\0" QUESTION), /* UPDATE */
		CASE(-EBADMSG, ""),
		CASE(-EBADMSG, "\x12\x34\1\0\0\1\0\0\0\0\0"),
		CASE(-EBADMSG, "\x12\x34\x81\0\0\1\0\0\0\0\0\0" QUESTION),
#undef CASE
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dns_query query;

		ck_assert_msg(read_query(&query, (const uint8_t *)cases[i].data, cases[i].size) ==
				      cases[i].code,
			      "%zu", i);
		if (cases[i].code > 0)
			ck_assert_uint_eq(query.id, 0x1234);
	}
}
END_TEST

START_TEST(records_beside_the_question_are_passed_over)
{
	struct dns_query query;

	/* An IXFR tells in the second section what is known. */
	ck_assert_int_eq(read_query(&query, BYTES(HEAD("\1", "\0", "\1",
						       "\0") "\3web\0\0\xfb\0\1"
							     "\xc0\x0c\0\6\0\1\0\0\0\0\0\3abc")),
			 0);
	ck_assert_uint_eq(query.type, DNS_IXFR);
}
END_TEST

START_TEST(queries_are_compared_as_names_are)
{
	struct dns_query a, b;

	read_query(&a, BYTES(HEAD("\1", "\0", "\0", "\0") QUESTION));
	read_query(&b, BYTES("\x55\x55\1\0\0\1\0\0\0\0\0\0\3wEB\7example\0\0\1\0\1"));
	ck_assert(dns_query_equal(&a, &b) && dns_query_same_question(&a, &b));
	read_query(&b, BYTES("\x55\x55\1\x10\0\1\0\0\0\0\0\0\3wEB\7example\0\0\1\0\1"));
	ck_assert(!dns_query_equal(&a, &b) && dns_query_same_question(&a, &b));
	read_query(&b, BYTES("\x55\x55\1\0\0\1\0\0\0\0\0\0\3wEB\7example\0\0\x1c\0\1"));
	ck_assert(!dns_query_same_question(&a, &b));
	/* 'A' and 'a' differ by a bit that the type has too. */
	read_query(&a, BYTES("\x55\x55\1\0\0\1\0\0\0\0\0\0\3web\0\0A\0\1"));
	read_query(&b, BYTES("\x55\x55\1\0\0\1\0\0\0\0\0\0\3web\0\0a\0\1"));
	ck_assert(!dns_query_same_question(&a, &b));
}
END_TEST

static int check(const struct dns_query *query, const uint8_t *data, size_t size)
{
	return dns_check_reply(data, size, query, 0x1234);
}

START_TEST(a_reply_has_id_and_question)
{
	struct dns_query query;

	read_query(&query, BYTES("\7\7\1\0\0\1\0\0\0\0\0\0\3web\7EXAMPLE\0\0\1\0\1"));
	ck_assert_int_eq(check(&query, BYTES(REPLY("\x81\x80", "\0", "\0", "\0"))), 0);
	ck_assert_int_eq(dns_check_reply(BYTES(REPLY("\x81\x80", "\0", "\0", "\0")), &query,
					 0x1235),
			 -EBADMSG);
	/* A query, another operation, too short, no question, another name, type, class. */
	ck_assert_int_eq(check(&query, BYTES(REPLY("\1\x80", "\0", "\0", "\0"))), -EBADMSG);
	ck_assert_int_eq(check(&query, BYTES(REPLY("\x91\x80", "\0", "\0", "\0"))), -EBADMSG);
	ck_assert_int_eq(check(&query, BYTES("\x12\x34\x81\x80\0\1\0\0\0\0\0")), -EBADMSG);
	ck_assert_int_eq(check(&query, BYTES("\x12\x34\x81\x80\0\1\0\0\0\0\0\0\3web")), -EBADMSG);
	ck_assert_int_eq(check(&query, BYTES("\x12\x34\x81\x80\0\0\0\0\0\0\0\0")), -EBADMSG);
	ck_assert_int_eq(check(&query,
			       BYTES("\x12\x34\x81\x80\0\1\0\0\0\0\0\0\3wet\7example\0\0\1\0\1")),
			 -EBADMSG);
	ck_assert_int_eq(check(&query,
			       BYTES("\x12\x34\x81\x80\0\1\0\0\0\0\0\0\3web\7example\0\0\2\0\1")),
			 -EBADMSG);
	ck_assert_int_eq(check(&query,
			       BYTES("\x12\x34\x81\x80\0\1\0\0\0\0\0\0\3web\7example\0\0\1\0\3")),
			 -EBADMSG);
}
END_TEST

START_TEST(a_server_that_understood_nothing_repeats_nothing)
{
	struct dns_query query;

	read_query(&query, BYTES(HEAD("\1", "\0", "\0", "\0") QUESTION));
	ck_assert_int_eq(check(&query, BYTES("\x12\x34\x81\x81\0\0\0\0\0\0\0\0")), 0);
	ck_assert_int_eq(check(&query, BYTES("\x12\x34\x81\x85\0\0\0\0\0\0\0\0")), 0);
	ck_assert(dns_reply_lacks_question((const uint8_t *)"\x12\x34\x81\x85\0\0\0\0\0\0\0\0"));
	ck_assert_int_eq(check(&query, BYTES("\x12\x34\x81\x83\0\0\0\0\0\0\0\0")), -EBADMSG);
	ck_assert_int_eq(check(&query, BYTES("\x12\x34\x81\x81\0\0\0\1\0\0\0\0")), -EBADMSG);
}
END_TEST

START_TEST(a_reply_is_adopted)
{
	uint8_t data[] = REPLY("\x83\x83", "\0", "\0", "\0");
	struct dns_query query;

	read_query(&query, BYTES("\7\x08\1\0\0\1\0\0\0\0\0\0\3WeB\7eXaMpLe\0\0\1\0\1"));
	ck_assert_int_eq(dns_reply_code(data), DNS_NXDOMAIN);
	ck_assert(dns_reply_truncated(data));
	dns_adopt_reply(data, sizeof(data) - 1, &query);
	ck_assert_mem_eq(data, "\7\x08\x83\x83\0\1\0\0\0\0\0\0\3WeB\7eXaMpLe\0\0\1\0\1",
			 sizeof(data) - 1);
}
END_TEST

START_TEST(records_are_read)
{
	static const char data[] = REPLY("\x81\x80", "\3", "\1",
					 "\2") "\xc0\x0c\0\5\0\1" TTL
					       "\0\6\3CDN\xc0\x10" /* CNAME cdn.example */
					       "\xc0\x0c\0\x2e\0\1" TTL
					       "\0\2ab" /* RRSIG: passed over */
		A_RECORD("\xc0\x29", "\x80\0\0\1", "\1\2\3\4") "\0\0\2\0\1" TTL "\0\1\0" /* NS */
		A_RECORD("\3ABC\0", TTL, "\5\6\7\x08") "\0\0\x1c\0\1" TTL "\0\x10"
						       "0123456789abcdef";
	struct dns_record record;
	struct dns_reader reader;

	ck_assert_int_eq(dns_reader_init(&reader, BYTES(data)), 0);
	ck_assert_int_eq(dns_reader_next(&reader, &record), 1);
	ck_assert_uint_eq(record.section, DNS_ANSWER);
	ck_assert_uint_eq(record.type, DNS_CNAME);
	ck_assert_uint_eq(record.ttl, 300);
	ck_assert_str_eq(record.name, "web.example");
	ck_assert_str_eq(record.target, "cdn.example");
	ck_assert_int_eq(dns_reader_next(&reader, &record), 1);
	ck_assert_str_eq(record.name, "cdn.example");
	ck_assert_uint_eq(record.type, DNS_A);
	ck_assert_uint_eq(record.ttl, 0); /* too long to be one */
	ck_assert_mem_eq(record.address, "\1\2\3\4", 4);
	ck_assert_int_eq(dns_reader_next(&reader, &record), 1);
	ck_assert_uint_eq(record.section, DNS_ADDITIONAL);
	ck_assert_str_eq(record.name, "abc");
	ck_assert_int_eq(dns_reader_next(&reader, &record), 1);
	ck_assert_uint_eq(record.type, DNS_AAAA);
	ck_assert_str_eq(record.name, ".");
	ck_assert_mem_eq(record.address, "0123456789abcdef", 16);
	ck_assert_int_eq(dns_reader_next(&reader, &record), 0);
	ck_assert_int_eq(dns_reader_next(&reader, &record), 0);
	ck_assert_uint_eq(reader.answers_end, sizeof(REPLY("", "", "", "")) - 1 + 5 + 18 + 14 + 16);
}
END_TEST

START_TEST(records_that_are_none)
{
	static const struct {
		const char *data;
		size_t size;
	} cases[] = {
#define CASE(text)                                  \
	{ REPLY("\x81\x80", "\1", "\0", "\0") text, \
	  sizeof(REPLY("\x81\x80", "\1", "\0", "\0") text) - 1 }
		CASE(""),
		CASE("\xc0"),
		CASE("\xc0\x0c\0\1\0\1" TTL "\0"),
		CASE("\xc0\x0c\0\1\0\1" TTL "\0\4abc"),
		CASE("\xc0\x0c\0\1\0\1" TTL "\0\3abc"),
		CASE("\xc0\x0c\0\1\0\1" TTL "\0\5abcde"),
		CASE("\xc0\x0c\0\x1c\0\1" TTL "\0\4abcd"),
		CASE("\xc0\x0c\0\5\0\1" TTL "\0\3\xc0\x0cz"), /* less name than data */
		CASE("\xc0\x0c\0\5\0\1" TTL "\0\2\1a"),	      /* more */
		CASE("\xc0\x0c\0\2\0\1" TTL "\xff\xff"),
		CASE("\xc0\xff\0\1\0\1" TTL "\0\4abcd"),
#undef CASE
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dns_record record;
		struct dns_reader reader;

		ck_assert_int_eq(
			dns_reader_init(&reader, (const uint8_t *)cases[i].data, cases[i].size), 0);
		ck_assert_msg(dns_reader_next(&reader, &record) == -EBADMSG, "%zu", i);
	}
}
END_TEST

START_TEST(messages_have_an_end)
{
	static uint8_t data[DNS_HEADER_SIZE + (DNS_RECORDS_MAX + 1) * 11];
	struct dns_record record;
	struct dns_reader reader;

	/* Empty records of the root, one more than are looked at. */
	data[6] = (DNS_RECORDS_MAX + 1) >> 8;
	data[7] = (DNS_RECORDS_MAX + 1) & 0xff;
	ck_assert_int_eq(dns_reader_init(&reader, data, sizeof(data)), 0);
	ck_assert_int_eq(dns_reader_next(&reader, &record), -E2BIG);
	data[6] = DNS_RECORDS_MAX >> 8;
	data[7] = DNS_RECORDS_MAX & 0xff;
	ck_assert_int_eq(dns_reader_init(&reader, data, sizeof(data)), 0);
	ck_assert_int_eq(dns_reader_next(&reader, &record), 0);
	data[5] = 2;
	ck_assert_int_eq(dns_reader_init(&reader, data, sizeof(data)), -EBADMSG);
	ck_assert_int_eq(dns_reader_init(&reader, data, 11), -EBADMSG);
	data[5] = 1;
	ck_assert_int_eq(dns_reader_init(&reader, data, 16), -EBADMSG);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/dns", a_query_is_read, a_query_with_edns_is_read,
			other_queries_are_answered_with_a_code,
			records_beside_the_question_are_passed_over,
			queries_are_compared_as_names_are, a_reply_has_id_and_question,
			a_server_that_understood_nothing_repeats_nothing, a_reply_is_adopted,
			records_are_read, records_that_are_none, messages_have_an_end);
}
