#include "net/zone.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/file.h>

#include "base/fail.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "format/link-names.h"

#undef fail /* an old macro of Check */

static const uint8_t host_id[16] = { 1, 2, 3 };

static struct netlink netlink = NETLINK_EMPTY;

/* A host with nothing in its network, and a /run that is not the real one's. */
static void begin(void)
{
	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0);
	ck_assert_int_eq(netlink_open(&netlink, NETLINK_ROUTE), 0);
}

static bool is_there(struct link_facts *ret)
{
	return link_find(&netlink, ret, "vz-web") == 0;
}

/* A machine's link joins. */
static int join(const char *name, int bridge)
{
	struct link_want here = { .name = name, .master = bridge }, there = { .name = NULL };
	int index;

	ck_assert_int_eq(link_make_veth(&netlink, &index, NULL, &here, &there), 0);
	return index;
}

static void make(void)
{
	autoclose int lock = zone_make(&netlink, "vz-web", host_id);

	ck_assert_int_ge(lock, 0);
}

START_TEST(the_bridge_comes_with_the_first_machine_and_goes_with_the_last)
{
	struct link_facts bridge;
	int one, two;

	begin();
	make();
	ck_assert(is_there(&bridge));
	ck_assert_str_eq(bridge.kind, "bridge");
	ck_assert(bridge.flags & IFF_UP);
	one = join("vb-one", bridge.index);
	make();
	two = join("vb-two", bridge.index);
	zone_leave(&netlink, "vz-web");
	ck_assert(is_there(&bridge));
	ck_assert_int_eq(link_delete(&netlink, one), 0);
	zone_leave(&netlink, "vz-web");
	ck_assert(is_there(&bridge));
	ck_assert_int_eq(link_delete(&netlink, two), 0);
	zone_leave(&netlink, "vz-web");
	ck_assert(!is_there(&bridge));
	ck_assert_int_eq(fail_recorded()->code, 0);
}
END_TEST

/* It is the gateway's, which siblings remember. */
START_TEST(its_hardware_address_is_its_own_whoever_joins)
{
	uint8_t mac[LINK_NAMES_MAC_SIZE];
	struct link_facts bridge;

	begin();
	link_names_mac(mac, LINK_NAMES_MAC_ZONE, host_id, "vz-web", 0);
	make();
	ck_assert(is_there(&bridge));
	ck_assert_mem_eq(bridge.mac, mac, sizeof(mac));
	join("vb-one", bridge.index);
	ck_assert(is_there(&bridge));
	ck_assert_mem_eq(bridge.mac, mac, sizeof(mac));
}
END_TEST

START_TEST(nobody_behind_it_is_a_router_for_the_host)
{
	char setting[4] = "";
	int fd;

	begin();
	make();
	fd = open("/proc/sys/net/ipv6/conf/vz-web/accept_ra", O_RDONLY | O_CLOEXEC);
	if (fd < 0) /* without IPv6 */
		return;
	ck_assert_int_eq(read(fd, setting, sizeof(setting) - 1), 2);
	ck_assert_str_eq(setting, "0\n");
	close(fd);
}
END_TEST

START_TEST(another_programs_bridge_is_used_and_brought_up)
{
	struct link_want want = { .name = "vz-web", .mac = (uint8_t[]){ 2, 0, 0, 0, 0, 7 } };
	struct link_facts bridge;
	int index;

	begin();
	ck_assert_int_eq(link_make_bridge(&netlink, &index, &want), 0);
	make();
	ck_assert(is_there(&bridge));
	ck_assert_int_eq(bridge.index, index);
	ck_assert(bridge.flags & IFF_UP);
	ck_assert_uint_eq(bridge.mac[5], 7);
}
END_TEST

START_TEST(what_is_no_bridge_is_neither_used_nor_removed)
{
	struct link_facts facts;

	begin();
	join("vz-web", 0);
	ck_assert_int_lt(zone_make(&netlink, "vz-web", host_id), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'vz-web'"));
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "no bridge"));
	zone_leave(&netlink, "vz-web");
	ck_assert(is_there(&facts));
}
END_TEST

START_TEST(a_bridge_that_is_gone_is_not_missed)
{
	begin();
	zone_leave(&netlink, "vz-web");
	ck_assert_int_eq(fail_recorded()->code, 0);
}
END_TEST

/* Between making and joining it is empty, and nobody may take that for its end. */
START_TEST(while_a_machine_joins_nobody_else_makes_or_removes)
{
	int lock, other;

	begin();
	lock = zone_make(&netlink, "vz-web", host_id);
	ck_assert_int_ge(lock, 0);
	ck_assert_int_eq(fcntl(lock, F_GETFD), FD_CLOEXEC);
	other = open("/run/systemd/nspawn-network-zone", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(other, 0);
	ck_assert_int_lt(flock(other, LOCK_EX | LOCK_NB), 0);
	fd_close(&lock);
	ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
	fd_close(&other);
}
END_TEST

/* /run is root's, but what is there may be a trap all the same. */
START_TEST(a_link_in_place_of_the_lock_is_not_followed)
{
	begin();
	ck_assert_int_eq(mkdir("/run/systemd", 0755), 0);
	ck_assert_int_eq(symlink("/mnt/trap", "/run/systemd/nspawn-network-zone"), 0);
	ck_assert_int_lt(zone_make(&netlink, "vz-web", host_id), 0);
	ck_assert_int_lt(access("/mnt/trap", F_OK), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("zone");

	tcase_add_test(cases, the_bridge_comes_with_the_first_machine_and_goes_with_the_last);
	tcase_add_test(cases, its_hardware_address_is_its_own_whoever_joins);
	tcase_add_test(cases, nobody_behind_it_is_a_router_for_the_host);
	tcase_add_test(cases, another_programs_bridge_is_used_and_brought_up);
	tcase_add_test(cases, what_is_no_bridge_is_neither_used_nor_removed);
	tcase_add_test(cases, a_bridge_that_is_gone_is_not_missed);
	tcase_add_test(cases, while_a_machine_joins_nobody_else_makes_or_removes);
	tcase_add_test(cases, a_link_in_place_of_the_lock_is_not_followed);
	return fixture_run(cases, "net/zone");
}
