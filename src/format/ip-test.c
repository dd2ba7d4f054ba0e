#include "format/ip.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "base/unit.h"

static const char *again(const char *text)
{
	static char room[IP_TEXT_ROOM];
	struct ip_prefix prefix;

	return ip_parse_prefix(&prefix, text) < 0 ? NULL : ip_text_prefix(room, &prefix);
}

START_TEST(addresses_and_networks_come_back_as_they_were)
{
	static const char *const texts[] = { "10.0.0.2",  "10.0.0.2/24",  "0.0.0.0/0",
					     "fd00:7::2", "fd00:7::2/64", "::/0" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_str_eq(again(texts[i]), texts[i]);
	ck_assert_str_eq(again("10.0.0.2/32"), "10.0.0.2");
	ck_assert_str_eq(again("FD00::0:1/128"), "fd00::1");
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
	static const char *const texts[] = {
		"",
		"10",
		"10.0.0",
		"10.0.0.2/33",
		"10.0.0.2/",
		"10.0.0.2/x",
		"fe80::1%eth0",
		"1::2::3",
		"10.0.0.2/24/1",
		"fd00::/129",
		" 10.0.0.2",
		"10.0.0.2 ",
		"0x7f.0.0.1",
		"10.0.0.2/-1",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_msg(again(texts[i]) == NULL, "%s", texts[i]);
}
END_TEST

START_TEST(hardware_addresses_are_of_one_interface)
{
	uint8_t mac[6] = { 0 };

	ck_assert_int_eq(ip_parse_mac(mac, "02:00:5e:00:53:aF"), 0);
	ck_assert_int_eq(memcmp(mac, "\x02\x00\x5e\x00\x53\xaf", 6), 0);
	ck_assert_int_eq(ip_parse_mac(mac, "01:00:5e:00:53:af"), -EINVAL);
	ck_assert_int_eq(ip_parse_mac(mac, "00:00:00:00:00:00"), -EINVAL);
	ck_assert_int_eq(ip_parse_mac(mac, "02-00-5e-00-53-af"), -EINVAL);
	ck_assert_int_eq(ip_parse_mac(mac, "02:00:5e:00:53:a"), -EINVAL);
	ck_assert_int_eq(ip_parse_mac(mac, "02:00:5e:00:53:afx"), -EINVAL);
}
END_TEST

static bool is_in(const char *ip_text_, const char *network_text)
{
	struct ip_prefix network;
	struct ip ip;

	ck_assert_int_eq(ip_parse(&ip, ip_text_), 0);
	ck_assert_int_eq(ip_parse_prefix(&network, network_text), 0);
	return ip_is_in(&ip, &network);
}

START_TEST(a_network_holds_what_has_its_first_bits)
{
	ck_assert(is_in("10.1.2.3", "10.1.2.3"));
	ck_assert(!is_in("10.1.2.4", "10.1.2.3"));
	ck_assert(is_in("10.1.2.7", "10.1.2.4/30"));
	ck_assert(!is_in("10.1.2.8", "10.1.2.4/30"));
	ck_assert(is_in("8.8.8.8", "0.0.0.0/0"));
	ck_assert(!is_in("::1", "0.0.0.0/0"));
	ck_assert(is_in("fd00:7::2", "fd00:7::/64"));
	ck_assert(!is_in("fd00:8::2", "fd00:7::/31"));
}
END_TEST

START_TEST(what_is_for_one_host_of_a_network_is_unicast)
{
	static const char *const others[] = {
		"127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255",
		"::",	     "::1",	"fe80::1",	   "ff02::1",	"::ffff:127.0.0.1"
	};
	struct ip ip;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		ck_assert_int_eq(ip_parse(&ip, others[i]), 0);
		ck_assert_msg(!ip_is_unicast(&ip), "%s", others[i]);
	}
	ck_assert_int_eq(ip_parse(&ip, "10.0.0.2"), 0);
	ck_assert(ip_is_unicast(&ip));
	ck_assert_int_eq(ip_parse(&ip, "2001:db8::2"), 0);
	ck_assert(ip_is_unicast(&ip));
	ck_assert(!ip_is_unicast(&(struct ip){ 0 }));
}
END_TEST

START_TEST(loopback_is_what_leads_to_the_host_itself)
{
	static const char *const loopback[] = { "127.0.0.1", "127.0.0.53", "127.255.255.254",
						"::1" };
	static const char *const others[] = { "126.0.0.1",  "128.0.0.1", "0.0.0.0",
					      "10.0.0.127", "::",	 "::2",
					      "fe80::1",    "1::1",	 "::ffff:127.0.0.1" };
	struct ip ip;

	for (size_t i = 0; i < ARRAY_SIZE(loopback); i++) {
		ck_assert_int_eq(ip_parse(&ip, loopback[i]), 0);
		ck_assert_msg(ip_is_loopback(&ip), "%s", loopback[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		ck_assert_int_eq(ip_parse(&ip, others[i]), 0);
		ck_assert_msg(!ip_is_loopback(&ip), "%s", others[i]);
	}
	ck_assert(!ip_is_loopback(&(struct ip){ 0 }));
	ck_assert(!ip_is_loopback(&(struct ip){ .bytes = { 127 } }));
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/ip", addresses_and_networks_come_back_as_they_were,
			what_is_no_address_is_refused, hardware_addresses_are_of_one_interface,
			a_network_holds_what_has_its_first_bits,
			what_is_for_one_host_of_a_network_is_unicast,
			loopback_is_what_leads_to_the_host_itself);
}
