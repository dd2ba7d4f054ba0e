#include "kernel/link-port.h"

#include <linux/netlink.h>
#include <stdlib.h>

#include "base/unit.h"
#include "kernel/fixture.h"
#include "kernel/netlink.h"

static const unsigned char mac[] = { 2, 0, 0, 0, 0, 9 };

/* A port of a bridge; returns its index. */
static int enter(struct netlink *netlink, int *ret_peer)
{
	struct link_want bridge = { .name = "bridge" };
	struct link_want here = { .name = "port" }, end = { .name = "other" };
	int index;

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(netlink_open(netlink, NETLINK_ROUTE), 0);
	ck_assert_int_eq(link_make_bridge(netlink, &here.master, &bridge), 0);
	ck_assert_int_eq(link_make_veth(netlink, &index, ret_peer, &here, &end), 0);
	return index;
}

/* sysfs shows the namespace of who mounted it. */
static void expect(const char *name, char digit)
{
	char path[64], have;
	int fd;

	snprintf(path, sizeof(path), "/mnt/class/net/port/brport/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "open %s: %s", path, strerror(errno));
	ck_assert_int_eq(read(fd, &have, 1), 1);
	ck_assert_msg(have == digit, "%s is %c", name, have);
	close(fd);
}

START_TEST(a_port_is_as_it_is_set_and_else_as_it_was)
{
	struct netlink netlink;
	int peer, index = enter(&netlink, &peer);
	struct link_port port = {
		.isolated = LINK_ON,
		.learning = LINK_OFF,
		.flood = LINK_OFF,
		.neigh_suppress = LINK_ON,
		.bpdu_guard = LINK_ON,
		.root_block = LINK_ON,
	};

	if (mount("sysfs", "/mnt", "sysfs", 0, NULL) < 0) {
		puts("skipped: no sysfs of an own namespace can be mounted here");
		return;
	}
	expect("isolated", '0');
	expect("learning", '1');
	ck_assert_int_eq(link_port_set(&netlink, index, &port), 0);
	expect("isolated", '1');
	expect("learning", '0');
	expect("unicast_flood", '0');
	expect("neigh_suppress", '1');
	expect("bpdu_guard", '1');
	expect("root_block", '1');
	ck_assert_int_eq(link_port_set(&netlink, index, &(struct link_port){ .flood = LINK_ON }),
			 0);
	expect("isolated", '1');
	expect("unicast_flood", '1');
	netlink_close(&netlink);
}
END_TEST

START_TEST(a_mac_is_pinned_to_a_port)
{
	struct netlink netlink;
	int peer, index = enter(&netlink, &peer);

	ck_assert_int_eq(link_port_pin_mac(&netlink, index, mac), 0);
	ck_assert_int_eq(link_port_pin_mac(&netlink, index, mac), 0);
	netlink_close(&netlink);
}
END_TEST

START_TEST(what_is_no_port_is_refused)
{
	struct netlink netlink;
	struct link_port port = { .isolated = LINK_ON };
	int peer;

	enter(&netlink, &peer);
	ck_assert_int_lt(link_port_set(&netlink, peer, &port), 0);
	ck_assert_int_lt(link_port_pin_mac(&netlink, peer, mac), 0);
	ck_assert_int_eq(link_port_set(&netlink, 4711, &port), -ENODEV);
	ck_assert_int_eq(link_port_set(&netlink, 0, &port), -ENODEV);
	ck_assert_int_eq(link_port_pin_mac(&netlink, 0, mac), -ENODEV);
	netlink_close(&netlink);
}
END_TEST

int main(void)
{
	return UNIT_RUN("kernel/link-port", a_port_is_as_it_is_set_and_else_as_it_was,
			a_mac_is_pinned_to_a_port, what_is_no_port_is_refused);
}
