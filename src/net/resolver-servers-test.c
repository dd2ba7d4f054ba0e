#include "net/resolver-servers.h"

#include <sys/stat.h>
#include <time.h>

#include "net/resolver-fixture.h"

#define SECOND 1000000

static struct resolver_servers servers;

static const char *first(void)
{
	static char text[INET6_ADDRSTRLEN];

	ck_assert_int_eq(servers.addresses[0].any.sa_family, AF_INET);
	ck_assert_uint_eq(ntohs(servers.addresses[0].four.sin_port), 53);
	return inet_ntop(AF_INET, &servers.addresses[0].four.sin_addr, text, sizeof(text));
}

START_TEST(servers_are_read_anew_when_they_change)
{
	fixture_enter(0);
	fixture_write(CONF, "nameserver 10.0.0.1\nnameserver 10.0.0.2\noptions attempts:3\n");
	resolver_servers_refresh(&servers, CONF, 5 * SECOND);
	ck_assert_str_eq(first(), "10.0.0.1");
	ck_assert_uint_eq(servers.count, 2);
	ck_assert_uint_eq(servers.attempts, 3);
	ck_assert_uint_eq(servers.timeout_us, 2 * SECOND);

	/* Not within the same second; then, even if it is as long. */
	fixture_write(CONF, "nameserver 10.0.0.3\nnameserver 10.0.0.2\noptions attempts:3\n");
	resolver_servers_refresh(&servers, CONF, 6 * SECOND - 1);
	ck_assert_str_eq(first(), "10.0.0.1");
	servers.first = 1;
	resolver_servers_refresh(&servers, CONF, 6 * SECOND);
	ck_assert_str_eq(first(), "10.0.0.3");
	ck_assert_uint_eq(servers.first, 0);

	/* Another file of the same name. */
	fixture_write(CONF ".new", "nameserver 10.0.0.4\noptions timeout:1 rotate\n");
	ck_assert_int_eq(rename(CONF ".new", CONF), 0);
	resolver_servers_refresh(&servers, CONF, 7 * SECOND);
	ck_assert_str_eq(first(), "10.0.0.4");
	ck_assert_uint_eq(servers.count, 1);
	ck_assert_uint_eq(servers.timeout_us, SECOND);
	ck_assert(servers.rotate);
}
END_TEST

START_TEST(what_did_not_change_is_not_read)
{
	fixture_enter(0);
	fixture_write(CONF, "nameserver 10.0.0.1\nnameserver 10.0.0.2\n");
	resolver_servers_refresh(&servers, CONF, 1 * SECOND);
	servers.first = 1;
	resolver_servers_refresh(&servers, CONF, 9 * SECOND);
	ck_assert_uint_eq(servers.first, 1);
}
END_TEST

START_TEST(without_a_file_the_host_itself_is_asked)
{
	fixture_enter(0);
	resolver_servers_refresh(&servers, CONF, 1 * SECOND);
	ck_assert_str_eq(first(), "127.0.0.1");
	ck_assert_uint_eq(servers.count, 1);
	fixture_write(CONF, "nameserver 10.0.0.1\n");
	resolver_servers_refresh(&servers, CONF, 2 * SECOND);
	ck_assert_str_eq(first(), "10.0.0.1");
	/* Gone for a moment: what is known stays. */
	unlink(CONF);
	resolver_servers_refresh(&servers, CONF, 3 * SECOND);
	ck_assert_str_eq(first(), "10.0.0.1");
	fixture_write(CONF, "search example\n");
	resolver_servers_refresh(&servers, CONF, 4 * SECOND);
	ck_assert_str_eq(first(), "127.0.0.1");
}
END_TEST

START_TEST(what_is_no_file_is_not_read)
{
	fixture_enter(0);
	ck_assert_int_eq(mkfifo(CONF, 0600), 0);
	resolver_servers_refresh(&servers, CONF, 1 * SECOND);
	ck_assert_str_eq(first(), "127.0.0.1");
	unlink(CONF);
	ck_assert_int_eq(mkdir(CONF, 0700), 0);
	resolver_servers_refresh(&servers, CONF, 2 * SECOND);
	ck_assert_str_eq(first(), "127.0.0.1");
}
END_TEST

START_TEST(addresses_have_scopes)
{
	fixture_enter(CLONE_NEWNET);
	fixture_write(CONF, "nameserver fe80::1%lo\nnameserver fe80::1%none\nnameserver ::1\n");
	resolver_servers_refresh(&servers, CONF, 1 * SECOND);
	ck_assert_uint_eq(servers.count, 3);
	ck_assert_int_eq(servers.addresses[0].any.sa_family, AF_INET6);
	ck_assert_uint_eq(servers.addresses[0].six.sin6_scope_id, 1);
	ck_assert_uint_eq(servers.addresses[1].six.sin6_scope_id, 0);
	ck_assert_uint_eq(ntohs(servers.addresses[2].six.sin6_port), 53);
}
END_TEST

static struct resolver_address address(int family, const char *text)
{
	struct resolver_address ret = { .family = family };

	ck_assert_int_eq(inet_pton(family, text, ret.bytes), 1);
	return ret;
}

START_TEST(servers_that_are_given_stay_whatever_the_file_has)
{
	const struct resolver_address given[] = { address(AF_INET, "169.254.82.1"),
						  address(AF_INET6, "fd00::1") };
	char text[INET6_ADDRSTRLEN];

	fixture_enter(0);
	fixture_write(CONF, "nameserver 10.0.0.1\noptions attempts:3 rotate\n");
	resolver_servers_set(&servers, given, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(first(), "169.254.82.1");
		ck_assert_uint_eq(servers.count, 2);
		ck_assert_int_eq(servers.addresses[1].any.sa_family, AF_INET6);
		ck_assert_uint_eq(ntohs(servers.addresses[1].six.sin6_port), 53);
		ck_assert_str_eq(inet_ntop(AF_INET6, &servers.addresses[1].six.sin6_addr, text,
					   sizeof(text)),
				 "fd00::1");
		ck_assert_uint_eq(servers.timeout_us, 2 * SECOND);
		ck_assert_uint_eq(servers.attempts, 2);
		ck_assert(!servers.rotate);
		resolver_servers_refresh(&servers, CONF, 5 * SECOND);
	}
}
END_TEST

START_TEST(none_given_are_those_of_the_file)
{
	fixture_enter(0);
	fixture_write(CONF, "nameserver 10.0.0.1\n");
	resolver_servers_set(&servers, NULL, 0);
	resolver_servers_refresh(&servers, CONF, 1 * SECOND);
	ck_assert_str_eq(first(), "10.0.0.1");
}
END_TEST

START_TEST(of_many_that_are_given_the_first_are_asked)
{
	struct resolver_address given[RESOLV_CONF_SERVERS_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		given[i] = address(AF_INET, "10.0.0.1");
		given[i].bytes[3] = (uint8_t)(i + 1);
	}
	resolver_servers_set(&servers, given, ARRAY_SIZE(given));
	ck_assert_uint_eq(servers.count, RESOLV_CONF_SERVERS_MAX);
	ck_assert_str_eq(first(), "10.0.0.1");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("resolver-servers");

	tcase_add_test(cases, servers_are_read_anew_when_they_change);
	tcase_add_test(cases, what_did_not_change_is_not_read);
	tcase_add_test(cases, without_a_file_the_host_itself_is_asked);
	tcase_add_test(cases, what_is_no_file_is_not_read);
	tcase_add_test(cases, addresses_have_scopes);
	tcase_add_test(cases, servers_that_are_given_stay_whatever_the_file_has);
	tcase_add_test(cases, none_given_are_those_of_the_file);
	tcase_add_test(cases, of_many_that_are_given_the_first_are_asked);
	return fixture_run(cases, "net/resolver-servers");
}
