#include "plan/network.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"
#include "format/link-names.h"
#include "plan/sample.h"
#include "plan/step.h"

static struct sample sample;

/* A container with a network of its own; links are the case's matter. */
static void begin(void)
{
	sample_init(&sample);
	sample.spec.private_network = TRISTATE_YES;
	sample.spec.machine = "web";
	sample.taken.network_shared = false;
	for (size_t i = 0; i < sizeof(sample.host.machine_id); i++)
		sample.host.machine_id[i] = (uint8_t)i;
}

static void add(struct interface_list *list, const char *host, const char *container)
{
	struct interface_pair *pair = list_grow(&sample.arena, (void **)&list->items, &list->count,
						sizeof(*pair));

	*pair = (struct interface_pair){ .host = host, .container = container };
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix ret;

	ck_assert_int_eq(ip_parse_prefix(&ret, text), 0);
	return ret;
}

static void give(struct prefix_list *list, const char *text)
{
	struct ip_prefix *added = list_grow(&sample.arena, (void **)&list->items, &list->count,
					    sizeof(*added));

	*added = prefix(text);
}

static void fill_pool(void)
{
	sample.taken.pooled = (struct pooled){
		.taken = true,
		.guest = { prefix("10.213.0.2/30"), prefix("fd00:7::2/64") },
		.host = { prefix("10.213.0.1/30"), prefix("fd00:7::1/64") },
		.count = 2,
	};
}

/* The N-th of all links. */
static const struct link_plan *link_number(size_t n)
{
	for (size_t i = 0; i < sample.plan.count; i++)
		if (sample.plan.steps[i].kind == STEP_LINK && n-- == 0)
			return sample.plan.steps[i].link;
	return NULL;
}

static size_t count(enum step_kind kind)
{
	size_t found = 0;

	for (size_t i = 0; i < sample.plan.count; i++)
		found += sample.plan.steps[i].kind == kind;
	return found;
}

static bool has_mac(const uint8_t *mac, enum link_names_mac_kind kind, uint64_t index)
{
	uint8_t derived[LINK_NAMES_MAC_SIZE];

	link_names_mac(derived, kind, sample.host.machine_id, sample.spec.machine, index);
	return memcmp(mac, derived, sizeof(derived)) == 0;
}

START_TEST(each_kind_of_link_has_hardware_addresses_of_its_own)
{
	begin();
	sample.spec.network_veth = TRISTATE_YES;
	add(&sample.spec.veth_extras, "a", "a");
	add(&sample.spec.veth_extras, "b", "b");
	add(&sample.spec.macvlans, "eth0", NULL);
	add(&sample.spec.macvlans, "eth1", NULL);
	add(&sample.spec.ipvlans, "eth2", NULL);
	add(&sample.spec.interfaces, "eth3", NULL);
	ck_assert_int_eq(sample_build(&sample), 0);
	ck_assert_uint_eq(count(STEP_LINK), 7);
	ck_assert(has_mac(link_number(0)->host_mac, LINK_NAMES_MAC_HOST, 0));
	ck_assert(has_mac(link_number(0)->mac, LINK_NAMES_MAC_GUEST, 0));
	/* Moved: it keeps what it has. */
	ck_assert_int_eq(link_number(1)->kind, LINK_INTERFACE);
	ck_assert(!link_number(1)->has_mac);
	ck_assert(has_mac(link_number(3)->host_mac, LINK_NAMES_MAC_EXTRA_HOST, 1));
	ck_assert(has_mac(link_number(3)->mac, LINK_NAMES_MAC_EXTRA_GUEST, 1));
	ck_assert(has_mac(link_number(5)->mac, LINK_NAMES_MAC_MACVLAN, 1));
	/* It has its parent's. */
	ck_assert_int_eq(link_number(6)->kind, LINK_IPVLAN);
	ck_assert(!link_number(6)->has_mac);
	sample_done(&sample);
}
END_TEST

START_TEST(what_was_given_goes_to_the_first_link_that_is_no_extra)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };

	begin();
	add(&sample.spec.veth_extras, "a", "host0");
	add(&sample.spec.macvlans, "eth0", NULL);
	memcpy(sample.spec.addressing.mac, mac, sizeof(mac));
	sample.spec.addressing.mac_set = true;
	sample.spec.addressing.mode = ADDRESSES_GIVEN;
	give(&sample.spec.addressing.addresses, "192.0.2.7/24");
	ck_assert_int_eq(sample_build(&sample), 0);
	ck_assert(has_mac(link_number(0)->mac, LINK_NAMES_MAC_EXTRA_GUEST, 0));
	ck_assert(!link_number(0)->up_inside);
	ck_assert_mem_eq(link_number(1)->mac, mac, sizeof(mac));
	ck_assert(link_number(1)->up_inside);
	sample_done(&sample);
}
END_TEST

/* Reference 7.1: the host's end of a veth pair is brought up by who gives it its address. */
START_TEST(an_end_is_up_where_somebody_of_ours_looks_after_it)
{
	static const struct {
		const char *zone, *bridge;
		enum address_mode mode;
		bool networkd, up, up_inside;
	} cases[] = {
		{ .up = true, .up_inside = true },
		{ .networkd = true },
		{ .mode = ADDRESSES_OFF },
		{ .mode = ADDRESSES_AUTO, .networkd = true, .up = true, .up_inside = true },
		{ .zone = "z", .networkd = true, .up = true },
		{ .zone = "z", .up = true, .up_inside = true },
		{ .bridge = "br0", .up = true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin();
		fill_pool();
		sample.host.networkd = cases[i].networkd;
		sample.spec.addressing.mode = cases[i].mode;
		sample.spec.network_zone = cases[i].zone;
		sample.spec.network_bridge = cases[i].bridge;
		sample.spec.network_veth = cases[i].zone || cases[i].bridge ? TRISTATE_NO
									    : TRISTATE_YES;
		ck_assert_int_eq(sample_build(&sample), 0);
		ck_assert_msg(link_number(0)->up == cases[i].up, "%zu", i);
		ck_assert_msg(link_number(0)->up_inside == cases[i].up_inside, "%zu", i);
		sample_done(&sample);
	}
}
END_TEST

START_TEST(a_name_that_is_too_long_is_kept_as_another_one)
{
	begin();
	sample.spec.machine = "a-name-that-is-too-long";
	sample.spec.network_veth = TRISTATE_YES;
	add(&sample.spec.macvlans, "interface-name0", NULL);
	ck_assert_int_eq(sample_build(&sample), 0);
	ck_assert_uint_eq(strlen(link_number(0)->host), LINK_NAMES_LINK_ROOM - 1);
	ck_assert_str_eq(link_number(0)->host_alternative, "ve-a-name-that-is-too-long");
	ck_assert_str_eq(link_number(1)->alternative, "mv-interface-name0");
	sample_done(&sample);
}
END_TEST

START_TEST(two_interfaces_cannot_have_one_name_inside)
{
	begin();
	sample.spec.network_veth = TRISTATE_YES;
	add(&sample.spec.veth_extras, "a", "host0");
	ck_assert_int_eq(sample_build(&sample), -EINVAL);
	sample_done(&sample);
	begin();
	/* On the host's side the kernel knows better: names may be free by then. */
	add(&sample.spec.veth_extras, "a", "one");
	add(&sample.spec.veth_extras, "a", "two");
	ck_assert_int_eq(sample_build(&sample), 0);
	sample_done(&sample);
}
END_TEST

START_TEST(with_the_hosts_network_there_is_nothing_to_make)
{
	begin();
	sample.spec.private_network = TRISTATE_NO;
	sample.taken.network_shared = true;
	ck_assert_int_eq(sample_build(&sample), 0);
	for (size_t i = 0; i < sample.plan.count; i++)
		ck_assert_int_ne(sample.plan.steps[i].side, SIDE_NETWORK);
	sample_done(&sample);
}
END_TEST

START_TEST(addresses_are_ours_unless_somebody_else_gives_them)
{
	struct spec spec;

	spec_init(&spec);
	ck_assert_int_eq(network_address_mode(&spec, false), ADDRESSES_OFF);
	spec.network_veth = TRISTATE_YES;
	ck_assert_int_eq(network_address_mode(&spec, false), ADDRESSES_AUTO);
	ck_assert_int_eq(network_address_mode(&spec, true), ADDRESSES_OFF);
	spec.network_bridge = "br0";
	ck_assert_int_eq(network_address_mode(&spec, false), ADDRESSES_OFF);
	spec.network_bridge = NULL;
	spec.network_veth = TRISTATE_NO;
	spec.network_zone = "z";
	ck_assert_int_eq(network_address_mode(&spec, false), ADDRESSES_AUTO);
	spec.addressing.mode = ADDRESSES_GIVEN;
	ck_assert_int_eq(network_address_mode(&spec, true), ADDRESSES_GIVEN);
}
END_TEST

static const char *server(bool ipv6)
{
	static char text[IP_TEXT_ROOM];
	struct planner p = { .spec = &sample.spec, .host = &sample.host, .taken = &sample.taken };
	struct ip ip = network_name_server(&p, ipv6);

	return ip.family == 0 ? "" : ip_text(text, &ip);
}

START_TEST(the_name_server_is_the_hosts_end)
{
	begin();
	fill_pool();
	ck_assert_str_eq(server(false), "");
	sample.spec.network_veth = TRISTATE_YES;
	ck_assert_str_eq(server(false), "10.213.0.1");
	ck_assert_str_eq(server(true), "fd00:7::1");
	give(&sample.spec.addressing.host_addresses, "10.0.0.1/24");
	ck_assert_str_eq(server(false), "10.0.0.1");
	ck_assert_str_eq(server(true), "");
	sample.spec.addressing.dns = DNS_OFF;
	ck_assert_str_eq(server(false), "");
	sample.spec.addressing.dns = DNS_GIVEN;
	ck_assert_int_eq(ip_parse(&sample.spec.addressing.dns_server, "2001:db8::53"), 0);
	ck_assert_str_eq(server(false), "");
	ck_assert_str_eq(server(true), "2001:db8::53");
	sample_done(&sample);
}
END_TEST

START_TEST(nobody_of_ours_answers_where_the_addresses_are_not_ours)
{
	begin();
	fill_pool();
	sample.spec.network_bridge = "br0";
	ck_assert_str_eq(server(false), "");
	sample.spec.network_bridge = NULL;
	sample.spec.network_veth = TRISTATE_YES;
	sample.host.networkd = true;
	ck_assert_str_eq(server(false), "");
	ck_assert_int_eq(sample_build(&sample), 0);
	ck_assert_uint_eq(count(STEP_ANSWER) + count(STEP_MASQUERADE) + count(STEP_ADDRESS), 0);
	sample_done(&sample);
}
END_TEST

/* Silence here would leave open what was to be closed. */
START_TEST(what_may_be_reached_is_not_promised_where_it_cannot_be_kept)
{
	begin();
	fill_pool();
	sample.spec.network_veth = TRISTATE_YES;
	sample.spec.addressing.egress_set = true;
	ck_assert_int_eq(sample_build(&sample), 0);
	ck_assert_uint_eq(count(STEP_EGRESS), 1);
	sample.host.networkd = true;
	ck_assert_int_eq(sample_build(&sample), -EINVAL);
	sample.host.networkd = false;
	sample.spec.addressing.mode = ADDRESSES_OFF;
	ck_assert_int_eq(sample_build(&sample), -EINVAL);
	sample.spec.addressing.mode = ADDRESSES_GIVEN;
	give(&sample.spec.addressing.addresses, "10.0.0.2/24");
	ck_assert_int_eq(sample_build(&sample), -EINVAL);
	give(&sample.spec.addressing.host_addresses, "10.0.0.1/24");
	ck_assert_int_eq(sample_build(&sample), 0);
	ck_assert_uint_eq(count(STEP_EGRESS), 1);
	sample_done(&sample);
}
END_TEST

int main(void)
{
	return UNIT_RUN("plan/network", each_kind_of_link_has_hardware_addresses_of_its_own,
			what_was_given_goes_to_the_first_link_that_is_no_extra,
			an_end_is_up_where_somebody_of_ours_looks_after_it,
			a_name_that_is_too_long_is_kept_as_another_one,
			two_interfaces_cannot_have_one_name_inside,
			with_the_hosts_network_there_is_nothing_to_make,
			addresses_are_ours_unless_somebody_else_gives_them,
			the_name_server_is_the_hosts_end,
			nobody_of_ours_answers_where_the_addresses_are_not_ours,
			what_may_be_reached_is_not_promised_where_it_cannot_be_kept);
}
