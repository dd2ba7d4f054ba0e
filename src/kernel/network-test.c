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

int main(void)
{
	TCase *cases = tcase_create("network");

	tcase_add_test(cases, loopback_comes_up);
	return fixture_run(cases, "kernel/network");
}
