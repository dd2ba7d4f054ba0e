#include "net/subnet.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/macros.h"
#include "base/unit.h"
#include "net/config.h"

static const uint8_t host_id[16] = { 1, 2, 3 }, other_id[16] = { 3, 2, 1 },
		     first[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };

static const char *text(const struct route_prefix *prefix)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(prefix->family, prefix->bytes, text, sizeof(text));
}

static void check(const struct config *config, enum subnet_kind kind, unsigned int number,
		  const char *address)
{
	struct route_prefix prefix;
	struct subnet subnet;

	ck_assert(subnet_at(&subnet, config, kind, number));
	prefix = subnet_address(&subnet, 1);
	ck_assert_str_eq(text(&prefix), address);
	ck_assert_uint_eq(prefix.length, kind == SUBNET_ZONE ? 24 : 30);
	ck_assert_uint_eq(subnet.number, number);
	ck_assert_uint_eq(subnet_index(&subnet), number + (kind == SUBNET_ZONE ? SUBNET_MAX : 0));
}

START_TEST(a_range_is_cut_into_halves)
{
	struct config config = config_default();
	struct subnet subnet;

	ck_assert_uint_eq(subnet_count(&config, SUBNET_LINK), 2 * 8192);
	ck_assert_uint_eq(subnet_count(&config, SUBNET_ZONE), 2 * 128);
	check(&config, SUBNET_LINK, 0, "10.213.0.1");
	check(&config, SUBNET_LINK, 1, "10.213.0.5");
	check(&config, SUBNET_LINK, 8191, "10.213.127.253");
	check(&config, SUBNET_LINK, 8192, "172.29.0.1");
	check(&config, SUBNET_LINK, 16383, "172.29.127.253");
	check(&config, SUBNET_ZONE, 0, "10.213.128.1");
	check(&config, SUBNET_ZONE, 127, "10.213.255.1");
	check(&config, SUBNET_ZONE, 128, "172.29.128.1");
	check(&config, SUBNET_ZONE, 255, "172.29.255.1");
	ck_assert(!subnet_at(&subnet, &config, SUBNET_LINK, 16384));
	ck_assert(!subnet_at(&subnet, &config, SUBNET_ZONE, 256));
}
END_TEST

START_TEST(every_net_is_looked_at_once)
{
	struct config config = { .ranges = { { 0x0a000000, 23 }, { 0xc0a80000, 22 } }, .count = 2 };
	static const uint64_t hashes[] = { 0, 63, 64, 12345, UINT64_MAX };
	const unsigned int total = subnet_count(&config, SUBNET_LINK);
	struct subnet subnet;

	ck_assert_uint_eq(total, 64 + 128);
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
		bool seen[64 + 128] = {};

		for (unsigned int n = 0; n < total; n++) {
			ck_assert(subnet_nth(&subnet, &config, SUBNET_LINK, hashes[i], n));
			ck_assert(!seen[subnet.number]);
			seen[subnet.number] = true;
			ck_assert_int_eq(subnet.number < 64, n < 64);
			ck_assert_uint_eq(subnet.range_ends, n < 64 ? 64 : total);
			ck_assert_uint_eq(subnet.half, n < 64 ? 24 : 23);
		}
		ck_assert(!subnet_nth(&subnet, &config, SUBNET_LINK, hashes[i], total));
	}
}
END_TEST

START_TEST(the_largest_range_has_as_many_as_there_are_64s)
{
	struct config config = { .ranges = { { 0x0a000000, 8 } }, .count = 1 };
	struct subnet subnet;

	ck_assert_uint_eq(subnet_count(&config, SUBNET_LINK), SUBNET_MAX);
	ck_assert_uint_eq(subnet_count(&config, SUBNET_ZONE), SUBNET_MAX);
	check(&config, SUBNET_LINK, SUBNET_MAX - 1, "10.1.255.253");
	check(&config, SUBNET_ZONE, SUBNET_MAX - 1, "10.255.255.1");
	ck_assert(!subnet_at(&subnet, &config, SUBNET_LINK, SUBNET_MAX));
	for (unsigned int n = 0; n < SUBNET_MAX; n += 1111) {
		ck_assert(subnet_nth(&subnet, &config, SUBNET_LINK, 77, n));
		ck_assert_uint_lt(subnet.number, SUBNET_MAX);
	}
	ck_assert(!subnet_nth(&subnet, &config, SUBNET_LINK, 77, SUBNET_MAX));
}
END_TEST

START_TEST(a_net_has_a_64)
{
	struct config config = config_default();
	struct route_prefix prefix, other;
	struct subnet subnet;

	ck_assert(subnet_at(&subnet, &config, SUBNET_ZONE, 5));
	prefix = subnet_address6(&subnet, &config, host_id, first);
	ck_assert_int_eq(prefix.family, AF_INET6);
	ck_assert_uint_eq(prefix.length, 64);
	ck_assert_uint_eq(prefix.bytes[0], 0xfd);
	ck_assert_uint_eq(prefix.bytes[6], 0x80);
	ck_assert_uint_eq(prefix.bytes[7], 5);
	ck_assert_mem_eq(prefix.bytes + 8, first, 8);
	/* Another host has another prefix; the same one has it again. */
	other = subnet_address6(&subnet, &config, other_id, first);
	ck_assert_mem_ne(prefix.bytes, other.bytes, 6);
	other = subnet_address6(&subnet, &config, host_id, first);
	ck_assert_mem_eq(prefix.bytes, other.bytes, 16);

	config.ipv6 = CONFIG_IPV6_GIVEN;
	memcpy(config.prefix, "\xfd\x00\x12\x34\x56\x78", 6);
	prefix = subnet_address6(&subnet, &config, host_id, first);
	ck_assert_str_eq(text(&prefix), "fd00:1234:5678:8005::1");
	config.ipv6 = CONFIG_IPV6_NONE;
	prefix = subnet_address6(&subnet, &config, host_id, first);
	ck_assert_int_eq(prefix.family, AF_UNSPEC);
}
END_TEST

START_TEST(nets_overlap_or_not)
{
	static const struct {
		const char *a, *b;
		unsigned int a_length, b_length;
		bool overlap;
	} cases[] = {
		{ "10.0.0.0", "10.0.0.0", 24, 24, true },
		{ "10.0.0.0", "10.0.0.77", 24, 32, true },
		{ "10.0.0.0", "10.0.1.0", 24, 32, false },
		{ "10.0.0.0", "10.128.0.0", 8, 9, true },
		{ "10.0.0.0", "10.128.0.0", 9, 9, false },
		{ "10.0.0.0", "0.0.0.0", 24, 0, true },
		{ "10.0.0.0", "10.0.0.129", 25, 32, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct route_prefix a = { .family = AF_INET, .length = cases[i].a_length };
		struct route_prefix b = { .family = AF_INET, .length = cases[i].b_length };

		inet_pton(AF_INET, cases[i].a, a.bytes);
		inet_pton(AF_INET, cases[i].b, b.bytes);
		ck_assert_msg(subnet_overlaps(&a, &b) == cases[i].overlap, "%zu", i);
		ck_assert_msg(subnet_overlaps(&b, &a) == cases[i].overlap, "%zu", i);
		b.family = AF_INET6;
		ck_assert(!subnet_overlaps(&a, &b));
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("net/subnet", a_range_is_cut_into_halves, every_net_is_looked_at_once,
			the_largest_range_has_as_many_as_there_are_64s, a_net_has_a_64,
			nets_overlap_or_not);
}
