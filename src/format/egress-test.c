#include "format/egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/unit.h"

/* "tcp 80-443 name example.net", as short as can be. */
static const char *show(const struct egress_entry *entry)
{
	static const char *const kinds[] = { "name", "below", "prefix" };
	static char text[512];
	char address[INET6_ADDRSTRLEN] = "", prefix[64] = "";

	if (entry->kind == EGRESS_PREFIX) {
		inet_ntop(entry->family, entry->bytes, address, sizeof(address));
		snprintf(prefix, sizeof(prefix), "%s/%u", address, entry->prefix_length);
	}
	snprintf(text, sizeof(text), "%s %u-%u %s %s",
		 entry->protocol == IPPROTO_TCP	  ? "tcp"
		 : entry->protocol == IPPROTO_UDP ? "udp"
						  : "any",
		 entry->port_first, entry->port_last, kinds[entry->kind],
		 entry->kind == EGRESS_PREFIX ? prefix : entry->name);
	return text;
}

START_TEST(entries_are_read)
{
	static const struct {
		const char *word, *shown;
	} cases[] = {
		{ "packages.example.net:443", "any 443-443 name packages.example.net" },
		{ "Packages.Example.NET", "any 0-65535 name packages.example.net" },
		{ "example.net.", "any 0-65535 name example.net" },
		{ "*.example.org:443", "any 443-443 below example.org" },
		{ "*.org", "any 0-65535 below org" },
		{ "*", "any 0-65535 below " },
		{ "udp:*:53", "udp 53-53 below " },
		{ "tcp:intranet:8000-8063", "tcp 8000-8063 name intranet" },
		{ "_srv.a-b.example:1-9", "any 1-9 name _srv.a-b.example" },
		{ "1.2.3.example", "any 0-65535 name 1.2.3.example" },
		{ "10.0.0.0/8", "any 0-65535 prefix 10.0.0.0/8" },
		{ "10.1.2.3/8:80", "any 80-80 prefix 10.0.0.0/8" },
		{ "192.0.2.77", "any 0-65535 prefix 192.0.2.77/32" },
		{ "udp:192.0.2.77/31:53", "udp 53-53 prefix 192.0.2.76/31" },
		{ "0.0.0.0/0:443", "any 443-443 prefix 0.0.0.0/0" },
		{ "2001:db8::1", "any 0-65535 prefix 2001:db8::1/128" },
		{ "2001:db8::/32", "any 0-65535 prefix 2001:db8::/32" },
		{ "[2001:db8:ffff::/33]:53", "any 53-53 prefix 2001:db8:8000::/33" },
		{ "tcp:[::]:53-54", "tcp 53-54 prefix ::/128" },
		{ "[::/0]", "any 0-65535 prefix ::/0" },
	};
	autoarena struct arena arena = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct egress_entry entry;

		ck_assert_msg(egress_parse_entry(&arena, &entry, cases[i].word) == 0, "%s",
			      cases[i].word);
		ck_assert_str_eq(show(&entry), cases[i].shown);
	}
}
END_TEST

START_TEST(ports_of_a_name_are_counted)
{
	autoarena struct arena arena = {};
	struct egress_entry entry = { .port_first = 7 };
	struct egress egress;
	const char *bad = NULL;

	ck_assert_int_eq(egress_parse_entry(&arena, &entry, "a.example:1-64"), 0);
	ck_assert_int_eq(egress_parse_entry(&arena, &entry, "*:65472-65535"), 0);
	ck_assert_int_eq(egress_parse_entry(&arena, &entry, "a.example:1-65"), -ERANGE);
	ck_assert_int_eq(egress_parse_entry(&arena, &entry, "tcp:*.example:1-65535"), -ERANGE);
	ck_assert_uint_eq(entry.port_first, 65472);
	/* Rules of networks have ranges. */
	ck_assert_int_eq(egress_parse_entry(&arena, &entry, "10.0.0.0/8:1-65535"), 0);
	ck_assert_int_eq(egress_parse(&arena, &egress, "a b:1-65 c", &bad), -ERANGE);
	ck_assert_str_eq(bad, "b:1-65");
}
END_TEST

START_TEST(entries_that_are_none)
{
	static const char *const cases[] = {
		"",
		".",
		":443",
		"a:",
		"a:0",
		"a:65536",
		"a:80-",
		"a:-80",
		"a:81-80",
		"a:80-81-82",
		"a:80:81",
		"a:http",
		"a..b",
		".a",
		"a b",
		"*a.example",
		"*.",
		"a.*.example",
		"*.*.example",
		"**",
		"*:",
		"a/24",
		"10.0.0",
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0.0/8/8",
		"10.0.0.256",
		"1.2.3.4.5",
		"example.1",
		"0x7f.1",
		"10",
		"*.10",
		"2001:db8::1:443:x",
		"[2001:db8::]x",
		"[2001:db8::",
		"[::]:",
		"[]:80",
		"[10.0.0.1]:80",
		"[a.example]:80",
		"[::/129]",
		"[::1/-1]",
		"::/0x1",
		"icmp:a",
		"tcp:",
		"tcp:udp:a",
		"http://example.org",
		"b\xc3\xbc.example",
		"a!",
		"tcp::443",
		"fe80::1%eth0",
	};
	autoarena struct arena arena = {};
	char longest[400];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct egress_entry entry;

		ck_assert_msg(egress_parse_entry(&arena, &entry, cases[i]) == -EINVAL, "%s",
			      cases[i]);
	}
	for (size_t size = 64; size < sizeof(longest); size += 200) {
		struct egress_entry entry;

		memset(longest, 'a', size);
		for (size_t i = 50; i < size && size > 64; i += 50)
			longest[i] = '.';
		longest[size] = '\0';
		ck_assert_int_eq(egress_parse_entry(&arena, &entry, longest), -EINVAL);
	}
}
END_TEST

static struct egress list_of(struct arena *arena, const char *text)
{
	struct egress egress;
	const char *bad;

	ck_assert_int_eq(egress_parse(arena, &egress, text, &bad), 0);
	return egress;
}

START_TEST(lists_have_words)
{
	autoarena struct arena arena = {};
	struct egress egress = list_of(&arena, " a.example:443\t*.b.example\n10.0.0.0/8 ");
	const char *bad = NULL;
	char text[EGRESS_ENTRIES_MAX * 2 + 3];

	ck_assert_uint_eq(egress.count, 3);
	ck_assert_uint_eq(list_of(&arena, "").count, 0);
	ck_assert_uint_eq(list_of(&arena, " \n").count, 0);
	ck_assert_int_eq(egress_parse(&arena, &egress, "a.example b.example: c", &bad), -EINVAL);
	ck_assert_str_eq(bad, "b.example:");
	ck_assert_uint_eq(egress.count, 3);
	for (size_t i = 0; i <= EGRESS_ENTRIES_MAX; i++)
		memcpy(text + 2 * i, "a ", 3);
	ck_assert_int_eq(egress_parse(&arena, &egress, text, &bad), -E2BIG);
	text[2 * EGRESS_ENTRIES_MAX] = '\0';
	ck_assert_uint_eq(list_of(&arena, text).count, EGRESS_ENTRIES_MAX);
}
END_TEST

START_TEST(names_are_matched_by_label)
{
	autoarena struct arena arena = {};
	struct egress egress = list_of(&arena, "a.example:443 *.b.example a.example:80 10.0.0.0/8");
	size_t at = 0;

	ck_assert(egress_has_name(&egress, "a.example"));
	ck_assert(egress_has_name(&egress, "x.b.example"));
	ck_assert(egress_has_name(&egress, "y.x.b.example"));
	ck_assert(!egress_has_name(&egress, "b.example"));
	ck_assert(!egress_has_name(&egress, "x.a.example"));
	ck_assert(!egress_has_name(&egress, "xb.example"));
	ck_assert(!egress_has_name(&egress, "x\\046b.example"));
	ck_assert(!egress_has_name(&egress, ".b.example"));
	ck_assert(!egress_has_name(&egress, "a.example.evil.example"));
	ck_assert(!egress_has_name(&egress, "example"));
	ck_assert(!egress_has_name(&egress, "."));
	ck_assert_uint_eq(egress_next_named(&egress, &at, "a.example")->port_first, 443);
	ck_assert_uint_eq(egress_next_named(&egress, &at, "a.example")->port_first, 80);
	ck_assert_ptr_null(egress_next_named(&egress, &at, "a.example"));
	egress = list_of(&arena, "*");
	ck_assert(egress_has_name(&egress, "anything.example"));
	egress = list_of(&arena, "");
	ck_assert(!egress_has_name(&egress, "a.example"));
}
END_TEST

static const uint8_t *bytes_of(int family, const char *text)
{
	static uint8_t bytes[16];

	ck_assert_int_eq(inet_pton(family, text, bytes), 1);
	return bytes;
}

START_TEST(addresses_are_matched_by_prefix)
{
	autoarena struct arena arena = {};
	struct egress egress =
		list_of(&arena, "a.example 10.0.0.0/9:80 192.0.2.1 [2001:db8::/33]:53 fd00::/8");
	size_t at = 0, count = 0;

	ck_assert(egress_has_address(&egress, AF_INET, bytes_of(AF_INET, "10.127.255.255")));
	ck_assert(!egress_has_address(&egress, AF_INET, bytes_of(AF_INET, "10.128.0.0")));
	ck_assert(egress_has_address(&egress, AF_INET, bytes_of(AF_INET, "192.0.2.1")));
	ck_assert(!egress_has_address(&egress, AF_INET, bytes_of(AF_INET, "192.0.2.0")));
	ck_assert(egress_has_address(&egress, AF_INET6, bytes_of(AF_INET6, "2001:db8:7fff::1")));
	ck_assert(!egress_has_address(&egress, AF_INET6, bytes_of(AF_INET6, "2001:db8:8000::1")));
	ck_assert(egress_has_address(&egress, AF_INET6, bytes_of(AF_INET6, "fdff::1")));
	ck_assert(!egress_has_address(&egress, AF_INET6, bytes_of(AF_INET6, "a00::")));
	while (egress_next_prefix(&egress, &at) != NULL)
		count++;
	ck_assert_uint_eq(count, 4);
}
END_TEST

START_TEST(internal_addresses_are_known)
{
	static const char *const internal[] = {
		"0.0.0.0",
		"10.1.2.3",
		"100.64.0.1",
		"100.100.100.200",
		"127.0.0.1",
		"127.255.0.1",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.168.1.1",
		"198.19.255.255",
		"224.0.0.1",
		"240.0.0.1",
		"255.255.255.255",
		"192.0.0.192",
		"::",
		"::1",
		"::ffff:127.0.0.1",
		"::ffff:8.8.8.8",
		"::127.0.0.1",
		"fe80::1",
		"fec0::1",
		"fc00::1",
		"fd00:ec2::254",
		"ff02::1",
		"64:ff9b::a00:1",
		"64:ff9b::a9fe:a9fe",
		"64:ff9b:1::a00:1",
		"2002:a00:1::",
		"2002:7f00:1::1",
		"2001:db8::1",
		"2001::1",
		"100::1",
		"3fff::1",
		"5f00::1",
	};
	static const char *const public[] = {
		"8.8.8.8",	    "1.1.1.1",	       "9.255.255.255",	  "11.0.0.0",
		"100.63.255.255",   "100.128.0.0",     "126.0.0.1",	  "128.0.0.1",
		"169.253.255.255",  "172.15.255.255",  "172.32.0.0",	  "192.167.0.1",
		"192.169.0.1",	    "198.17.255.255",  "198.20.0.0",	  "223.255.255.255",
		"2606:4700::1111",  "2a00:1450::1",    "2001:4860::8888", "2001:200::1",
		"64:ff9b::808:808", "2002:808:808::1", "3ffe::1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(internal); i++) {
		int family = strchr(internal[i], ':') != NULL ? AF_INET6 : AF_INET;

		ck_assert_msg(egress_is_internal(family, bytes_of(family, internal[i])), "%s",
			      internal[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(public); i++) {
		int family = strchr(public[i], ':') != NULL ? AF_INET6 : AF_INET;

		ck_assert_msg(!egress_is_internal(family, bytes_of(family, public[i])), "%s",
			      public[i]);
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/egress", entries_are_read, ports_of_a_name_are_counted,
			entries_that_are_none, lists_have_words, names_are_matched_by_label,
			addresses_are_matched_by_prefix, internal_addresses_are_known);
}
