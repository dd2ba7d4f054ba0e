#include "declare/nixos-addresses.h"

#include <errno.h>

#include "base/arena.h"
#include "base/unit.h"

static struct arena arena;

static const char *chosen(const struct nixos_addresses *addresses)
{
	struct nixos_pair pair;

	ck_assert_int_eq(nixos_addresses_choose(addresses, &pair), 0);
	return arena_format(&arena, "%s %s", pair.host, pair.local);
}

START_TEST(the_smallest_number_that_is_free_is_chosen)
{
	struct nixos_addresses addresses = { 0 };

	ck_assert_str_eq(chosen(&addresses), "10.233.1.1 10.233.1.2");
	nixos_addresses_take(&addresses, "10.233.1.1");
	nixos_addresses_take(&addresses, "10.233.3.1");
	ck_assert_str_eq(chosen(&addresses), "10.233.2.1 10.233.2.2");
	nixos_addresses_take(&addresses, "10.233.2.2");
	ck_assert_str_eq(chosen(&addresses), "10.233.4.1 10.233.4.2");
}
END_TEST

START_TEST(other_addresses_take_nothing)
{
	struct nixos_addresses addresses = { 0 };

	nixos_addresses_take(&addresses, "10.233.1.3");
	nixos_addresses_take(&addresses, "10.234.1.1");
	nixos_addresses_take(&addresses, "fc00::1/64");
	nixos_addresses_take(&addresses, "dhcp");
	nixos_addresses_take(&addresses, "");
	ck_assert_str_eq(chosen(&addresses), "10.233.1.1 10.233.1.2");
}
END_TEST

START_TEST(a_network_takes_all_that_is_in_it)
{
	struct nixos_addresses addresses = { 0 };

	nixos_addresses_take(&addresses, "10.233.1.77/24");
	ck_assert_str_eq(chosen(&addresses), "10.233.2.1 10.233.2.2");
	nixos_addresses_take(&addresses, "10.233.2.9/22");
	ck_assert_str_eq(chosen(&addresses), "10.233.4.1 10.233.4.2");
	nixos_addresses_take(&addresses, "10.233.4.5/31");
	ck_assert_str_eq(chosen(&addresses), "10.233.4.1 10.233.4.2");
}
END_TEST

START_TEST(there_are_254)
{
	struct nixos_addresses addresses = { 0 };
	struct nixos_pair pair;

	for (int i = 1; i <= 254; i++) {
		ck_assert_str_eq(chosen(&addresses),
				 arena_format(&arena, "10.233.%d.1 10.233.%d.2", i, i));
		nixos_addresses_take(&addresses,
				     arena_format(&arena, "10.233.%d.%d", i, i % 2 + 1));
	}
	ck_assert_int_eq(nixos_addresses_choose(&addresses, &pair), -EADDRNOTAVAIL);
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/nixos-addresses", the_smallest_number_that_is_free_is_chosen,
			other_addresses_take_nothing, a_network_takes_all_that_is_in_it,
			there_are_254);
}
