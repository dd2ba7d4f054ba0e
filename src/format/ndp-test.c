#include "format/ndp.h"

#include <errno.h>
#include <string.h>

#include "base/unit.h"

START_TEST(solicitations_are_read)
{
	static const uint8_t plain[] = { 133, 0, 1, 2, 0, 0, 0, 0 };
	static const uint8_t told[] = { 133, 0, 1, 2, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7 };
	static const uint8_t later[] = { 133, 0, 1, 2, 0, 0, 0, 0, 14, 1, 1, 2, 3, 4, 5, 6 };

	ck_assert_int_eq(ndp_read_solicitation(plain, sizeof(plain), false), 0);
	ck_assert_int_eq(ndp_read_solicitation(plain, sizeof(plain), true), 0);
	ck_assert_int_eq(ndp_read_solicitation(told, sizeof(told), false), 0);
	ck_assert_int_eq(ndp_read_solicitation(told, sizeof(told), true), -EBADMSG);
	ck_assert_int_eq(ndp_read_solicitation(later, sizeof(later), true), 0);
}
END_TEST

START_TEST(what_is_no_solicitation_is_refused)
{
	static const struct {
		uint8_t bytes[24];
		size_t size;
	} bad[] = {
		{ { 134 }, 8 },
		{ { 133, 1 }, 8 },
		{ { 133, [8] = 1, 0 }, 16 }, /* an option of no size */
		{ { 133, [8] = 9, 2 }, 16 }, /* longer than what is left */
		{ { 133, [8] = 1, 2 }, 24 }, /* no MAC address */
		{ { 133, [8] = 9, 1, [16] = 9 }, 17 },
		{ { 133, [8] = 9, 1, [16] = 9, 1 }, 18 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(ndp_read_solicitation(bad[i].bytes, bad[i].size, false) == -EBADMSG,
			      "case %zu", i);
	for (size_t cut = 0; cut < 8; cut++)
		ck_assert_int_eq(ndp_read_solicitation((uint8_t[8]){ 133 }, cut, false), -EBADMSG);
}
END_TEST

START_TEST(the_size_of_a_solicitation_is_limited)
{
	uint8_t data[NDP_SOLICITATION_MAX + 4] = { 133 };

	for (size_t at = 8; at < sizeof(data); at += 8)
		data[at + 1] = 1;
	ck_assert_int_eq(ndp_read_solicitation(data, NDP_SOLICITATION_MAX - 4, false), 0);
	ck_assert_int_eq(ndp_read_solicitation(data, NDP_SOLICITATION_MAX + 4, false), -EBADMSG);
}
END_TEST

START_TEST(an_advertisement_tells_all)
{
	static const struct in6_addr dns[] = { { .s6_addr = { 0xfd, [15] = 1 } },
					       { .s6_addr = { 0xfd, [15] = 2 } } };
	static const uint8_t expected[] = {
		134, 0, 0, 0, 64, 0xc0, 0x23, 0x28, 0, 0, 0, 0, 0, 0, 0, 0,
		/* the router's MAC address, MTU */
		1, 1, 2, 1, 1, 1, 1, 1, 5, 1, 0, 0, 0, 0, 5, 0x78,
		/* the prefix */
		3, 4, 64, 0xc0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x0e, 0x10, 0, 0, 0, 0, 0xfd, 0x12, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* DNS */
		25, 5, 0, 0, 0, 0, 2, 0x58, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xfd,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
		/* and where to search */
		31, 3, 0, 0, 0, 0, 2, 0x58, 7, 'm', 'a', 'c', 'h', 'i', 'n', 'e', 0, 0, 0, 0, 0, 0,
		0, 0
	};
	struct ndp_advertisement advertisement = {
		.mac = { 2, 1, 1, 1, 1, 1 },
		.router_s = 9000,
		.managed = true,
		.other = true,
		.mtu = 1400,
		.prefix.s6_addr = { 0xfd, 0x12 },
		.prefix_length = 64,
		.autonomous = true,
		.valid_s = NDP_FOREVER,
		.preferred_s = 3600,
		.dns = dns,
		.dns_count = 2,
		.domain = "machine",
		.dns_s = 600,
	};
	uint8_t room[NDP_ADVERTISEMENT_MAX];
	size_t size = ndp_write_advertisement(room, &advertisement);

	ck_assert_uint_eq(size, sizeof(expected));
	ck_assert_mem_eq(room, expected, sizeof(expected));
}
END_TEST

START_TEST(what_is_not_known_is_not_told)
{
	struct ndp_advertisement advertisement = { .router_s = 1, .domain = "" };
	uint8_t room[NDP_ADVERTISEMENT_MAX];

	ck_assert_uint_eq(ndp_write_advertisement(room, &advertisement), 24);
	advertisement.domain = "not..a.name";
	ck_assert_uint_eq(ndp_write_advertisement(room, &advertisement), 24);
}
END_TEST

START_TEST(the_longest_advertisement_fits)
{
	static const struct in6_addr dns[NDP_DNS_MAX];
	struct ndp_advertisement advertisement = {
		.mtu = 1,
		.prefix_length = 64,
		.dns = dns,
		.dns_count = NDP_DNS_MAX,
	};
	uint8_t room[NDP_ADVERTISEMENT_MAX];
	char name[255] = "";

	for (int i = 0; i < 63; i++)
		strncat(name, "abc.", sizeof(name) - strlen(name) - 1);
	advertisement.domain = name;
	ck_assert_uint_eq(ndp_write_advertisement(room, &advertisement),
			  16 + 8 + 8 + 32 + 56 + 8 + 256);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/ndp", solicitations_are_read, what_is_no_solicitation_is_refused,
			the_size_of_a_solicitation_is_limited, an_advertisement_tells_all,
			what_is_not_known_is_not_told, the_longest_advertisement_fits);
}
