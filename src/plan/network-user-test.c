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

static void want_zone(struct spec *spec)
{
	spec->network_zone = "z";
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

static void want_egress(struct spec *spec)
{
	spec->addressing.egress_set = true;
}

static void want_no_nat(struct spec *spec)
{
	spec->addressing.nat = TRISTATE_NO;
}

START_TEST(what_only_root_can_do_is_refused_with_a_way_out)
{
	static void (*const changes[])(struct spec *) = { want_bridge,	want_zone,   want_interface,
							  want_macvlan, want_ipvlan, want_extra,
							  want_egress,	want_no_nat };

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

int main(void)
{
	return UNIT_RUN("plan/network-user", a_user_gets_a_link_to_a_program,
			who_is_confined_is_no_root_either, what_the_host_does_not_reach_is_left_out,
			addresses_of_the_users_choice_are_told_too,
			a_client_inside_is_told_what_nobody_sets,
			what_only_root_can_do_is_refused_with_a_way_out,
			without_a_link_nothing_is_asked_of_the_program);
}
