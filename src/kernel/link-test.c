#include "kernel/link.h"

#include <linux/ip.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>

#include "base/unit.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/netlink.h"

static const unsigned char ours[] = { 2, 0, 0, 0, 0, 1 }, theirs[] = { 2, 0, 0, 0, 0, 2 };

/* A host and, behind the returned descriptor, a container. */
static int enter(struct netlink *host, struct netlink *guest)
{
	autoclose int home = -EBADF, there = -EBADF;

	fixture_enter(CLONE_NEWNET);
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
	ck_assert_int_eq(netlink_open(host, NETLINK_ROUTE), 0);
	ck_assert_int_eq(netlink_open_in(guest, NETLINK_ROUTE, there), 0);
	return take_fd(&there);
}

START_TEST(a_name_and_a_number_lead_to_each_other)
{
	char name[LINK_NAME_SIZE];

	fixture_enter(CLONE_NEWNET);
	ck_assert_uint_eq(link_index("lo"), 1);
	ck_assert_int_eq(link_name(name, 1), 0);
	ck_assert_str_eq(name, "lo");
	ck_assert_uint_eq(link_index("none"), 0);
	ck_assert_uint_eq(link_index("a-name-of-sixteen"), 0);
	ck_assert_int_eq(link_name(name, 77), -ENODEV);
}
END_TEST

static int make_bridge(struct netlink *netlink, const char *name)
{
	struct link_want want = { .name = name };
	int index = 0;

	ck_assert_int_eq(link_make_bridge(netlink, &index, &want), 0);
	ck_assert_int_gt(index, 0);
	return index;
}

START_TEST(a_pair_is_made_with_all_it_shall_be)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	int bridge = make_bridge(&host, "vz-zone"), index, peer;
	struct link_want here = {
		.name = "ve-machine",
		.altname = "ve-machine-of-a-longer-name",
		.mac = ours,
		.master = bridge,
		.mtu = 1400,
		.group = 7,
		.up = LINK_ON,
	};
	struct link_want end = { .name = "host0", .mac = theirs, .netns_fd = there, .mtu = 1400 };
	struct link_facts facts;

	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	ck_assert_int_eq(link_read(&host, &facts, index), 0);
	ck_assert_int_eq(facts.index, index);
	ck_assert_int_eq(facts.master, bridge);
	ck_assert_int_eq(facts.parent, peer);
	ck_assert_int_ge(facts.parent_nsid, 0);
	ck_assert_uint_eq(facts.flags & IFF_UP, IFF_UP);
	ck_assert_uint_eq(facts.mtu, 1400);
	ck_assert_uint_eq(facts.group, 7);
	ck_assert(facts.has_mac);
	ck_assert_mem_eq(facts.mac, ours, sizeof(ours));
	ck_assert_str_eq(facts.name, "ve-machine");
	ck_assert_str_eq(facts.kind, "veth");
	ck_assert_uint_eq(facts.altname_count, 1);
	ck_assert_str_eq(facts.altnames[0], "ve-machine-of-a-longer-name");

	ck_assert_int_eq(link_find(&guest, &facts, "host0"), 0);
	ck_assert_int_eq(facts.index, peer);
	ck_assert_int_eq(facts.parent, index);
	ck_assert_uint_eq(facts.flags & IFF_UP, 0);
	ck_assert_mem_eq(facts.mac, theirs, sizeof(theirs));
	ck_assert_int_eq(facts.master, 0);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

/* Both directions, in 16 bits each. */
static int take_queues(const struct netlink_answer *answer, void *context)
{
	struct netlink_reader reader = answer->body;
	struct netlink_attribute at;
	struct ifinfomsg body;

	if (answer->type != RTM_NEWLINK || netlink_take(&reader, &body, sizeof(body)) < 0)
		return 0;
	while (netlink_next(&reader, &at)) {
		if (at.type == IFLA_NUM_TX_QUEUES)
			*(uint32_t *)context += netlink_u32(&at) << 16;
		else if (at.type == IFLA_NUM_RX_QUEUES)
			*(uint32_t *)context += netlink_u32(&at);
	}
	return 0;
}

static uint32_t queues_of(struct netlink *netlink, int index)
{
	unsigned char room[256];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct ifinfomsg body = { .ifi_index = index };
	uint32_t queues = 0;

	netlink_begin(&request, RTM_GETLINK, NLM_F_ACK, &body, sizeof(body));
	ck_assert_int_eq(netlink_call(netlink, &request, take_queues, &queues), 0);
	return queues;
}

START_TEST(no_end_of_a_pair_has_queues_that_it_does_not_use)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	struct link_want here = { .name = "one" }, end = { .name = "two", .netns_fd = there };
	int index, peer;

	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	ck_assert_uint_eq(queues_of(&host, index), 1U << 16 | 1U);
	ck_assert_uint_eq(queues_of(&guest, peer), 1U << 16 | 1U);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(both_ends_may_stay_and_go_up_together)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	struct link_want here = { .name = "one" }, up = { .up = LINK_ON };
	struct link_want end = { .name = "two", .up = LINK_ON };
	unsigned char room[256];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct link_facts facts;
	int index, peer;

	(void)there;
	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), -EINVAL);
	end.up = LINK_KEEP;
	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	ck_assert_int_eq(link_put(&request, index, &up, 0), 0);
	ck_assert_int_eq(link_put(&request, peer, &up, NLM_F_ACK), 0);
	ck_assert_int_eq(netlink_call(&host, &request, NULL, NULL), 0);
	ck_assert_int_eq(link_read(&host, &facts, peer), 0);
	ck_assert_str_eq(facts.name, "two");
	ck_assert_uint_eq(facts.flags & (IFF_UP | IFF_RUNNING), IFF_UP | IFF_RUNNING);
	ck_assert_int_eq(facts.parent_nsid, -1);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(a_name_that_is_taken_is_told_and_left_alone)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	int bridge = make_bridge(&host, "taken"), index = -7, peer = -7;
	struct link_want here = { .name = "taken", .altname = "another", .mac = ours };
	struct link_want end = { .name = "host0", .netns_fd = there };
	struct link_facts facts;

	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), -EEXIST);
	ck_assert_int_eq(index, -7);
	ck_assert_int_eq(link_read(&host, &facts, bridge), 0);
	ck_assert_uint_eq(facts.altname_count, 0);
	ck_assert_int_eq(link_is_free(&guest, "host0"), 1);

	make_bridge(&guest, "host0");
	here.name = "other";
	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), -EEXIST);
	ck_assert_int_eq(link_is_free(&host, "other"), 1);
	ck_assert_int_eq(link_make_bridge(&host, &index, &(struct link_want){ .name = "taken" }),
			 -EEXIST);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(what_fails_half_way_leaves_nothing)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	struct link_want here = { .name = "one", .master = 4711 };
	struct link_want end = { .name = "host0", .netns_fd = there };
	int index, peer;

	ck_assert_int_lt(link_make_veth(&host, &index, &peer, &here, &end), 0);
	ck_assert_int_eq(link_is_free(&host, "one"), 1);
	ck_assert_int_eq(link_is_free(&guest, "host0"), 1);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(what_is_no_name_is_refused)
{
	struct netlink netlink = NETLINK_EMPTY;
	struct link_want want = { .name = "sixteen-letters!" };
	struct link_facts facts;
	char longest[LINK_ALTNAME_SIZE + 1];
	int index;

	memset(longest, 'a', sizeof(longest));
	longest[LINK_ALTNAME_SIZE] = '\0';
	ck_assert_int_eq(link_make_bridge(&netlink, &index, &want), -EINVAL);
	want.name = "";
	ck_assert_int_eq(link_make_bridge(&netlink, &index, &want), -EINVAL);
	want.name = NULL;
	ck_assert_int_eq(link_make_bridge(&netlink, &index, &want), -EINVAL);
	ck_assert_int_eq(link_find(&netlink, &facts, longest), -EINVAL);
	ck_assert_int_eq(link_find(&netlink, &facts, ""), -EINVAL);
	ck_assert_int_eq(link_add_altname(&netlink, 1, longest), -EINVAL);
	ck_assert_int_eq(link_set(&netlink, 1, &(struct link_want){ .name = "sixteen-letters!" }),
			 -EINVAL);
}
END_TEST

START_TEST(no_index_is_no_interface)
{
	struct netlink netlink = NETLINK_EMPTY;
	struct link_facts facts;

	ck_assert_int_eq(link_read(&netlink, &facts, 0), -ENODEV);
	ck_assert_int_eq(link_set(&netlink, 0, &(struct link_want){ .name = "lo" }), -ENODEV);
	ck_assert_int_eq(link_add_altname(&netlink, 0, "x"), -ENODEV);
	ck_assert_int_eq(link_delete(&netlink, 0), -ENODEV);
	ck_assert_int_eq(link_set_ipv4(&netlink, 0, IPV4_DEVCONF_FORWARDING, 1), -ENODEV);
}
END_TEST

START_TEST(what_is_not_there_is_told)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	struct link_facts facts;

	(void)there;
	ck_assert_int_eq(link_find(&host, &facts, "nobody"), -ENODEV);
	ck_assert_int_eq(link_find(&host, &facts, "nobody-with-a-longer-name"), -ENODEV);
	ck_assert_int_eq(link_read(&host, &facts, 4711), -ENODEV);
	ck_assert_int_eq(link_set(&host, 4711, &(struct link_want){ .up = LINK_ON }), -ENODEV);
	ck_assert_int_eq(link_delete(&host, 4711), -ENODEV);
	ck_assert_int_eq(link_add_altname(&host, 4711, "other"), -ENODEV);
	ck_assert_int_eq(link_is_free(&host, "nobody"), 1);
	ck_assert_int_eq(link_is_free(&host, "lo"), 0);
	ck_assert_int_eq(link_delete(&host, 1), -EOPNOTSUPP);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(alternative_names_count_as_names)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	int index = make_bridge(&host, "one"), other = make_bridge(&host, "two");
	struct link_facts facts;

	(void)there;
	ck_assert_int_eq(link_add_altname(&host, index, "a-name-of-more-than-sixteen"), 0);
	ck_assert_int_eq(link_add_altname(&host, index, "short"), 0);
	ck_assert_int_eq(link_add_altname(&host, other, "short"), -EEXIST);
	ck_assert_int_eq(link_find(&host, &facts, "a-name-of-more-than-sixteen"), 0);
	ck_assert_int_eq(facts.index, index);
	ck_assert_str_eq(facts.name, "one");
	ck_assert_int_eq(link_find(&host, &facts, "short"), 0);
	ck_assert_int_eq(facts.index, index);
	ck_assert_uint_eq(facts.altname_count, 2);
	ck_assert_int_eq(link_is_free(&host, "short"), 0);
	ck_assert_int_eq(link_remove_altname(&host, index, "short"), 0);
	ck_assert_int_eq(link_is_free(&host, "short"), 1);
	for (int i = 0; i < LINK_ALTNAMES_MAX + 2; i++) {
		char name[16];

		snprintf(name, sizeof(name), "alt%d", i);
		ck_assert_int_eq(link_add_altname(&host, index, name), 0);
	}
	ck_assert_int_eq(link_read(&host, &facts, index), 0);
	ck_assert_uint_eq(facts.altname_count, LINK_ALTNAMES_MAX);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(one_goes_to_another_namespace_under_another_name_and_comes_home)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	autoclose int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct link_want here = { .name = "one", .mac = ours }, end = { .name = "two" };
	struct link_want move = { .name = "moved", .netns_fd = there, .up = LINK_ON };
	struct link_facts facts;
	int index, peer;

	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	ck_assert_int_eq(link_set(&host, index, &move), 0);
	ck_assert_int_eq(link_is_free(&host, "one"), 1);
	ck_assert_int_eq(link_find(&guest, &facts, "moved"), 0);
	ck_assert_uint_eq(facts.flags & IFF_UP, IFF_UP);
	ck_assert_mem_eq(facts.mac, ours, sizeof(ours));

	make_bridge(&host, "one");
	move = (struct link_want){ .name = "one", .netns_fd = home };
	ck_assert_int_eq(link_set(&guest, facts.index, &move), -EEXIST);
	ck_assert_int_eq(link_find(&host, &facts, "moved"), 0);

	ck_assert_int_eq(link_set(&host, facts.index, &(struct link_want){ .netns_fd = there }), 0);
	ck_assert_int_eq(link_find(&guest, &facts, "moved"), 0);
	move.name = "again";
	ck_assert_int_eq(link_set(&guest, facts.index, &move), 0);
	ck_assert_int_eq(link_find(&host, &facts, "again"), 0);
	ck_assert_uint_eq(facts.flags & IFF_UP, 0);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(what_is_set_is_so_and_the_rest_stays)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	int bridge = make_bridge(&host, "bridge"), index, peer;
	struct link_want here = { .name = "one", .mtu = 1300 }, end = { .name = "two" };
	struct link_facts facts;

	(void)there;
	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	here = (struct link_want){
		.name = "renamed", .mac = theirs, .master = bridge, .group = 9, .up = LINK_ON
	};
	ck_assert_int_eq(link_set(&host, index, &here), 0);
	ck_assert_int_eq(link_find(&host, &facts, "renamed"), 0);
	ck_assert_int_eq(facts.index, index);
	ck_assert_int_eq(facts.master, bridge);
	ck_assert_uint_eq(facts.group, 9);
	ck_assert_uint_eq(facts.mtu, 1300);
	ck_assert_uint_eq(facts.flags & IFF_UP, IFF_UP);
	ck_assert_mem_eq(facts.mac, theirs, sizeof(theirs));

	ck_assert_int_eq(link_set(&host, index, &(struct link_want){ .master = -1 }), 0);
	ck_assert_int_eq(link_read(&host, &facts, index), 0);
	ck_assert_int_eq(facts.master, 0);
	ck_assert_uint_eq(facts.flags & IFF_UP, IFF_UP);
	ck_assert_int_eq(link_set(&host, index, &(struct link_want){ .up = LINK_OFF }), 0);
	ck_assert_int_eq(link_read(&host, &facts, index), 0);
	ck_assert_uint_eq(facts.flags & IFF_UP, 0);
	ck_assert_str_eq(facts.name, "renamed");
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(a_deleted_end_takes_the_other_with_it)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	struct link_want here = { .name = "one" }, end = { .name = "host0", .netns_fd = there };
	int index, peer;

	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	ck_assert_int_eq(link_is_free(&guest, "host0"), 0);
	ck_assert_int_eq(link_delete(&host, index), 0);
	ck_assert_int_eq(link_is_free(&guest, "host0"), 1);
	ck_assert_int_eq(link_delete(&host, index), -ENODEV);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(a_bridge_is_empty_without_ports)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	int bridge = make_bridge(&host, "bridge"), other = make_bridge(&host, "other"), index, peer;
	struct link_want here = { .name = "one", .master = other }, end = { .name = "two" };

	(void)there;
	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	ck_assert_int_eq(link_is_empty_bridge(&host, bridge), 1);
	ck_assert_int_eq(link_is_empty_bridge(&host, other), 0);
	ck_assert_int_eq(link_set(&host, index, &(struct link_want){ .master = bridge }), 0);
	ck_assert_int_eq(link_is_empty_bridge(&host, bridge), 0);
	ck_assert_int_eq(link_is_empty_bridge(&host, other), 1);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(a_bridge_with_a_mac_keeps_it)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	struct link_want want = { .name = "bridge", .mac = theirs, .group = 3, .up = LINK_ON };
	struct link_want here = { .name = "one", .mac = ours }, end = { .name = "two" };
	struct link_facts facts;
	int index, peer;

	(void)there;
	ck_assert_int_eq(link_make_bridge(&host, &here.master, &want), 0);
	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	ck_assert_int_eq(link_read(&host, &facts, here.master), 0);
	ck_assert_mem_eq(facts.mac, theirs, sizeof(theirs));
	ck_assert_str_eq(facts.kind, "bridge");
	ck_assert_uint_eq(facts.group, 3);
	ck_assert_uint_eq(facts.flags & IFF_UP, IFF_UP);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(a_macvlan_stands_on_another_interface)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	struct link_want here = { .name = "one" }, end = { .name = "two" };
	struct link_want want = { .name = "mv-one", .mac = theirs, .netns_fd = there };
	struct link_facts facts;
	int index, peer, made = -7;

	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	ck_assert_int_eq(link_make_macvlan(&host, &made, index, &want), 0);
	ck_assert_int_eq(made, 0);
	ck_assert_int_eq(link_is_free(&host, "mv-one"), 1);
	ck_assert_int_eq(link_find(&guest, &facts, "mv-one"), 0);
	ck_assert_str_eq(facts.kind, "macvlan");
	ck_assert_int_eq(facts.parent, index);
	ck_assert_int_ge(facts.parent_nsid, 0);
	ck_assert_mem_eq(facts.mac, theirs, sizeof(theirs));
	ck_assert_int_eq(link_make_macvlan(&host, NULL, index, &want), -EEXIST);

	want = (struct link_want){ .name = "here" };
	ck_assert_int_eq(link_make_macvlan(&host, &made, index, &want), 0);
	ck_assert_int_eq(link_find(&host, &facts, "here"), 0);
	ck_assert_int_eq(facts.index, made);
	want.name = "nowhere";
	ck_assert_int_eq(link_make_macvlan(&host, &made, 4711, &want), -ENODEV);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(an_ipvlan_stands_on_another_interface_where_the_kernel_has_them)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	struct link_want here = { .name = "one", .mac = ours }, end = { .name = "two" };
	struct link_want want = { .name = "iv-one", .netns_fd = there };
	struct link_facts facts;
	int index, peer, r;

	ck_assert_int_eq(link_make_veth(&host, &index, &peer, &here, &end), 0);
	r = link_make_ipvlan(&host, NULL, index, &want);
	if (r == -EOPNOTSUPP) {
		puts("skipped: this kernel has no ipvlan");
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(link_find(&guest, &facts, "iv-one"), 0);
	ck_assert_str_eq(facts.kind, "ipvlan");
	ck_assert_int_eq(facts.parent, index);
	ck_assert_mem_eq(facts.mac, ours, sizeof(ours));
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

static int count(const struct link_facts *facts, void *context)
{
	(void)facts;
	return ++*(int *)context == 2;
}

START_TEST(a_list_ends_when_it_is_enough)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	int seen = 0;

	(void)there;
	make_bridge(&host, "one");
	make_bridge(&host, "two");
	ck_assert_int_eq(link_list(&host, 0, count, &seen), 0);
	ck_assert_int_eq(seen, 2);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

START_TEST(ipv4_settings_are_those_of_proc)
{
	struct netlink host, guest;
	autoclose int there = enter(&host, &guest);
	int index = make_bridge(&host, "one");
	autoclose int fd = -EBADF;
	char digit;

	(void)there;
	fd = open("/proc/sys/net/ipv4/conf/one/forwarding", O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &digit, 1, 0), 1);
	ck_assert_int_eq(digit, '0');
	ck_assert_int_eq(link_set_ipv4(&host, index, IPV4_DEVCONF_FORWARDING, 1), 0);
	ck_assert_int_eq(pread(fd, &digit, 1, 0), 1);
	ck_assert_int_eq(digit, '1');
	ck_assert_int_eq(link_set_ipv4(&host, index, 4711, 1), -EINVAL);
	netlink_close(&host);
	netlink_close(&guest);
}
END_TEST

int main(void)
{
	return UNIT_RUN("kernel/link", a_pair_is_made_with_all_it_shall_be,
			no_end_of_a_pair_has_queues_that_it_does_not_use,
			both_ends_may_stay_and_go_up_together,
			a_name_that_is_taken_is_told_and_left_alone,
			what_fails_half_way_leaves_nothing, what_is_no_name_is_refused,
			no_index_is_no_interface, what_is_not_there_is_told,
			alternative_names_count_as_names,
			one_goes_to_another_namespace_under_another_name_and_comes_home,
			what_is_set_is_so_and_the_rest_stays, a_deleted_end_takes_the_other_with_it,
			a_bridge_is_empty_without_ports, a_bridge_with_a_mac_keeps_it,
			a_macvlan_stands_on_another_interface,
			an_ipvlan_stands_on_another_interface_where_the_kernel_has_them,
			a_list_ends_when_it_is_enough, ipv4_settings_are_those_of_proc,
			a_name_and_a_number_lead_to_each_other);
}
