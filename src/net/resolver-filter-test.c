#include "net/resolver-filter.h"

#include "net/resolver-fixture.h"

static int learned_count, learned_result;
static char learned_name[DNS_NAME_ROOM];

/* Loopback and 169.254 are refused. */
static int learned(void *context, const char *name, struct resolver_address *addresses,
		   size_t count)
{
	(void)context;
	learned_count += (int)count;
	snprintf(learned_name, sizeof(learned_name), "%s", name);
	for (size_t i = 0; i < count; i++)
		addresses[i].refused = addresses[i].family == AF_INET &&
				       (addresses[i].bytes[0] == 127 ||
					addresses[i].bytes[0] == 169);
	return learned_result;
}

static const struct resolver_config config = { .learned = learned };
static struct message reply;
static struct dns_query query;
static struct resolver_verdict verdict;

static void begin(const char *name, uint16_t type, int code)
{
	static struct message asked;

	learned_count = 0;
	message_ask(&asked, 1, name, type, 0);
	ck_assert_int_eq(dns_read_query(&query, asked.data, asked.size), 0);
	message_reply(&reply, &asked, code);
}

static const char *judge(void)
{
	static const char *const kinds[] = { "pass", "cut", "rewrite", "truncate", "refuse" };

	resolver_filter_reply(&verdict, &config, &query, reply.data, reply.size);
	return kinds[verdict.kind];
}

START_TEST(nobody_who_cares_sees_everything)
{
	begin("www.example", DNS_A, 0);
	message_address(&reply, NULL, "127.0.0.1");
	resolver_filter_reply(&verdict, &(struct resolver_config){ .learned = NULL }, &query,
			      reply.data, reply.size);
	ck_assert_int_eq(verdict.kind, RESOLVER_PASS);
}
END_TEST

START_TEST(addresses_are_learned)
{
	begin("WWW.example", DNS_A, 0);
	message_address(&reply, NULL, "192.0.2.1");
	message_address(&reply, "www.EXAMPLE", "192.0.2.2");
	ck_assert_str_eq(judge(), "pass");
	ck_assert_int_eq(learned_count, 2);
	ck_assert_str_eq(learned_name, "www.example");
	ck_assert_int_eq(verdict.addresses[0].family, AF_INET);
	ck_assert_mem_eq(verdict.addresses[1].bytes, "\xc0\0\2\2", 4);
	ck_assert_uint_eq(verdict.addresses[1].ttl, 300);
	begin("www.example", DNS_AAAA, 0);
	message_address(&reply, NULL, "2001:db8::1");
	ck_assert_str_eq(judge(), "pass");
	ck_assert_int_eq(verdict.addresses[0].family, AF_INET6);
}
END_TEST

START_TEST(answers_without_addresses_pass)
{
	begin("www.example", DNS_A, DNS_NXDOMAIN);
	message_record(&reply, DNS_AUTHORITY, NULL, 6, 300, "soa", 3);
	ck_assert_str_eq(judge(), "pass");
	begin("www.example", 16, 0);
	message_record(&reply, DNS_ANSWER, NULL, 16, 300, "\3txt", 4);
	ck_assert_str_eq(judge(), "pass");
	ck_assert_int_eq(learned_count, 0);
}
END_TEST

START_TEST(aliases_are_followed_in_any_order)
{
	begin("www.example", DNS_A, 0);
	message_address(&reply, "c.example", "192.0.2.1");
	message_alias(&reply, "b.example", "c.example");
	message_alias(&reply, NULL, "B.example");
	ck_assert_str_eq(judge(), "pass");
	ck_assert_int_eq(learned_count, 1);
	ck_assert_str_eq(learned_name, "www.example");
}
END_TEST

START_TEST(refused_addresses_are_taken_out)
{
	begin("www.example", DNS_A, 0);
	message_alias(&reply, NULL, "c.example");
	message_address(&reply, "c.example", "127.0.0.1");
	message_address(&reply, "c.example", "192.0.2.1");
	message_address(&reply, "c.example", "169.254.169.254");
	ck_assert_str_eq(judge(), "rewrite");
	ck_assert_uint_eq(verdict.count, 1);
	ck_assert_mem_eq(verdict.addresses[0].bytes, "\xc0\0\2\1", 4);
	begin("www.example", DNS_A, 0);
	message_address(&reply, NULL, "127.0.0.1");
	ck_assert_str_eq(judge(), "refuse");
	begin("www.example", DNS_A, 0);
	message_address(&reply, NULL, "192.0.2.1");
	learned_result = -ENOSPC;
	ck_assert_str_eq(judge(), "refuse");
}
END_TEST

START_TEST(addresses_of_other_names_are_not_learned)
{
	begin("www.example", DNS_A, 0);
	message_address(&reply, "other.example", "192.0.2.9");
	ck_assert_str_eq(judge(), "refuse");
	ck_assert_int_eq(learned_count, 0);
	message_address(&reply, NULL, "192.0.2.1");
	message_address(&reply, NULL, "2001:db8::1");
	ck_assert_str_eq(judge(), "rewrite");
	ck_assert_int_eq(learned_count, 1);
	ck_assert_uint_eq(verdict.count, 1);
	/* The name's own, once it is an alias, neither. */
	begin("www.example", DNS_A, 0);
	message_alias(&reply, NULL, "c.example");
	message_address(&reply, NULL, "192.0.2.1");
	ck_assert_str_eq(judge(), "refuse");
	begin("www.example", 15, 0);
	message_address(&reply, NULL, "192.0.2.1");
	ck_assert_str_eq(judge(), "refuse");
	ck_assert_int_eq(learned_count, 0);
}
END_TEST

START_TEST(addresses_behind_the_answers_are_cut)
{
	begin("example", 15, 0);
	message_record(&reply, DNS_ANSWER, NULL, 15, 300, "\0\1\4mail\0", 8);
	message_record(&reply, DNS_ADDITIONAL, "mail", DNS_A, 300, "\x7f\0\0\1", 4);
	ck_assert_str_eq(judge(), "cut");
	ck_assert_uint_eq(verdict.answers_end, reply.size - 20);
	ck_assert_int_eq(learned_count, 0);
	/* Where more than that has to go, they do as well. */
	begin("www.example", DNS_A, 0);
	message_address(&reply, NULL, "192.0.2.1");
	message_address(&reply, NULL, "127.0.0.1");
	message_record(&reply, DNS_ADDITIONAL, NULL, DNS_A, 300, "\x7f\0\0\1", 4);
	ck_assert_str_eq(judge(), "rewrite");
}
END_TEST

START_TEST(half_an_answer_says_nothing)
{
	begin("www.example", DNS_A, 0);
	message_address(&reply, NULL, "192.0.2.1");
	reply.data[2] |= 2;
	ck_assert_str_eq(judge(), "truncate");
	ck_assert_int_eq(learned_count, 0);
}
END_TEST

START_TEST(hostile_answers_have_an_end)
{
	char name[32], target[32];

	/* In a circle. */
	begin("www.example", DNS_A, 0);
	message_alias(&reply, NULL, "b.example");
	message_alias(&reply, "b.example", "www.example");
	message_address(&reply, NULL, "192.0.2.1");
	ck_assert_str_eq(judge(), "refuse");
	/* Too far. */
	begin("a0.example", DNS_A, 0);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "a%d.example", i);
		snprintf(target, sizeof(target), "a%d.example", i + 1);
		message_alias(&reply, name, target);
	}
	message_address(&reply, "a20.example", "192.0.2.1");
	ck_assert_str_eq(judge(), "refuse");
	/* Too many: the rest is left out. */
	begin("www.example", DNS_A, 0);
	for (int i = 0; i < RESOLVER_ADDRESSES_MAX + 1; i++)
		message_address(&reply, NULL, "192.0.2.1");
	ck_assert_str_eq(judge(), "rewrite");
	ck_assert_uint_eq(verdict.count, RESOLVER_ADDRESSES_MAX);
	for (int i = 0; i < DNS_RECORDS_MAX; i++)
		message_address(&reply, NULL, "192.0.2.1");
	ck_assert_str_eq(judge(), "refuse");
	/* Broken behind the address. */
	begin("www.example", DNS_A, 0);
	message_address(&reply, NULL, "192.0.2.1");
	message_address(&reply, NULL, "192.0.2.2");
	reply.size--;
	ck_assert_str_eq(judge(), "refuse");
	ck_assert_int_eq(learned_count, 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("resolver-filter");

	tcase_add_test(cases, nobody_who_cares_sees_everything);
	tcase_add_test(cases, addresses_are_learned);
	tcase_add_test(cases, answers_without_addresses_pass);
	tcase_add_test(cases, aliases_are_followed_in_any_order);
	tcase_add_test(cases, refused_addresses_are_taken_out);
	tcase_add_test(cases, addresses_of_other_names_are_not_learned);
	tcase_add_test(cases, addresses_behind_the_answers_are_cut);
	tcase_add_test(cases, half_an_answer_says_nothing);
	tcase_add_test(cases, hostile_answers_have_an_end);
	return fixture_run(cases, "net/resolver-filter");
}
