#include "format/dns-name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/unit.h"

/* A literal and its size. */
#define BYTES(text) (const uint8_t *)text, sizeof(text) - 1

static const char *text_at(const uint8_t *data, size_t size, size_t at, size_t *taken)
{
	static char text[DNS_NAME_ROOM];
	uint8_t wire[DNS_NAME_WIRE_MAX];

	if (dns_name_read(wire, taken, data, size, at) < 0)
		return NULL;
	dns_name_text(text, wire, false);
	return text;
}

START_TEST(names_become_text_in_one_form)
{
	static const struct {
		const char *wire;
		size_t size;
		const char *text;
	} cases[] = {
		{ "\0", 1, "." },
		{ "\3wWw\7ExAmPlE\3net\0", 17, "www.example.net" },
		{ "\3a.b\1c\0", 7, "a\\046b.c" },
		{ "\1\\\0", 3, "\\092" },
		{ "\4\0 \x7f\xff\0", 6, "\\000\\032\\127\\255" },
		{ "\1_\1*\1@\0", 7, "_.*.@" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t taken;

		ck_assert_pstr_eq(text_at((const uint8_t *)cases[i].wire, cases[i].size, 0, &taken),
				  cases[i].text);
		ck_assert_uint_eq(taken, cases[i].size);
	}
}
END_TEST

START_TEST(upper_case_is_kept_where_it_is_wanted)
{
	char text[DNS_NAME_ROOM];

	dns_name_text(text, (const uint8_t *)"\3wWw\2Ab", true);
	ck_assert_str_eq(text, "wWw.Ab");
}
END_TEST

START_TEST(pointers_lead_backwards)
{
	/* "net" at 0, "example" + pointer at 5, pointer at 15 to 5. */
	static const char data[] = "\3net\0\7example\xc0\0\xc0\5\3www\xc0\17";
	size_t taken;

	ck_assert_pstr_eq(text_at(BYTES(data), 5, &taken), "example.net");
	ck_assert_uint_eq(taken, 10);
	ck_assert_pstr_eq(text_at(BYTES(data), 17, &taken), "www.example.net");
	ck_assert_uint_eq(taken, 6);
}
END_TEST

START_TEST(names_that_are_none)
{
	static const struct {
		const char *wire;
		size_t size, at;
	} cases[] = {
		{ "", 0, 0 },
		{ "\0", 1, 1 },
		{ "\3ww", 3, 0 },	    /* cut short */
		{ "\3www", 4, 0 },	    /* no end */
		{ "\xc0", 1, 0 },	    /* half a pointer */
		{ "\xc0\0", 2, 0 },	    /* to itself */
		{ "\xc0\2\0", 3, 0 },	    /* forwards */
		{ "\1a\xc0\0", 4, 0 },	    /* a circle */
		{ "\1a\2b\xc0\2\0", 7, 4 }, /* to a label that ends behind the pointer */
		{ "\xc0\2\xc0\0", 4, 2 },   /* to a pointer that leads forwards */
		{ "\100a\0", 3, 0 },	    /* labels of other kinds */
		{ "\200a\0", 3, 0 },
	};
	size_t taken;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(text_at((const uint8_t *)cases[i].wire, cases[i].size, cases[i].at,
				      &taken) == NULL,
			      "%zu", i);
}
END_TEST

START_TEST(names_have_255_octets)
{
	uint8_t data[600] = { 0 }, wire[DNS_NAME_WIRE_MAX];
	char text[DNS_NAME_ROOM];
	size_t taken;

	/* 126 labels of one, and one of two. */
	for (size_t i = 0; i < 252; i += 2)
		memcpy(data + i, "\1\0", 2);
	memcpy(data + 252, "\1\0\0", 3);
	ck_assert_int_eq(dns_name_read(wire, &taken, data, sizeof(data), 0), 255);
	dns_name_text(text, wire, false);
	ck_assert_uint_eq(strlen(text), 127 * 5 - 1);
	memcpy(data + 252, "\2aa\0", 4);
	ck_assert_int_eq(dns_name_read(wire, &taken, data, sizeof(data), 0), -EBADMSG);

	/* The longest text: all octets escaped. */
	memset(data, 0xff, sizeof(data));
	data[0] = data[64] = data[128] = 63;
	data[192] = 61;
	data[254] = 0;
	ck_assert_int_eq(dns_name_read(wire, &taken, data, sizeof(data), 0), 255);
	dns_name_text(text, wire, false);
	ck_assert_uint_eq(strlen(text), 4 * 250 + 3);
	ck_assert_int_eq(dns_name_write(wire, text), 255);
	ck_assert_mem_eq(wire, data, 255);
}
END_TEST

START_TEST(a_chain_of_pointers_has_an_end)
{
	uint8_t data[1024] = { 0 }, wire[DNS_NAME_WIRE_MAX];
	size_t taken;

	for (size_t i = 2; i < sizeof(data); i += 2) {
		data[i] = (uint8_t)(0xc0 | (i - 2) >> 8);
		data[i + 1] = (uint8_t)(i - 2);
	}
	ck_assert_int_eq(dns_name_read(wire, &taken, data, sizeof(data), 254), 1);
	ck_assert_int_eq(dns_name_read(wire, &taken, data, sizeof(data), 256), -EBADMSG);
}
END_TEST

START_TEST(text_becomes_a_name)
{
	uint8_t wire[DNS_NAME_WIRE_MAX];
	char label[65];

	ck_assert_int_eq(dns_name_write(wire, "."), 1);
	ck_assert_mem_eq(wire, "\0", 1);
	ck_assert_int_eq(dns_name_write(wire, "web.Machine"), 13);
	ck_assert_mem_eq(wire, "\3web\7Machine", 13);
	ck_assert_int_eq(dns_name_write(wire, "a\\046b.c"), 7);
	ck_assert_mem_eq(wire, "\3a.b\1c", 7);

	memset(label, 'a', sizeof(label));
	label[63] = '\0';
	ck_assert_int_eq(dns_name_write(wire, label), 65);
	label[63] = 'a';
	label[64] = '\0';
	ck_assert_int_eq(dns_name_write(wire, label), -EINVAL);
}
END_TEST

START_TEST(text_that_is_no_name)
{
	static const char *const cases[] = {
		"a.", ".a",  "a..b", "..",    "a b", "a\nb",
		"\\", "\\1", "\\12", "\\256", "\\a", "\xc3\xa4",
	};
	uint8_t wire[DNS_NAME_WIRE_MAX];
	char text[DNS_NAME_ROOM];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(dns_name_write(wire, cases[i]) == -EINVAL, "%s", cases[i]);
	for (size_t i = 0; i < 260; i++)
		text[i] = i % 2 ? '.' : 'a';
	text[253] = '\0';
	ck_assert_int_eq(dns_name_write(wire, text), 255);
	text[253] = '.';
	text[255] = '\0';
	ck_assert_int_eq(dns_name_write(wire, text), -EINVAL);
}
END_TEST

START_TEST(addresses_have_names)
{
	static const char six[] =
		"b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa";
	uint8_t bytes[16], expected[16];
	int family;

	ck_assert_int_eq(dns_name_address(&family, bytes, "4.3.213.10.in-addr.arpa"), 0);
	ck_assert_int_eq(family, AF_INET);
	ck_assert_mem_eq(bytes, "\12\325\3\4", 4);
	ck_assert_int_eq(dns_name_address(&family, bytes, six), 0);
	ck_assert_int_eq(family, AF_INET6);
	inet_pton(AF_INET6, "4321:0:1:2:3:4:567:89ab", expected);
	ck_assert_mem_eq(bytes, expected, 16);
}
END_TEST

START_TEST(names_that_are_of_no_address)
{
	static const char *const cases[] = {
		".",
		"in-addr.arpa",
		"ip6.arpa",
		"1.in-addr.arpa",
		"3.2.1.in-addr.arpa",
		"5.4.3.2.1.in-addr.arpa",
		"256.3.2.1.in-addr.arpa",
		"04.3.2.1.in-addr.arpa",
		"a.3.2.1.in-addr.arpa",
		"4.3.2.1.in-addr.arpa.example",
		"4.3.2.1",
		"444444444444444444444444444444444444.3.2.1.in-addr.arpa",
		"a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
		"0.b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
		"bb.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
		":.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
		"g.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
	};
	uint8_t bytes[16];
	int family;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(dns_name_address(&family, bytes, cases[i]) == -ENOENT, "%s",
			      cases[i]);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/dns-name", names_become_text_in_one_form,
			upper_case_is_kept_where_it_is_wanted, pointers_lead_backwards,
			names_that_are_none, names_have_255_octets, a_chain_of_pointers_has_an_end,
			text_becomes_a_name, text_that_is_no_name, addresses_have_names,
			names_that_are_of_no_address);
}
