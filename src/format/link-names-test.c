#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/names.h"
#include "base/unit.h"
#include "format/link-names.h"

#define LONGEST "abcdefghijklmnopqrstuvwxyz-bcdefghijklmnopqrstuvwxyz.0123456789A"

/* What systemd-nspawn 252 made on a host with this machine id. */
static const uint8_t host_id[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
				     0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

START_TEST(links_are_called_as_the_original_calls_them)
{
	static const struct {
		enum link_names_kind kind;
		const char *of, *name, *alternative;
	} cases[] = {
		{ LINK_NAMES_VETH, "a", "ve-a", "" },
		{ LINK_NAMES_VETH, "first", "ve-first", "" },
		{ LINK_NAMES_VETH, "abcdefghijkl", "ve-abcdefghijkl", "" },
		{ LINK_NAMES_VETH, "abcdefghijklm", "ve-abcdefghyhe5", "ve-abcdefghijklm" },
		{ LINK_NAMES_VETH, "0123456789012", "ve-01234567RTiE", "ve-0123456789012" },
		{ LINK_NAMES_VETH, "web.example.org", "ve-web.exam2pVG", "ve-web.example.org" },
		{ LINK_NAMES_VETH, "UPPER-case.Mixed", "ve-UPPER-cao3Rx", "ve-UPPER-case.Mixed" },
		{ LINK_NAMES_VETH, "my-new-container", "ve-my-new-cqeGC", "ve-my-new-container" },
		{ LINK_NAMES_VETH, "really-long-name", "ve-really-l3QgY", "ve-really-long-name" },
		{ LINK_NAMES_VETH, "really-long-long-name-2", "ve-really-lFYWO",
		  "ve-really-long-long-name-2" },
		{ LINK_NAMES_VETH, LONGEST, "ve-abcdefghGgCp", "ve-" LONGEST },
		{ LINK_NAMES_BRIDGED, "first", "vb-first", "" },
		{ LINK_NAMES_BRIDGED, "abcdefghijkl", "vb-abcdefghijkl", "" },
		{ LINK_NAMES_BRIDGED, "abcdefghijklm", "vb-abcdefghgd3w", "vb-abcdefghijklm" },
		{ LINK_NAMES_BRIDGED, "0123456789012", "vb-01234567W714", "vb-0123456789012" },
		{ LINK_NAMES_BRIDGED, "web.example.org", "vb-web.examzx3K", "vb-web.example.org" },
		{ LINK_NAMES_BRIDGED, "UPPER-case.Mixed", "vb-UPPER-caWJQw",
		  "vb-UPPER-case.Mixed" },
		{ LINK_NAMES_BRIDGED, "my-new-container", "vb-my-new-c0KJS",
		  "vb-my-new-container" },
		{ LINK_NAMES_BRIDGED, "really-long-name", "vb-really-lE9s9",
		  "vb-really-long-name" },
		{ LINK_NAMES_BRIDGED, "really-long-long-name-2", "vb-really-lJAdS",
		  "vb-really-long-long-name-2" },
		{ LINK_NAMES_BRIDGED, LONGEST, "vb-abcdefghbiPx", "vb-" LONGEST },
		{ LINK_NAMES_ZONE, "z", "vz-z", "" },
		{ LINK_NAMES_ZONE, "abcdefghijkl", "vz-abcdefghijkl", "" },
		{ LINK_NAMES_MACVLAN, "p0", "mv-p0", "" },
		{ LINK_NAMES_MACVLAN, "averylongparent", "mv-averylonCwaz", "mv-averylongparent" },
		{ LINK_NAMES_IPVLAN, "p0", "iv-p0", "" },
		{ LINK_NAMES_IPVLAN, "averylongparent", "iv-averylonfS3H", "iv-averylongparent" },
	};
	struct link_name link;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(link_names_make(&link, cases[i].kind, cases[i].of), 0);
		ck_assert_str_eq(link.name, cases[i].name);
		ck_assert_str_eq(link.alternative, cases[i].alternative);
		ck_assert(name_is_interface(link.name));
	}
}
END_TEST

START_TEST(what_makes_no_name_is_refused)
{
	static const char *const bad[] = {
		"",    "a/b", "a b",	     "a%d",
		"a:b", "a\n", "caf\xc3\xa9", "a-very-long-name/with-a-slash"
	};
	char endless[LINK_NAMES_ALTERNATIVE_ROOM];
	struct link_name link = { .name = "untouched" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (int kind = 0; kind < LINK_NAMES_KINDS; kind++)
			ck_assert_int_eq(link_names_make(&link, kind, bad[i]), -EINVAL);
	/* systemd-nspawn: "Network zone name not valid: vz-abcdefghijklm" */
	ck_assert_int_eq(link_names_make(&link, LINK_NAMES_ZONE, "abcdefghijklm"), -EINVAL);
	memset(endless, 'a', sizeof(endless));
	endless[sizeof(endless) - 1] = '\0';
	ck_assert_int_eq(link_names_make(&link, LINK_NAMES_VETH, endless), -EINVAL);
	endless[sizeof(endless) - 4] = '\0';
	ck_assert_str_eq(link.name, "untouched");
	ck_assert_int_eq(link_names_make(&link, LINK_NAMES_VETH, endless), 0);
}
END_TEST

START_TEST(addresses_are_those_of_the_original)
{
	static const struct {
		enum link_names_mac_kind kind;
		const char *machine, *mac;
		unsigned int index;
	} cases[] = {
		{ LINK_NAMES_MAC_HOST, "a", "fe:a0:8b:c0:5c:28", 0 },
		{ LINK_NAMES_MAC_GUEST, "a", "f6:34:b0:92:3b:a4", 0 },
		{ LINK_NAMES_MAC_HOST, "first", "8e:9d:40:f1:77:0b", 0 },
		{ LINK_NAMES_MAC_GUEST, "first", "ea:85:93:ab:48:97", 0 },
		{ LINK_NAMES_MAC_HOST, "abcdefghijkl", "e2:ef:26:91:35:75", 0 },
		{ LINK_NAMES_MAC_GUEST, "abcdefghijkl", "22:3e:ef:af:f2:02", 0 },
		{ LINK_NAMES_MAC_HOST, "abcdefghijklm", "3e:5d:b8:4d:a9:c1", 0 },
		{ LINK_NAMES_MAC_GUEST, "abcdefghijklm", "7a:05:f1:85:7f:61", 0 },
		{ LINK_NAMES_MAC_HOST, "0123456789012", "06:4c:6e:2e:c7:02", 0 },
		{ LINK_NAMES_MAC_GUEST, "0123456789012", "16:ee:96:e7:5f:d6", 0 },
		{ LINK_NAMES_MAC_HOST, "web.example.org", "02:aa:35:39:35:e3", 0 },
		{ LINK_NAMES_MAC_GUEST, "web.example.org", "5a:46:80:fe:24:9a", 0 },
		{ LINK_NAMES_MAC_HOST, "UPPER-case.Mixed", "7a:95:2a:fd:b8:bf", 0 },
		{ LINK_NAMES_MAC_GUEST, "UPPER-case.Mixed", "12:24:75:de:10:41", 0 },
		{ LINK_NAMES_MAC_HOST, LONGEST, "92:82:fc:1e:18:39", 0 },
		{ LINK_NAMES_MAC_GUEST, LONGEST, "ce:ad:fd:b9:e5:fa", 0 },
		{ LINK_NAMES_MAC_EXTRA_HOST, "first", "ba:6f:a6:65:14:b0", 0 },
		{ LINK_NAMES_MAC_EXTRA_HOST, "first", "b6:9c:94:f9:c9:fe", 1 },
		{ LINK_NAMES_MAC_EXTRA_HOST, "first", "3a:4b:61:bb:46:a8", 2 },
		{ LINK_NAMES_MAC_EXTRA_GUEST, "first", "d2:76:72:62:da:9b", 0 },
		{ LINK_NAMES_MAC_EXTRA_GUEST, "first", "46:bb:3b:18:fb:0c", 1 },
		{ LINK_NAMES_MAC_EXTRA_GUEST, "first", "ce:a7:43:49:64:b9", 2 },
		{ LINK_NAMES_MAC_EXTRA_HOST, LONGEST, "c2:82:3d:af:93:32", 0 },
		{ LINK_NAMES_MAC_EXTRA_HOST, LONGEST, "6a:d2:c3:02:79:e6", 1 },
		{ LINK_NAMES_MAC_EXTRA_HOST, LONGEST, "3e:60:c1:7e:c4:6e", 2 },
		{ LINK_NAMES_MAC_EXTRA_GUEST, LONGEST, "f6:56:c1:b7:24:51", 0 },
		{ LINK_NAMES_MAC_EXTRA_GUEST, LONGEST, "e2:b1:1e:be:36:0a", 1 },
		{ LINK_NAMES_MAC_EXTRA_GUEST, LONGEST, "6a:26:41:7c:51:4d", 2 },
		{ LINK_NAMES_MAC_MACVLAN, "first", "32:09:1b:fc:0f:6a", 0 },
		{ LINK_NAMES_MAC_MACVLAN, "first", "0a:5b:48:88:c6:4b", 1 },
		{ LINK_NAMES_MAC_MACVLAN, "first", "3e:06:08:16:bd:e3", 2 },
		{ LINK_NAMES_MAC_MACVLAN, LONGEST, "ba:5e:42:79:c3:59", 0 },
		{ LINK_NAMES_MAC_MACVLAN, LONGEST, "62:33:62:37:cc:47", 1 },
		{ LINK_NAMES_MAC_MACVLAN, LONGEST, "aa:11:3e:87:a6:1d", 2 },
	};
	uint8_t mac[LINK_NAMES_MAC_SIZE];
	char text[LINK_NAMES_MAC_ROOM];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		link_names_mac(mac, cases[i].kind, host_id, cases[i].machine, cases[i].index);
		link_names_mac_text(text, mac);
		ck_assert_str_eq(text, cases[i].mac);
	}
}
END_TEST

START_TEST(every_address_is_of_one_station_and_local)
{
	uint8_t mac[LINK_NAMES_MAC_SIZE], other[LINK_NAMES_MAC_SIZE];

	for (int kind = 0; kind < LINK_NAMES_MAC_KINDS; kind++)
		for (unsigned int i = 0; i < 64; i++) {
			link_names_mac(mac, kind, host_id, "first", i);
			ck_assert_int_eq(mac[0] & 3, 2);
		}
	link_names_mac(mac, LINK_NAMES_MAC_ZONE, host_id, "first", 0);
	link_names_mac(other, LINK_NAMES_MAC_HOST, host_id, "first", 0);
	ck_assert_mem_ne(mac, other, sizeof(mac));
}
END_TEST

/* RFC 4291, appendix A: 34-56-78-9A-BC-DE becomes 36-56-78-FF-FE-9A-BC-DE. */
START_TEST(an_interface_identifier_comes_from_the_address)
{
	static const uint8_t mac[6] = { 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde };
	static const uint8_t id[8] = { 0x36, 0x56, 0x78, 0xff, 0xfe, 0x9a, 0xbc, 0xde };
	uint8_t made[8];

	link_names_eui64(made, mac);
	ck_assert_mem_eq(made, id, sizeof(id));
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/link-names", links_are_called_as_the_original_calls_them,
			what_makes_no_name_is_refused, addresses_are_those_of_the_original,
			every_address_is_of_one_station_and_local,
			an_interface_identifier_comes_from_the_address);
}
