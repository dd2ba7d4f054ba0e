#include "format/resolv-conf.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/unit.h"

#define TEXT(text) text, sizeof(text) - 1

static const char *server(const struct resolv_conf *conf, size_t i)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(conf->servers[i].family, conf->servers[i].bytes, text, sizeof(text));
}

START_TEST(servers_are_read)
{
	struct resolv_conf conf;

	resolv_conf_parse(&conf, TEXT("# comment\nnameserver 127.0.0.53\r\n"
				      "nameserver\t  2001:db8::1 trailing\n; nameserver 10.0.0.1\n"
				      "nameserver fe80::1%eth0"));
	ck_assert_uint_eq(conf.server_count, 3);
	ck_assert_str_eq(server(&conf, 0), "127.0.0.53");
	ck_assert_str_eq(server(&conf, 1), "2001:db8::1");
	ck_assert_str_eq(conf.servers[1].scope, "");
	ck_assert_str_eq(server(&conf, 2), "fe80::1");
	ck_assert_str_eq(conf.servers[2].scope, "eth0");
}
END_TEST

START_TEST(what_is_no_server_is_passed_over)
{
	struct resolv_conf conf;

	resolv_conf_parse(&conf,
			  TEXT("nameserver\nnameserver \nnameserver ns.example\n"
			       "nameserver 1.2.3\nnameserver 1.2.3.4.5\nnameserver 1.2.3.256\n"
			       " nameserver 10.0.0.1\nnameservers 10.0.0.1\n"
			       "nameserver10.0.0.1\nnameserver fe80::1%\n"
			       "nameserver fe80::1%averylonginterface\n"
			       "nameserver 1.2.3.4%eth0\nnameserver ::g\n"
			       "nameserver 10.0.0.1\0\n#nameserver 10.0.0.1\n"
			       "nameserver 10.0.0.9\n"));
	ck_assert_uint_eq(conf.server_count, 1);
	ck_assert_str_eq(server(&conf, 0), "10.0.0.9");
}
END_TEST

START_TEST(three_servers_count)
{
	struct resolv_conf conf;

	resolv_conf_parse(&conf, TEXT("nameserver 10.0.0.1\nnameserver 10.0.0.2\n"
				      "nameserver 10.0.0.3\nnameserver 10.0.0.4\n"));
	ck_assert_uint_eq(conf.server_count, 3);
	ck_assert_str_eq(server(&conf, 2), "10.0.0.3");
	resolv_conf_parse(&conf, "", 0);
	ck_assert_uint_eq(conf.server_count, 0);
}
END_TEST

START_TEST(the_last_search_list_counts)
{
	struct resolv_conf conf;

	resolv_conf_parse(&conf, TEXT("domain old.example\nsearch a.example  b.example\tc\n"));
	ck_assert_uint_eq(conf.search_count, 3);
	ck_assert_str_eq(conf.search[0], "a.example");
	ck_assert_str_eq(conf.search[2], "c");
	resolv_conf_parse(&conf, TEXT("search a b c d e f g h\n"));
	ck_assert_uint_eq(conf.search_count, RESOLV_CONF_SEARCH_MAX);
	resolv_conf_parse(&conf, TEXT("search a b\ndomain one.example two.example\n"));
	ck_assert_uint_eq(conf.search_count, 1);
	ck_assert_str_eq(conf.search[0], "one.example");
	resolv_conf_parse(&conf, TEXT("search a\nsearch\n"));
	ck_assert_uint_eq(conf.search_count, 0);
}
END_TEST

START_TEST(options_are_read)
{
	struct resolv_conf conf;

	resolv_conf_parse(&conf, TEXT("options edns0 timeout:3 attempts:4 rotate ndots:2\n"));
	ck_assert_uint_eq(conf.timeout_s, 3);
	ck_assert_uint_eq(conf.attempts, 4);
	ck_assert(conf.rotate);
	resolv_conf_parse(&conf, TEXT("options timeout:99999999999999999999 attempts:600\n"
				      "options rotated trust-ad\n"));
	ck_assert_uint_eq(conf.timeout_s, RESOLV_CONF_TIMEOUT_MAX);
	ck_assert_uint_eq(conf.attempts, RESOLV_CONF_ATTEMPTS_MAX);
	ck_assert(!conf.rotate);
	resolv_conf_parse(&conf, TEXT("options timeout: attempts:-1 attempts:x\n"));
	ck_assert_uint_eq(conf.timeout_s, 0);
	ck_assert_uint_eq(conf.attempts, 0);
}
END_TEST

START_TEST(long_lines_and_names_are_passed_over)
{
	static char text[10000];
	struct resolv_conf conf;

	memset(text, ' ', sizeof(text));
	memcpy(text, TEXT("nameserver 10.0.0.1"));
	memcpy(text + 5000, TEXT("\nnameserver 10.0.0.2\nsearch "));
	memset(text + 5028, 'a', 256);
	text[5284] = ' ';
	text[5285] = 'b';
	resolv_conf_parse(&conf, text, 5286);
	ck_assert_uint_eq(conf.server_count, 1);
	ck_assert_str_eq(server(&conf, 0), "10.0.0.2");
	ck_assert_uint_eq(conf.search_count, 1);
	ck_assert_str_eq(conf.search[0], "b");
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/resolv-conf", servers_are_read, what_is_no_server_is_passed_over,
			three_servers_count, the_last_search_list_counts, options_are_read,
			long_lines_and_names_are_passed_over);
}
