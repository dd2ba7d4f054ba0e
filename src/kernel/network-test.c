#include "kernel/network.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>

#include "kernel/fixture.h"

static bool loopback_is_up(void)
{
	struct ifaddrs *list, *at;
	bool up = false;

	ck_assert_int_eq(getifaddrs(&list), 0);
	for (at = list; at; at = at->ifa_next)
		up = up || (strcmp(at->ifa_name, "lo") == 0 && at->ifa_flags & IFF_UP);
	freeifaddrs(list);
	return up;
}

START_TEST(loopback_comes_up)
{
	fixture_enter(CLONE_NEWNET);
	ck_assert(!loopback_is_up());
	ck_assert_int_eq(network_loopback_up(), 0);
	ck_assert(loopback_is_up());
}
END_TEST

static void read_setting(char ret[8], const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(read(fd, ret, 7), 0);
	close(fd);
}

START_TEST(settings_are_of_one_interface_alone)
{
	char setting[8] = "";

	fixture_enter(CLONE_NEWNET);
	if (access("/proc/sys/net/ipv6/conf/lo/accept_ra", F_OK) < 0)
		return;
	ck_assert_int_eq(network_ignore_routers("lo"), 0);
	read_setting(setting, "/proc/sys/net/ipv6/conf/lo/accept_ra");
	ck_assert_str_eq(setting, "0\n");
	read_setting(setting, "/proc/sys/net/ipv6/conf/default/accept_ra");
	ck_assert_str_eq(setting, "1\n");
	ck_assert_int_eq(network_ignore_routers("eth7"), -ENOENT);
	ck_assert_int_eq(network_trust_addresses("lo"), 0);
	read_setting(setting, "/proc/sys/net/ipv6/conf/lo/accept_dad");
	ck_assert_str_eq(setting, "0\n");
	ck_assert_int_eq(network_trust_addresses("eth7"), -ENOENT);
}
END_TEST

START_TEST(routers_are_ignored_in_another_namespace)
{
	char setting[8] = "";
	int here, there;

	fixture_enter(CLONE_NEWNET);
	if (access("/proc/sys/net/ipv6/conf/lo/accept_ra", F_OK) < 0)
		return;
	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(network_prepare_in(there, "lo"), 0);
	ck_assert_int_eq(network_prepare_in(there, "eth7"), -ENOENT);
	read_setting(setting, "/proc/sys/net/ipv6/conf/lo/accept_ra");
	ck_assert_str_eq(setting, "1\n");
	ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
	read_setting(setting, "/proc/sys/net/ipv6/conf/lo/accept_ra");
	ck_assert_str_eq(setting, "0\n");
	close(here);
	close(there);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("network");

	tcase_add_test(cases, loopback_comes_up);
	tcase_add_test(cases, settings_are_of_one_interface_alone);
	tcase_add_test(cases, routers_are_ignored_in_another_namespace);
	return fixture_run(cases, "kernel/network");
}
