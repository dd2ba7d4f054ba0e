#include "machine/addresses.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/unit.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/link.h"
#include "kernel/namespace.h"
#include "kernel/netlink.h"
#include "kernel/network.h"
#include "kernel/route.h"
#include "kernel/syscall.h"

static struct arena arena;

/* As machinectl reads them: the namespace by its number, the way into it by a pidfd. */
static size_t read_of(struct address **ret, struct addresses *walk, pid_t pid)
{
	autoclose int pidfd = sys_pidfd_open(pid, 0);
	size_t count = 7;
	uint32_t there;

	ck_assert_int_ge(pidfd, 0);
	ck_assert_int_eq(namespace_number(&there, pid, "net"), 0);
	ck_assert_int_eq(addresses_read(&arena, walk, ret, &count, pidfd, there), 0);
	return count;
}

START_TEST(who_is_at_home_has_none_of_his_own)
{
	struct addresses walk = ADDRESSES_EMPTY;
	struct address *found;

	ck_assert_int_eq(addresses_begin(&walk), 0);
	ck_assert_uint_eq(read_of(&found, &walk, getpid()), 0);
	addresses_end(&walk);
}
END_TEST

START_TEST(the_loopback_counts_for_nothing_and_the_way_leads_home)
{
	struct addresses walk = ADDRESSES_EMPTY;
	struct stat before, after;
	struct address *found;
	int ready[2];
	char byte;
	pid_t child;

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNET) == 0 && network_loopback_up() >= 0)
			(void)!write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(stat("/proc/self/ns/net", &before), 0);
	ck_assert_int_eq(addresses_begin(&walk), 0);
	ck_assert_uint_eq(read_of(&found, &walk, child), 0);
	ck_assert(walk.away);
	addresses_end(&walk);
	ck_assert_int_eq(stat("/proc/self/ns/net", &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
END_TEST

/* A namespace with COUNT addresses from 10.0.0.1 on, and one that only its link knows. */
static void make_addresses(unsigned int count)
{
	struct netlink netlink;
	struct link_want want = { .name = "some", .up = LINK_ON };
	struct route_address address = { .local = { AF_INET, 32, { 169, 254, 0, 1 } },
					 .scope = RT_SCOPE_LINK };

	if (unshare(CLONE_NEWNET) < 0 || netlink_open(&netlink, NETLINK_ROUTE) < 0 ||
	    link_make_bridge(&netlink, &address.link, &want) < 0 ||
	    route_add_address(&netlink, &address) < 0)
		_exit(1);
	address.local.bytes[0] = 10;
	address.local.bytes[1] = 0;
	address.scope = RT_SCOPE_UNIVERSE;
	for (unsigned int i = 1; i <= count; i++) {
		address.local.bytes[2] = (unsigned char)(i >> 8);
		address.local.bytes[3] = (unsigned char)i;
		if (route_add_address(&netlink, &address) < 0)
			_exit(1);
	}
	netlink_close(&netlink);
}

static size_t read_made(struct address **ret, unsigned int made)
{
	struct addresses walk = ADDRESSES_EMPTY;
	int ready[2];
	char byte;
	size_t count;
	pid_t child;

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		make_addresses(made);
		(void)!write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(addresses_begin(&walk), 0);
	count = read_of(ret, &walk, child);
	addresses_end(&walk);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return count;
}

START_TEST(what_others_can_reach_comes_first)
{
	struct address *found;
	size_t count = read_made(&found, 1);

	ck_assert_uint_ge(count, 2);
	ck_assert_str_eq(addresses_text(&arena, &found[0]), "10.0.0.1");
	ck_assert_str_eq(addresses_text(&arena, &found[1]), "169.254.0.1");
}
END_TEST

START_TEST(of_very_many_some_are_enough)
{
	struct address *found;

	ck_assert_uint_eq(read_made(&found, 3 * ADDRESSES_MAX), ADDRESSES_MAX);
}
END_TEST

START_TEST(addresses_are_written_as_everybody_does)
{
	struct address four = { .family = AF_INET, .bytes = { 10, 0, 0, 2 } };
	struct address six = { .family = AF_INET6, .bytes = { 0xfe, 0x80, [15] = 1 } };

	ck_assert_str_eq(addresses_text(&arena, &four), "10.0.0.2");
	ck_assert_str_eq(addresses_text(&arena, &six), "fe80::1");
}
END_TEST

int main(void)
{
	int status = UNIT_RUN("machine/addresses", who_is_at_home_has_none_of_his_own,
			      the_loopback_counts_for_nothing_and_the_way_leads_home,
			      what_others_can_reach_comes_first, of_very_many_some_are_enough,
			      addresses_are_written_as_everybody_does);

	arena_done(&arena);
	return status;
}
