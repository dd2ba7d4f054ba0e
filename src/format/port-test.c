#include "format/port.h"

#include <netinet/in.h>
#include <string.h>

#include "base/macros.h"
#include "base/unit.h"

static const char *again(const char *text)
{
	static char room[PORT_TEXT_ROOM];
	struct port port;
	const char *why;

	return port_parse(&port, text, &why) < 0 ? why : port_text(room, &port);
}

START_TEST(ports_come_back_whole)
{
	ck_assert_str_eq(again("80"), "tcp:80:80");
	ck_assert_str_eq(again("udp:53:5353"), "udp:53:5353");
	ck_assert_str_eq(again("8000-8010:9000"), "tcp:8000-8010:9000-9010");
	ck_assert_str_eq(again("8000-8010:9000-9010"), "tcp:8000-8010:9000-9010");
	ck_assert_str_eq(again("tcp:127.0.0.1:80"), "tcp:127.0.0.1:80:80");
	ck_assert_str_eq(again("udp:[::1]:80:90"), "udp:[::1]:80:90");
	ck_assert_str_eq(again("[2001:db8:1111:2222:3333:4444:5555:6666]:60000-65535:60000"),
			 "tcp:[2001:db8:1111:2222:3333:4444:5555:6666]:60000-65535:60000-65535");
	ck_assert_str_eq(again("1-65535"), "tcp:1-65535:1-65535");
}
END_TEST

START_TEST(what_is_no_port_is_refused)
{
	static const char *const texts[] = {
		"",
		"0",
		"65536",
		"x",
		"80:",
		"80:0",
		"80:x",
		"80:80:80",
		"sctp:80",
		"[::1:80",
		"[::1]80",
		"::1:80",
		"1.2.3:80",
		"[1.2.3.4]:80",
		"10-9",
		"10-",
		"-10",
		"10-12:20-21",
		"2-3:65535",
		"tcp:udp:80",
		"1.2.3.4:",
		"[::1]:",
		"80 ",
		" 80",
		"00000000000000000000000000000000000000000000000000000000080",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *said = again(texts[i]);

		ck_assert_msg(strstr(said, " ") != NULL, "'%s' became '%s'", texts[i], said);
	}
}
END_TEST

static bool overlap(const char *a_text, const char *b_text)
{
	struct port a, b;
	const char *why;

	ck_assert_int_eq(port_parse(&a, a_text, &why), 0);
	ck_assert_int_eq(port_parse(&b, b_text, &why), 0);
	ck_assert_int_eq(port_overlaps(&a, &b), port_overlaps(&b, &a));
	return port_overlaps(&a, &b);
}

START_TEST(who_wants_the_same_port_overlaps)
{
	ck_assert(overlap("80", "80:8080"));
	ck_assert(!overlap("80", "udp:80"));
	ck_assert(overlap("80-90", "90-100"));
	ck_assert(!overlap("80-90", "91"));
	ck_assert(overlap("80", "127.0.0.1:80"));
	ck_assert(!overlap("10.0.0.1:80", "127.0.0.1:80"));
	ck_assert(!overlap("[::1]:80", "127.0.0.1:80"));
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/port", ports_come_back_whole, what_is_no_port_is_refused,
			who_wants_the_same_port_overlaps);
}
