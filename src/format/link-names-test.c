#include "format/link-names.h"

#include <string.h>

#include "base/macros.h"
#include "base/unit.h"

/* NixOS's containers and systemd-nspawn 252: reference nixos-containers 2.7. */
START_TEST(long_names_are_shortened_as_elsewhere)
{
	static const struct {
		const char *machine, *link;
		bool shortened;
	} known[] = {
		{ "first", "ve-first", false },
		{ "abcdefghijkl", "ve-abcdefghijkl", false },
		{ "abcdefghijklm", "ve-abcdefghyhe5", true },
		{ "my-new-container", "ve-my-new-cqeGC", true },
		{ "really-long-name", "ve-really-l3QgY", true },
		{ "really-long-long-name-2", "ve-really-lFYWO", true },
	};
	char text[LINK_NAMES_ROOM];

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		ck_assert_int_eq(link_names_shorten(text, "ve-", known[i].machine),
				 known[i].shortened);
		ck_assert_str_eq(text, known[i].link);
	}
}
END_TEST

START_TEST(hardware_addresses_differ_and_are_local)
{
	const uint8_t host[16] = { 1 };
	uint8_t macs[8][6];
	size_t count = 0;

	for (int kind = LINK_MAC_VETH_HOST; kind <= LINK_MAC_MACVLAN; kind++)
		link_names_mac(macs[count++], kind, host, "web", 0);
	link_names_mac(macs[count++], LINK_MAC_VETH_HOST, host, "web", 1);
	link_names_mac(macs[count++], LINK_MAC_VETH_HOST, host, "web2", 0);
	for (size_t i = 0; i < count; i++) {
		ck_assert_int_eq(macs[i][0] & 3, 2);
		for (size_t j = 0; j < i; j++)
			ck_assert_int_ne(memcmp(macs[i], macs[j], 6), 0);
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/link-names", long_names_are_shortened_as_elsewhere,
			hardware_addresses_differ_and_are_local);
}
