#include "format/uplink.h"

#include "base/unit.h"

static void check(uint32_t slot, bool six, enum uplink_end end, const char *text)
{
	struct ip_prefix address = uplink_address(slot, six, end), all = uplink_network(six);
	char room[IP_TEXT_ROOM];

	ck_assert_str_eq(ip_text_prefix(room, &address), text);
	ck_assert(ip_is_in(&address.ip, &all));
}

START_TEST(each_slot_has_its_net)
{
	check(0, false, UPLINK_GATEWAY, "169.254.64.1/30");
	check(0, false, UPLINK_GUEST, "169.254.64.2/30");
	check(1, false, UPLINK_GUEST, "169.254.64.6/30");
	check(64, false, UPLINK_GATEWAY, "169.254.65.1/30");
	check(UPLINK_SLOTS - 1, false, UPLINK_GUEST, "169.254.127.254/30");
	check(0, true, UPLINK_GATEWAY, "fd52:6564:6400::1/64");
	check(1, true, UPLINK_GUEST, "fd52:6564:6400:1::2/64");
	check(UPLINK_SLOTS - 1, true, UPLINK_GUEST, "fd52:6564:6400:fff::2/64");
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/uplink", each_slot_has_its_net);
}
