#include "plan/network-user.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"
#include "plan/sample.h"
#include "plan/step.h"

static struct sample sample;

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix ret;

	ck_assert_int_eq(ip_parse_prefix(&ret, text), 0);
	return ret;
}

static bool is(const struct ip *ip, const char *text)
{
	char room[IP_TEXT_ROOM];

	return ip->family != 0 && text_equal(ip_text(room, ip), text);
}

/* Of a user who wants a link. */
static void begin(void)
{
	sample_init(&sample);
	sample.host.uid = 1000;
	sample.host.pasta = "/usr/bin/pasta";
	sample.spec.private_network = TRISTATE_YES;
	sample.spec.network_veth = TRISTATE_YES;
	sample.spec.machine = "web";
	sample.taken.network_shared = false;
	sample.taken.pooled = (struct pooled){
		.taken = true,
		.guest = { prefix("10.213.0.2/30"), prefix("fd00:7::2/64") },
		.host = { prefix("10.213.0.1/30"), prefix("fd00:7::1/64") },
		.count = 2,
	};
}

static const struct link_plan *the_link(void)
{
	const struct link_plan *found = NULL;

	fail_forget();
	ck_assert_int_eq(sample_build(&sample), 0);
	for (size_t i = 0; i < sample.plan.count; i++) {
		if (sample.plan.steps[i].kind != STEP_LINK)
			continue;
		ck_assert_ptr_null(found);
		found = sample.plan.steps[i].link;
	}
	ck_assert_ptr_nonnull(found);
	return found;
}

START_TEST(a_user_gets_a_link_to_a_program)
{
	const struct link_plan *link;

	begin();
	link = the_link();
	ck_assert_int_eq(link->kind, LINK_USER);
	ck_assert_str_eq(link->host, "/usr/bin/pasta");
	ck_assert_str_eq(link->name, "host0");
	ck_assert(link->has_mac && link->up_inside);
	ck_assert(is(&link->guest[0].ip, "10.213.0.2") && link->guest[0].length == 30);
	ck_assert(is(&link->guest[1].ip, "fd00:7::2") && link->guest[1].length == 64);
	ck_assert(is(&link->gateway[0], "10.213.0.1") && is(&link->gateway[1], "fd00:7::1"));
	ck_assert(is(&link->dns[0], "10.213.0.1") && is(&link->dns[1], "fd00:7::1"));
	sample_done(&sample);
}
END_TEST

START_TEST(who_is_confined_is_no_root_either)
{
	begin();
	sample.host.uid = 0;
	ck_assert(!network_user_is(&sample.host));
	ck_assert_int_eq(the_link()->kind, LINK_VETH);
	sample.host.confined = true;
	ck_assert(network_user_is(&sample.host));
	ck_assert_int_eq(the_link()->kind, LINK_USER);
	sample_done(&sample);
}
END_TEST

START_TEST(what_the_host_does_not_reach_is_left_out)
{
	const struct link_plan *link;

	begin();
	sample.taken.pooled.guest[0] = sample.taken.pooled.guest[1];
	sample.taken.pooled.host[0] = sample.taken.pooled.host[1];
	sample.taken.pooled.count = 1;
	link = the_link();
	ck_assert_int_eq(link->guest[0].ip.family, 0);
	ck_assert_int_eq(link->gateway[0].family, 0);
	ck_assert_int_eq(link->dns[0].family, 0);
	ck_assert(is(&link->guest[1].ip, "fd00:7::2") && is(&link->dns[1], "fd00:7::1"));
	sample_done(&sample);
}
END_TEST

START_TEST(addresses_of_the_users_choice_are_told_too)
{
	const struct link_plan *link;
	struct addressing *addressing = &sample.spec.addressing;

	begin();
	addressing->mode = ADDRESSES_GIVEN;
	for (int i = 0; i < 2; i++)
		*(struct ip_prefix *)list_grow(&sample.arena, (void **)&addressing->addresses.items,
					       &addressing->addresses.count,
					       sizeof(struct ip_prefix)) =
			prefix(i == 0 ? "10.0.0.7/24" : "10.0.1.7/24");
	ck_assert_int_eq(ip_parse(&addressing->gateway[0], "10.0.0.1"), 0);
	link = the_link();
	ck_assert(is(&link->guest[0].ip, "10.0.0.7") && is(&link->gateway[0], "10.0.0.1"));
	ck_assert(is(&link->dns[0], "10.0.0.1"));
	ck_assert_int_eq(link->guest[1].ip.family, 0);
	addressing->dns = DNS_OFF;
	ck_assert_int_eq(the_link()->dns[0].family, 0);
	sample_done(&sample);
}
END_TEST

START_TEST(a_client_inside_is_told_what_nobody_sets)
{
	const struct link_plan *link;

	begin();
	sample.spec.addressing.mode = ADDRESSES_OFF;
	link = the_link();
	ck_assert(!link->up_inside);
	ck_assert(is(&link->guest[0].ip, "10.213.0.2") && is(&link->gateway[0], "10.213.0.1"));
	ck_assert(is(&link->dns[0], "10.213.0.1"));
	sample_done(&sample);
}
END_TEST

static int build_with(void (*change)(struct spec *spec))
{
	int r;

	begin();
	change(&sample.spec);
	fail_forget();
	r = sample_build(&sample);
	sample_done(&sample);
	return r;
}

static void want_bridge(struct spec *spec)
{
	spec->network_bridge = "br0";
}

static void add_pair(struct interface_list *list)
{
	static struct interface_pair pair = { "eth0", "eth0" };

	list->items = &pair;
	list->count = 1;
}

static void want_interface(struct spec *spec)
{
	add_pair(&spec->interfaces);
}

static void want_macvlan(struct spec *spec)
{
	add_pair(&spec->macvlans);
}

static void want_ipvlan(struct spec *spec)
{
	add_pair(&spec->ipvlans);
}

static void want_extra(struct spec *spec)
{
	add_pair(&spec->veth_extras);
}

static void want_no_nat(struct spec *spec)
{
	spec->addressing.nat = TRISTATE_NO;
}

START_TEST(what_only_root_can_do_is_refused_with_a_way_out)
{
	static void (*const changes[])(struct spec *) = {
		want_bridge, want_interface, want_macvlan, want_ipvlan, want_extra, want_no_nat
	};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		ck_assert_int_eq(build_with(changes[i]), -EPERM);
		ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "without root"));
		ck_assert_ptr_nonnull(strstr(fail_recorded()->text, " ("));
	}
}
END_TEST

START_TEST(without_a_link_nothing_is_asked_of_the_program)
{
	begin();
	sample.spec.network_veth = TRISTATE_NO;
	sample.host.pasta = NULL;
	ck_assert_int_eq(sample_build(&sample), 0);
	sample.spec.network_veth = TRISTATE_YES;
	ck_assert_int_eq(sample_build(&sample), -ENOPKG);
	sample_done(&sample);
}
END_TEST

/* ---- where others are behind the same bridge, or it may not send what it likes ---- */

/* With siblings if ZONE, else alone behind a link of its own. */
static void begin_middle(bool zone)
{
	begin();
	if (zone) {
		sample.spec.network_zone = "z";
		sample.spec.network_veth = TRISTATE_NO;
	} else {
		sample.spec.addressing.egress_set = true;
	}
}

static const struct step *find(enum step_kind kind)
{
	const struct step *found = NULL;

	for (size_t i = 0; i < sample.plan.count; i++) {
		if (sample.plan.steps[i].kind != kind)
			continue;
		ck_assert_ptr_null(found);
		found = &sample.plan.steps[i];
	}
	return found;
}

/* The interface in the middle, and the container's. */
static void the_links(const struct link_plan *ret[2])
{
	size_t count = 0;

	fail_forget();
	ck_assert_msg(sample_build(&sample) == 0, "%s", fail_recorded()->text);
	for (size_t i = 0; i < sample.plan.count; i++) {
		if (sample.plan.steps[i].kind != STEP_LINK)
			continue;
		ck_assert_uint_lt(count, 2);
		ret[count++] = sample.plan.steps[i].link;
	}
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(ret[0]->kind, LINK_UPLINK);
	ck_assert_int_eq(ret[1]->kind, LINK_VETH);
}

START_TEST(a_zone_has_its_way_out_in_the_middle)
{
	const struct link_plan *links[2];

	begin_middle(true);
	ck_assert(network_user_has_middle(&sample.spec, &sample.host));
	ck_assert(!network_user_is_direct(&sample.spec, &sample.host));
	the_links(links);
	ck_assert_str_eq(links[0]->host, "/usr/bin/pasta");
	ck_assert_str_eq(links[0]->name, "u-web");
	ck_assert_str_eq(links[1]->host, "vb-web");
	ck_assert_str_eq(links[1]->name, "host0");
	ck_assert_str_eq(links[1]->master, "vz-z");
	ck_assert(links[1]->up && links[1]->has_mac);
	ck_assert_str_eq(find(STEP_ZONE)->target, "vz-z");
	ck_assert_str_eq(find(STEP_MASQUERADE)->data, "vb-web");
	ck_assert_ptr_null(find(STEP_EGRESS));
	sample_done(&sample);
}
END_TEST

START_TEST(who_may_not_send_what_it_likes_has_its_way_out_in_the_middle)
{
	const struct link_plan *links[2];

	begin_middle(false);
	ck_assert(network_user_has_middle(&sample.spec, &sample.host));
	the_links(links);
	ck_assert_str_eq(links[0]->name, "u-web");
	ck_assert_str_eq(links[1]->host, "ve-web");
	ck_assert_ptr_null(links[1]->master);
	ck_assert_ptr_null(find(STEP_ZONE));
	ck_assert_str_eq(find(STEP_MASQUERADE)->data, "ve-web");
	ck_assert_str_eq(find(STEP_EGRESS)->data, "nothing");
	sample_done(&sample);
}
END_TEST

START_TEST(root_needs_no_middle)
{
	begin_middle(true);
	sample.host.uid = 0;
	ck_assert(!network_user_has_middle(&sample.spec, &sample.host));
	ck_assert(!network_user_is_direct(&sample.spec, &sample.host));
	ck_assert_int_eq(the_link()->kind, LINK_VETH);
	sample.host.confined = true;
	ck_assert(network_user_has_middle(&sample.spec, &sample.host));
	/* And a link of its own leads to the program at once. */
	sample.spec.network_zone = NULL;
	sample.spec.network_veth = TRISTATE_YES;
	ck_assert(network_user_is_direct(&sample.spec, &sample.host));
	ck_assert_int_eq(the_link()->kind, LINK_USER);
	sample_done(&sample);
}
END_TEST

/* The slot tells the addresses. */
START_TEST(in_the_middle_each_has_addresses_and_hardware_of_its_own)
{
	const struct link_plan *links[2];
	uint8_t macs[2][6];

	begin_middle(true);
	the_links(links);
	ck_assert(is(&links[0]->guest[0].ip, "169.254.64.2") && links[0]->guest[0].length == 30);
	ck_assert(is(&links[0]->guest[1].ip, "fd52:6564:6400::2"));
	ck_assert_uint_eq(links[0]->guest[1].length, 64);
	for (int i = 0; i < 2; i++) {
		const char *gateway = i == 0 ? "169.254.64.1" : "fd52:6564:6400::1";

		ck_assert(is(&links[0]->gateway[i], gateway) && is(&links[0]->dns[i], gateway));
		ck_assert(ip_is_in(&links[0]->gateway[i], &links[0]->guest[i]));
	}
	ck_assert(links[0]->has_mac);
	ck_assert_mem_ne(links[0]->mac, links[0]->host_mac, 6);
	ck_assert_mem_ne(links[0]->mac, links[1]->mac, 6);
	ck_assert_mem_ne(links[0]->host_mac, links[1]->host_mac, 6);
	memcpy(macs[0], links[0]->mac, 6);
	memcpy(macs[1], links[0]->host_mac, 6);
	sample.spec.machine = "db";
	sample.taken.uplink_slot = 1;
	the_links(links);
	ck_assert_str_eq(links[0]->name, "u-db");
	ck_assert(is(&links[0]->guest[0].ip, "169.254.64.6"));
	ck_assert(is(&links[0]->dns[1], "fd52:6564:6400:1::1"));
	ck_assert_mem_ne(links[0]->mac, macs[0], 6);
	ck_assert_mem_ne(links[0]->host_mac, macs[1], 6);
	sample_done(&sample);
}
END_TEST

START_TEST(the_interface_in_the_middle_has_a_name_that_the_kernel_takes)
{
	const struct link_plan *links[2];

	begin_middle(true);
	sample.spec.machine = "a-name-that-is-too-long";
	the_links(links);
	ck_assert_uint_lt(strlen(links[0]->name), 16);
	ck_assert_ptr_eq(strstr(links[0]->name, "u-a-name"), links[0]->name);
	sample_done(&sample);
}
END_TEST

/* It is no interface of the container. */
START_TEST(the_containers_interface_is_the_first_and_may_be_called_the_same)
{
	const struct link_plan *links[2];
	static uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };

	begin_middle(true);
	sample.spec.addressing.interface_name = "u-web";
	sample.spec.addressing.mac_set = true;
	memcpy(sample.spec.addressing.mac, mac, sizeof(mac));
	the_links(links);
	ck_assert_str_eq(links[0]->name, links[1]->name);
	ck_assert_mem_eq(links[1]->mac, mac, sizeof(mac));
	ck_assert_mem_ne(links[0]->mac, mac, sizeof(mac));
	ck_assert(links[1]->up_inside && !links[0]->up_inside);
	ck_assert_str_eq(links[1]->name, "u-web");
	sample_done(&sample);
}
END_TEST

/* Whatever its addresses are: what the program gets must have its interface's. */
START_TEST(in_the_middle_all_is_masqueraded)
{
	const struct link_plan *links[2];
	struct addressing *addressing = &sample.spec.addressing;

	begin_middle(true);
	addressing->mode = ADDRESSES_GIVEN;
	*(struct ip_prefix *)list_grow(&sample.arena, (void **)&addressing->addresses.items,
				       &addressing->addresses.count,
				       sizeof(struct ip_prefix)) = prefix("10.0.0.7/24");
	the_links(links);
	ck_assert_str_eq(find(STEP_MASQUERADE)->data, "vb-web");
	addressing->nat = TRISTATE_YES;
	the_links(links);
	ck_assert_str_eq(find(STEP_MASQUERADE)->data, "vb-web");
	addressing->nat = TRISTATE_NO;
	ck_assert_int_eq(sample_build(&sample), -EPERM);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'--network-nat=no' without root"));
	sample_done(&sample);
}
END_TEST

START_TEST(without_the_program_there_is_no_way_out_of_the_middle)
{
	begin_middle(true);
	sample.host.pasta = NULL;
	ck_assert_int_eq(sample_build(&sample), -ENOPKG);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "or leave out --network-zone=)"));
	sample_done(&sample);
	begin_middle(false);
	sample.host.pasta = NULL;
	fail_forget();
	ck_assert_int_eq(sample_build(&sample), -ENOPKG);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "or leave out --network-veth)"));
	sample_done(&sample);
}
END_TEST

int main(void)
{
	return UNIT_RUN("plan/network-user", a_user_gets_a_link_to_a_program,
			who_is_confined_is_no_root_either, what_the_host_does_not_reach_is_left_out,
			addresses_of_the_users_choice_are_told_too,
			a_client_inside_is_told_what_nobody_sets,
			what_only_root_can_do_is_refused_with_a_way_out,
			without_a_link_nothing_is_asked_of_the_program,
			a_zone_has_its_way_out_in_the_middle,
			who_may_not_send_what_it_likes_has_its_way_out_in_the_middle,
			root_needs_no_middle,
			in_the_middle_each_has_addresses_and_hardware_of_its_own,
			the_interface_in_the_middle_has_a_name_that_the_kernel_takes,
			the_containers_interface_is_the_first_and_may_be_called_the_same,
			in_the_middle_all_is_masqueraded,
			without_the_program_there_is_no_way_out_of_the_middle);
}
