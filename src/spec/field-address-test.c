/* [X-Network]: what tests/spec/network.case does not reach: fields, and limits. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/unit.h"
#include "format/egress.h"
#include "spec/field.h"

static struct arena arena;
static struct spec spec;
static const char *why;

static void setup(void)
{
	spec_init(&spec);
}

static int apply(const char *option, const char *value)
{
	struct setting_reader reader = {
		.arena = &arena,
		.spec = &spec,
		.origin = BY_OPTION,
		.line = SPEC_LINE_OPTION,
	};
	bool ambiguous;
	int r;

	r = setting_apply(&reader, setting_by_option(option, strlen(option), &ambiguous), value);
	why = r < 0 ? setting_refusal(&reader, r) : "";
	return r;
}

static char *number(const char *format, unsigned int n)
{
	return arena_format(&arena, format, n);
}

START_TEST(an_address_without_a_length_is_a_single_one)
{
	setup();
	ck_assert_int_eq(apply("network-address", "10.0.0.2"), 0);
	ck_assert_int_eq(apply("network-address", "fd00::2"), 0);
	ck_assert_int_eq(apply("network-address", "fd00:1::2/48"), 0);
	ck_assert_int_eq(spec.addressing.mode, ADDRESSES_GIVEN);
	ck_assert_uint_eq(spec.addressing.addresses.items[0].length, 32);
	ck_assert_uint_eq(spec.addressing.addresses.items[1].length, 128);
	ck_assert_uint_eq(spec.addressing.addresses.items[2].length, 48);
	/* Host bits are the address. */
	ck_assert_uint_eq(spec.addressing.addresses.items[2].ip.bytes[15], 2);
}
END_TEST

START_TEST(addresses_of_nobody_are_refused)
{
	static const char *const values[] = {
		"0.0.0.0", "0.0.0.0/0", "127.0.0.1/8",	   "::",      "::1",
		"ff02::1", "224.0.0.1", "255.255.255.255", "fe80::1", ""
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		setup();
		ck_assert_msg(apply("network-address", values[i]) < 0, "%s", values[i]);
		ck_assert_msg(apply("network-host-address", values[i]) < 0, "%s", values[i]);
		ck_assert_int_eq(spec.addressing.mode, ADDRESSES_UNSET);
	}
}
END_TEST

START_TEST(lists_have_an_end)
{
	setup();
	for (unsigned int i = 0; i < 16; i++) {
		ck_assert_int_eq(apply("network-address", number("10.0.0.%u/24", i + 1)), 0);
		ck_assert_int_eq(apply("network-host-address", number("10.0.1.%u/24", i + 1)), 0);
		ck_assert_int_eq(apply("network-route", number("10.%u.0.0/16", i)), 0);
	}
	ck_assert_int_eq(apply("network-address", "10.0.0.99/24"), -EINVAL);
	ck_assert_str_eq(why, "too many addresses");
	ck_assert_int_eq(apply("network-host-address", "10.0.1.99/24"), -EINVAL);
	ck_assert_int_eq(apply("network-route", "10.99.0.0/16"), -EINVAL);
	ck_assert_str_eq(why, "too many routes");
	for (unsigned int i = 0; i < EGRESS_ENTRIES_MAX; i++)
		ck_assert_int_eq(apply("network-egress", number("10.0.0.%u", i % 256)), 0);
	ck_assert_int_eq(apply("network-egress", "10.1.0.0"), -EINVAL);
	ck_assert_str_eq(why, "too many destinations");
}
END_TEST

START_TEST(a_gateway_is_one_of_each_kind_and_may_be_link_local)
{
	setup();
	ck_assert_int_eq(apply("network-gateway", "fe80::1"), 0);
	ck_assert_int_eq(apply("network-gateway", "10.0.0.1"), 0);
	ck_assert_int_eq(spec.addressing.gateway[0].family, AF_INET);
	ck_assert_int_eq(spec.addressing.gateway[1].family, AF_INET6);
	ck_assert_int_lt(apply("network-gateway", "fe80::2"), 0);
	ck_assert_int_lt(apply("network-gateway", "10.0.0.1/24"), 0);
	ck_assert_str_eq(why, "not an address");
	ck_assert(!spec.addressing.no_gateway);
	ck_assert_int_eq(apply("network-gateway", "off"), 0);
	ck_assert(spec.addressing.no_gateway);
}
END_TEST

START_TEST(a_route_leads_to_a_network_over_a_neighbour_or_the_link)
{
	setup();
	ck_assert_int_eq(apply("network-route", "0.0.0.0/0,10.0.0.1"), 0);
	ck_assert_int_eq(apply("network-route", "2001:db8::/32"), 0);
	ck_assert_uint_eq(spec.addressing.routes.items[0].to.length, 0);
	ck_assert_int_eq(spec.addressing.routes.items[0].via.family, AF_INET);
	ck_assert_int_eq(spec.addressing.routes.items[1].via.family, 0);
	ck_assert_int_lt(apply("network-route", "lan,10.0.0.1"), 0);
	ck_assert_str_eq(why, "not a network");
	ck_assert_int_lt(apply("network-route", "10.0.0.0/8,lan"), 0);
	ck_assert_str_eq(why, "the gateway is not an address");
	ck_assert_uint_eq(spec.addressing.routes.count, 2);
}
END_TEST

START_TEST(a_hardware_address_is_one_interfaces)
{
	static const uint8_t mac[6] = { 2, 0xab, 0, 0, 0, 1 };

	setup();
	ck_assert_int_eq(apply("network-mac", "02:AB:00:00:00:01"), 0);
	ck_assert(spec.addressing.mac_set);
	ck_assert_mem_eq(spec.addressing.mac, mac, sizeof(mac));
	ck_assert_int_lt(apply("network-mac", "00:00:00:00:00:00"), 0);
	ck_assert_int_eq(apply("network-mac", "stable"), 0);
	ck_assert(!spec.addressing.mac_set);
}
END_TEST

START_TEST(destinations_are_looked_at_when_they_are_read)
{
	setup();
	ck_assert_int_eq(apply("network-egress", " deb.example.net:443\t10.0.0.0/8 "), 0);
	ck_assert_uint_eq(spec.addressing.egress.count, 2);
	ck_assert_int_eq(apply("network-egress", "a.example 10.0.0/8"), -EINVAL);
	ck_assert_str_eq(why, "'10.0.0/8' is no name and no network, with or without ports");
	ck_assert_int_eq(apply("network-egress", "a.example:1-64"), 0);
	ck_assert_int_eq(apply("network-egress", "a.example:1-65"), -EINVAL);
	ck_assert_str_eq(why, "'a.example:1-65' has more than 64 ports of a name");
	/* Of a line with a mistake nothing is taken. */
	ck_assert_uint_eq(spec.addressing.egress.count, 3);
}
END_TEST

START_TEST(a_mistake_opens_nothing)
{
	setup();
	ck_assert_int_lt(apply("network-egress", "a..example"), 0);
	ck_assert(spec.addressing.egress_set);
	ck_assert_uint_eq(spec.addressing.egress.count, 0);
}
END_TEST

int main(void)
{
	return UNIT_RUN("spec/field-address", an_address_without_a_length_is_a_single_one,
			addresses_of_nobody_are_refused, lists_have_an_end,
			a_gateway_is_one_of_each_kind_and_may_be_link_local,
			a_route_leads_to_a_network_over_a_neighbour_or_the_link,
			a_hardware_address_is_one_interfaces,
			destinations_are_looked_at_when_they_are_read, a_mistake_opens_nothing);
}
