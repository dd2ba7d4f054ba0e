#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "base/unit.h"
#include "format/hosts.h"

#define HEAD "pid 4711 123456\ntag 0123456789abcdef\n"

static int parse(struct hosts *ret, const char *text)
{
	return hosts_parse(ret, text, strlen(text));
}

START_TEST(what_is_written_is_read)
{
	static const char text[] = HEAD "address 10.213.0.2\naddress fd12:3456:789a:1::2\n";
	char printed[HOSTS_SIZE_MAX];
	struct hosts hosts;

	ck_assert_int_eq(parse(&hosts, text), 0);
	ck_assert_int_eq(hosts.pid, 4711);
	ck_assert_uint_eq(hosts.start, 123456);
	ck_assert_str_eq(hosts.tag, "0123456789abcdef");
	ck_assert_uint_eq(hosts.count, 2);
	ck_assert_int_eq(hosts.addresses[0].family, AF_INET);
	ck_assert_mem_eq(hosts.addresses[0].bytes, "\x0a\xd5\x00\x02", 4);
	ck_assert_uint_eq(hosts_address_size(&hosts.addresses[0]), 4);
	ck_assert_int_eq(hosts.addresses[1].family, AF_INET6);
	ck_assert_uint_eq(hosts_address_size(&hosts.addresses[1]), 16);
	ck_assert_int_eq(hosts_print(printed, &hosts), sizeof(text) - 1);
	ck_assert_str_eq(printed, text);
}
END_TEST

START_TEST(what_is_not_known_is_left_out)
{
	struct hosts hosts;

	ck_assert_int_eq(parse(&hosts, "\nname other\n" HEAD "port\n port 1\n"), 0);
	ck_assert_uint_eq(hosts.count, 0);
	ck_assert_int_eq(parse(&hosts, HEAD "address 10.213.0."), 0);
	ck_assert_uint_eq(hosts.count, 0);
}
END_TEST

START_TEST(the_largest_one_fits)
{
	static const char longest[] = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe";
	struct hosts hosts = { .pid = INT32_MAX, .start = UINT64_MAX, .count = 8 };
	char text[HOSTS_SIZE_MAX], more[HOSTS_SIZE_MAX + 64];
	struct hosts again;
	int length;

	memset(hosts.tag, 'f', 32);
	for (size_t i = 0; i < 8; i++) {
		hosts.addresses[i].family = AF_INET6;
		ck_assert_int_eq(inet_pton(AF_INET6, longest, hosts.addresses[i].bytes), 1);
	}
	length = hosts_print(text, &hosts);
	ck_assert_int_gt(length, 0);
	ck_assert_int_eq(hosts_parse(&again, text, (size_t)length), 0);
	ck_assert_mem_eq(&again, &hosts, sizeof(hosts));
	/* What has no room is left out. */
	memcpy(more, text, (size_t)length);
	memcpy(more + length, "address 10.0.0.1\n", 17);
	ck_assert_int_eq(hosts_parse(&again, more, (size_t)length + 17), 0);
	ck_assert_mem_eq(&again, &hosts, sizeof(hosts));
	memset(more + length, '\n', sizeof(more) - (size_t)length);
	ck_assert_int_eq(hosts_parse(&again, more, HOSTS_SIZE_MAX), 0);
	ck_assert_int_eq(hosts_parse(&again, more, HOSTS_SIZE_MAX + 1), -EBADMSG);
}
END_TEST

START_TEST(what_is_no_such_file_is_refused)
{
	static const char *const bad[] = {
		"",
		"pid 4711 123456\n",
		"tag 0123\n",
		"tag 0123\npid 4711\n",
		"tag 0123\npid 0 1\n",
		"tag 0123\npid -1 1\n",
		"tag 0123\npid 4294967297 1\n",
		"tag 0123\npid 2147483648 1\n",
		"tag 0123\npid 1 18446744073709551616\n",
		"tag 0123\npid 1 2 3\n",
		"tag 0123\npid 1  2\n",
		"pid 1 2\ntag xyz\n",
		"pid 1 2\ntag \n",
		"pid 1 2\ntag 012345678901234567890123456789012\n",
		HEAD "pid 1 2\n",
		HEAD "tag 0123\n",
		HEAD "address \n",
		HEAD "address 10.0.0\n",
		HEAD "address 10.0.0.1 x\n",
		HEAD "address fe80::1%eth0\n",
		HEAD "x 01234567890123456789012345678901234567890123456789012345678901234567890123"
		     "456789\n",
	};
	struct hosts hosts = { .pid = 77 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(parse(&hosts, bad[i]) == -EBADMSG, "%s", bad[i]);
	ck_assert_int_eq(hosts_parse(&hosts, HEAD "a\0b\n", sizeof(HEAD) + 3), -EBADMSG);
	ck_assert_int_eq(hosts.pid, 77);
}
END_TEST

START_TEST(what_would_not_be_read_is_not_written)
{
	struct hosts good = { .pid = 1, .tag = "01", .count = 1 }, bad;
	char text[HOSTS_SIZE_MAX] = "untouched";

	good.addresses[0].family = AF_INET;
	bad = good;
	bad.pid = 0;
	ck_assert_int_eq(hosts_print(text, &bad), -EINVAL);
	bad = good;
	bad.tag[0] = 'x';
	ck_assert_int_eq(hosts_print(text, &bad), -EINVAL);
	bad = good;
	bad.count = HOSTS_ADDRESSES_MAX + 1;
	ck_assert_int_eq(hosts_print(text, &bad), -EINVAL);
	bad = good;
	bad.addresses[0].family = AF_UNIX;
	ck_assert_int_eq(hosts_print(text, &bad), -EINVAL);
	ck_assert_str_eq(text, "untouched");
	ck_assert_int_gt(hosts_print(text, &good), 0);
}
END_TEST

START_TEST(a_further_name_leads_to_one_run_of_a_machine)
{
	char link[HOSTS_LINK_ROOM], text[HOSTS_CLAIM_ROOM];
	struct hosts_claim claim;

	ck_assert(hosts_link(link, "WWW"));
	ck_assert_str_eq(link, "=www");
	ck_assert(!hosts_link(link, "localhost") && !hosts_link(link, "../x"));
	ck_assert_int_eq(hosts_print_claim(text, "web", "0123456789abcdef"), 0);
	ck_assert_str_eq(text, "0123456789abcdef/web");
	ck_assert_int_eq(hosts_parse_claim(&claim, text, strlen(text)), 0);
	ck_assert_str_eq(claim.tag, "0123456789abcdef");
	ck_assert_str_eq(claim.machine, "web");
	ck_assert_int_eq(hosts_print_claim(text, "../web", "01"), -EINVAL);
	ck_assert_int_eq(hosts_print_claim(text, "web", "../01"), -EINVAL);
}
END_TEST

START_TEST(what_leads_elsewhere_is_no_claim)
{
	static const char *const bad[] = {
		"",
		"/",
		"01/",
		"/web",
		"web",
		"01/../web",
		"01/.",
		"0g/web",
		"../web",
		"01/a/b",
		"0123456789abcdef0123456789abcdef0/web",
		"01/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct hosts_claim claim;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(hosts_parse_claim(&claim, bad[i], strlen(bad[i])) == -EBADMSG, "%s",
			      bad[i]);
	ck_assert_int_eq(hosts_parse_claim(&claim, "01/web\0x", 8), -EBADMSG);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/hosts", what_is_written_is_read, what_is_not_known_is_left_out,
			the_largest_one_fits, what_is_no_such_file_is_refused,
			what_would_not_be_read_is_not_written,
			a_further_name_leads_to_one_run_of_a_machine,
			what_leads_elsewhere_is_no_claim);
}
