#include "net/pool.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "kernel/fixture.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "net/config.h"
#include "format/link-names.h"

#define STARTS 50

static const uint8_t mac[6] = { 0x8e, 0x9d, 0x40, 0xf1, 0x77, 0x0b }, host_id[16] = { 1, 2, 3 };

static struct arena arena;
static struct config config;
static struct netlink netlink = NETLINK_EMPTY;
static const char *dead_tag;
static char noted[256];
static int note_result;

static bool is_alive(void *context, const char *name, const char *tag)
{
	ck_assert_ptr_eq(context, &config);
	ck_assert_str_ne(name, "");
	return dead_tag == NULL || strcmp(tag, dead_tag) != 0;
}

static int note(void *context, const char *path)
{
	ck_assert_ptr_eq(context, &config);
	snprintf(noted, sizeof(noted), "%s", path);
	return note_result;
}

static const struct pool_caller caller = { is_alive, note, &config };

/* A host without any network but what a case makes; its runtime directory is /mnt. */
static void begin(void)
{
	fixture_enter(CLONE_NEWNET);
	config = config_default();
	ck_assert_int_eq(netlink_open(&netlink, NETLINK_ROUTE), 0);
}

static int ask(struct pool_lease *ret, const char *machine, const char *tag, const char *zone)
{
	struct pool_wish wish = { .machine = machine,
				  .tag = tag,
				  .zone = zone,
				  .mac = mac,
				  .host_id = host_id,
				  .config = &config };

	if (zone) {
		char name[32];

		snprintf(name, sizeof(name), "vz-%s", zone);
		wish.zone_link = (int)if_nametoindex(name);
	}
	return pool_take(&arena, ret, &netlink, "/mnt", &wish, &caller);
}

static struct pool_lease take(const char *machine, const char *tag, const char *zone)
{
	struct pool_lease lease;
	int r = ask(&lease, machine, tag, zone);

	ck_assert_msg(r == 0, "%d %s", r, fail_recorded()->text);
	return lease;
}

static const char *text(const struct route_prefix *prefix)
{
	static char texts[8][INET6_ADDRSTRLEN];
	static unsigned int next;
	char *room = texts[next++ % 8];

	ck_assert_ptr_nonnull(inet_ntop(prefix->family, prefix->bytes, room, INET6_ADDRSTRLEN));
	return room;
}

static bool is_same(const struct route_prefix *a, const struct route_prefix *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, 16) == 0;
}

static struct route_prefix prefix(const char *address, unsigned int length)
{
	struct route_prefix prefix = { .length = length };

	prefix.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	ck_assert_int_eq(inet_pton(prefix.family, address, prefix.bytes), 1);
	return prefix;
}

static int make_bridge(const char *name)
{
	const struct link_want want = { .name = name, .up = LINK_ON };
	int index;

	ck_assert_int_eq(link_make_bridge(&netlink, &index, &want), 0);
	return index;
}

static void add_route(int link, const char *address, unsigned int length)
{
	const struct route route = { .to = prefix(address, length), .link = link };

	ck_assert_int_eq(route_add(&netlink, &route), 0);
}

static void add_address(int link, const struct route_prefix *local)
{
	const struct route_address address = { .link = link, .local = *local };

	ck_assert_int_eq(route_add_address(&netlink, &address), 0);
}

static unsigned int count_files(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int count = 0;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* ---- links ---- */

START_TEST(a_machine_has_the_same_addresses_again)
{
	struct pool_lease lease, again, other;
	struct stat st;

	begin();
	lease = take("web", "0123", NULL);
	ck_assert_uint_eq(lease.guest.length, 30);
	ck_assert_uint_eq(lease.host.length, 30);
	ck_assert_uint_eq(lease.guest6.length, 64);
	ck_assert_int_eq(strncmp(text(&lease.guest), "10.213.", 7), 0);
	ck_assert_uint_eq(lease.host.bytes[3] & 3, 1);
	ck_assert_uint_eq(lease.guest.bytes[3] & 3, 2);
	ck_assert_mem_eq(lease.host6.bytes, lease.guest6.bytes, 8);
	ck_assert_uint_eq(lease.host6.bytes[15], 1);
	ck_assert_uint_eq(lease.guest6.bytes[7], lease.index & 0xff);
	ck_assert_str_eq(strrchr(text(&lease.guest6), ':'), ":770b");
	ck_assert_int_eq(stat("/mnt/network", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);

	other = take("other", "4567", NULL);
	ck_assert(!is_same(&lease.guest, &other.guest));
	ck_assert_uint_ne(lease.index, other.index);

	snprintf(noted, sizeof(noted), "/mnt/network/link.%u", lease.index);
	ck_assert_int_eq(pool_release(noted, "4567"), 0);
	ck_assert_uint_eq(count_files("/mnt/network"), 2);
	ck_assert_int_eq(pool_release(noted, "0123"), 0);
	ck_assert_uint_eq(count_files("/mnt/network"), 1);
	again = take("web", "89ab", NULL);
	ck_assert_mem_eq(&again, &lease, sizeof(lease));
}
END_TEST

START_TEST(what_a_dead_machine_left_is_taken_over)
{
	struct pool_lease lease, again, beside;

	begin();
	lease = take("web", "0123", NULL);
	beside = take("web", "4567", NULL);
	ck_assert_uint_eq(beside.index, (lease.index + 1) % 8192);
	dead_tag = "0123";
	again = take("web", "89ab", NULL);
	ck_assert_uint_eq(again.index, lease.index);
	/* Who cleans up after the dead one does the living one no harm. */
	snprintf(noted, sizeof(noted), "/mnt/network/link.%u", lease.index);
	ck_assert_int_eq(pool_release(noted, "0123"), 0);
	ck_assert_int_eq(access(noted, F_OK), 0);
}
END_TEST

START_TEST(it_is_noted_before_it_is_made)
{
	struct pool_lease lease;

	begin();
	note_result = -ENOSPC;
	ck_assert_int_eq(ask(&lease, "web", "0123", NULL), -ENOSPC);
	ck_assert_int_ne(access(noted, F_OK), 0);
	ck_assert_int_eq(ask(&lease, "web", "0123", "z"), -ENOSPC);
	ck_assert_int_ne(access(noted, F_OK), 0);
	note_result = 0;
	lease = take("web", "0123", NULL);
	ck_assert_int_eq(access(noted, F_OK), 0);
	ck_assert_int_eq(pool_release(noted, "0123"), 0);
	ck_assert_int_ne(access(noted, F_OK), 0);
	ck_assert_int_eq(pool_release(noted, "0123"), 0);
}
END_TEST

START_TEST(routes_and_addresses_of_the_host_are_left_alone)
{
	struct pool_lease first, second, third, fourth;
	int link;

	begin();
	link = make_bridge("lan");
	add_route(link, "0.0.0.0", 0);
	first = take("web", "01", NULL);
	ck_assert_int_eq(pool_release(noted, "01"), 0);
	/* A net, an address of somebody else in it, and one of our own. */
	add_route(link, text(&first.host), 32);
	second = take("web", "02", NULL);
	ck_assert_uint_eq(second.index, (first.index + 1) % 8192);
	ck_assert_int_eq(pool_release(noted, "02"), 0);
	add_address(link, &second.guest);
	third = take("web", "03", NULL);
	ck_assert_uint_eq(third.index, (first.index + 2) % 8192);
	ck_assert_int_eq(pool_release(noted, "03"), 0);
	add_address(link, &third.host6);
	fourth = take("web", "04", NULL);
	ck_assert_uint_eq(fourth.index, (first.index + 3) % 8192);
}
END_TEST

START_TEST(a_range_that_is_routed_elsewhere_is_left_out)
{
	struct pool_lease lease;
	int link;

	begin();
	link = make_bridge("lan");
	add_route(link, "10.0.0.0", 8);
	lease = take("web", "01", NULL);
	ck_assert_int_eq(strncmp(text(&lease.guest), "172.29.", 7), 0);
	ck_assert_uint_ge(lease.index, 8192);
	lease = take("web", "01", "z");
	ck_assert_int_eq(strncmp(text(&lease.guest), "172.29.", 7), 0);

	add_route(link, "172.16.0.0", 12);
	ck_assert_int_eq(ask(&lease, "other", "02", NULL), -EADDRNOTAVAIL);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "machine 'other'"));
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "172.29.0.0/16"));
	ck_assert_int_eq(ask(&lease, "other", "02", "y"), -EADDRNOTAVAIL);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "zone 'y'"));
	/* A route that leads nowhere keeps nobody away. */
	config.ranges[0] = (struct config_range){ 0xc0a80000, 16 };
	config.count = 1;
	ck_assert_int_eq(route_add(&netlink, &(struct route){ .to = prefix("192.168.0.0", 16),
							      .type = RTN_BLACKHOLE }),
			 0);
	lease = take("other", "02", NULL);
	lease = take("other", "02", "x");
}
END_TEST

static struct pool_lease look(const char *machine)
{
	const struct pool_wish wish = {
		.machine = machine, .mac = mac, .host_id = host_id, .config = &config
	};
	struct pool_lease lease;

	ck_assert_int_eq(pool_look(&arena, &lease, &netlink, &wish), 0);
	return lease;
}

START_TEST(who_only_looks_takes_nothing)
{
	struct pool_lease looked, again, taken;

	begin();
	looked = look("web");
	again = look("web");
	ck_assert(is_same(&again.guest, &looked.guest));
	ck_assert_int_eq(access("/mnt/network", F_OK), -1);
	taken = take("web", "a1", NULL);
	ck_assert(is_same(&taken.guest, &looked.guest) && is_same(&taken.host6, &looked.host6));
	again = look("web");
	ck_assert(is_same(&again.guest, &looked.guest));
}
END_TEST

START_TEST(who_only_looks_leaves_routes_alone_too)
{
	struct pool_lease before, after;
	struct pool_wish wish = {
		.machine = "web", .mac = mac, .host_id = host_id, .config = &config
	};
	struct route route = { 0 };

	begin();
	before = look("web");
	route.link = make_bridge("br0");
	route.to = before.guest;
	route.to.length = 32;
	ck_assert_int_eq(route_add(&netlink, &route), 0);
	after = look("web");
	ck_assert(!is_same(&after.guest, &before.guest));
	/* The whole range, and then the next one too. */
	route.to = prefix("10.213.0.0", 16);
	ck_assert_int_eq(route_add(&netlink, &route), 0);
	ck_assert_uint_eq(look("web").guest.bytes[0], 172);
	route.to = prefix("172.16.0.0", 12);
	ck_assert_int_eq(route_add(&netlink, &route), 0);
	ck_assert_int_eq(pool_look(&arena, &before, &netlink, &wish), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(when_all_are_taken_it_says_so)
{
	struct pool_lease lease;
	bool seen[64] = {};

	begin();
	config.ranges[0] = (struct config_range){ 0x0a000000, 23 };
	config.count = 1;
	for (unsigned int i = 0; i < 64; i++) {
		char name[16];

		snprintf(name, sizeof(name), "m%u", i);
		lease = take(name, "01", NULL);
		ck_assert_uint_lt(lease.index, 64);
		ck_assert(!seen[lease.index]);
		seen[lease.index] = true;
	}
	ck_assert_int_eq(ask(&lease, "last", "02", NULL), -EADDRNOTAVAIL);
	ck_assert_str_eq(fail_recorded()->text,
			 "cannot find addresses for machine 'last': each of the 64 nets in "
			 "10.0.0.0/23 is taken, or the host has a route there (try others, with "
			 "Pool= in " CONFIG_PATH ")");
}
END_TEST

/* ---- zones ---- */

START_TEST(the_machines_of_a_zone_share_a_net)
{
	struct pool_lease a, b, other;
	int bridge;

	begin();
	a = take("a", "0a", "z");
	ck_assert_uint_eq(a.guest.length, 24);
	ck_assert_uint_eq(a.host.bytes[3], 1);
	ck_assert_uint_ge(a.host.bytes[2], 128);
	ck_assert_uint_ge(a.index, 32768);
	/* What is on the zone's own bridge is nobody else's. */
	bridge = make_bridge("vz-z");
	add_address(bridge, &a.host);
	add_address(bridge, &a.host6);
	b = take("b", "0b", "z");
	ck_assert(is_same(&a.host, &b.host));
	ck_assert(is_same(&a.host6, &b.host6));
	ck_assert(!is_same(&a.guest, &b.guest));
	other = take("a", "0a", "y");
	ck_assert(!is_same(&a.host, &other.host));
	ck_assert_uint_ne(a.index, other.index);
}
END_TEST

START_TEST(the_last_one_gives_the_zones_net_back)
{
	struct pool_lease a, again;
	char path[sizeof(noted)];

	begin();
	a = take("a", "0a", "z");
	snprintf(path, sizeof(path), "%s", noted);
	take("b", "0b", "z");
	ck_assert_int_eq(pool_release(path, "0a"), 0);
	ck_assert_uint_eq(count_files("/mnt/network"), 3);
	ck_assert_int_eq(pool_release(noted, "0b"), 0);
	ck_assert_uint_eq(count_files("/mnt/network"), 0);
	ck_assert_int_eq(pool_release(noted, "0b"), 0);
	again = take("a", "1a", "z");
	ck_assert_mem_eq(&a, &again, sizeof(a));
}
END_TEST

START_TEST(other_ranges_are_for_zones_without_machines)
{
	struct pool_lease a, b, other;

	begin();
	a = take("a", "0a", "z");
	config.ranges[0] = (struct config_range){ 0xc0a80000, 16 };
	config.count = 1;
	b = take("b", "0b", "z");
	ck_assert(is_same(&a.host, &b.host));
	ck_assert_uint_eq(a.index, b.index);
	ck_assert_uint_eq(b.guest.length, 24);
	other = take("b", "0b", "y");
	ck_assert_int_eq(strncmp(text(&other.host), "192.168.", 8), 0);
	ck_assert_uint_ne(other.index, a.index);
	dead_tag = "0a";
	ck_assert_int_eq(pool_release(noted, "0b"), 0);
	snprintf(noted, sizeof(noted), "/mnt/network/zone.%u/%u", b.index - 32768,
		 b.guest.bytes[3]);
	ck_assert_int_eq(pool_release(noted, "0b"), 0);
	b = take("b", "1b", "z");
	ck_assert_int_eq(strncmp(text(&b.host), "192.168.", 8), 0);
}
END_TEST

START_TEST(a_dead_zones_net_is_taken_over)
{
	struct pool_lease first, second;

	begin();
	config.ranges[0] = (struct config_range){ 0x0a000000, 23 };
	config.count = 1;
	first = take("a", "0a", "z");
	ck_assert_int_eq(ask(&second, "b", "0b", "y"), -EADDRNOTAVAIL);
	dead_tag = "0a";
	second = take("b", "0b", "y");
	ck_assert(is_same(&first.host, &second.host));
	dead_tag = NULL;
	ck_assert_int_eq(ask(&first, "a", "1a", "z"), -EADDRNOTAVAIL);
	/* The dead one's address is cleaned up like any. */
	snprintf(noted, sizeof(noted), "/mnt/network/zone.0/%u", first.guest.bytes[3]);
	ck_assert_int_eq(pool_release(noted, "0a"), 0);
	second = take("c", "0c", "y");
	ck_assert_uint_eq(second.host.bytes[3], 1);
}
END_TEST

START_TEST(no_route_lies_in_a_zones_net)
{
	struct pool_lease first, second, third;
	int link;

	begin();
	link = make_bridge("lan");
	first = take("a", "0a", "z");
	ck_assert_int_eq(pool_release(noted, "0a"), 0);
	first.host.bytes[3] = 200;
	add_route(link, text(&first.host), 30);
	second = take("a", "0a", "z");
	ck_assert_uint_eq(second.index, 32768 + (first.index + 1 - 32768) % 128);
	ck_assert_int_eq(pool_release(noted, "0a"), 0);
	add_address(link, &second.host6);
	third = take("a", "0a", "z");
	ck_assert_uint_eq(third.index, 32768 + (first.index + 2 - 32768) % 128);
	/* It was there first: who has it keeps it. */
	third.host.bytes[3] = 200;
	add_route(link, text(&third.host), 32);
	second = take("b", "0b", "z");
	ck_assert_uint_eq(second.index, third.index);
}
END_TEST

START_TEST(a_full_zone_says_so)
{
	struct pool_lease lease;
	bool seen[256] = {};

	begin();
	for (unsigned int i = 0; i < 253; i++) {
		char name[16];

		snprintf(name, sizeof(name), "m%u", i);
		lease = take(name, "01", "z");
		ck_assert(!seen[lease.guest.bytes[3]]);
		seen[lease.guest.bytes[3]] = true;
	}
	ck_assert(!seen[0] && !seen[1] && !seen[255]);
	ck_assert_int_eq(ask(&lease, "last", "02", "z"), -EADDRNOTAVAIL);
	ck_assert_str_eq(fail_recorded()->text, "cannot find an address for machine 'last': all "
						"253 of zone 'z' are taken");
}
END_TEST

/* ---- all at once ---- */

/* Each process says what it got; the order of its words is that of the processes' ends. */
static void start_many(const char *const zones[], size_t zone_count, bool release)
{
	bool seen[65536] = {};
	struct pool_lease lease;
	int pipe_fds[2], status;

	ck_assert_int_eq(pipe(pipe_fds), 0);
	for (unsigned int i = 0; i < STARTS; i++) {
		char name[16], tag[16];

		snprintf(name, sizeof(name), "m%u", i);
		snprintf(tag, sizeof(tag), "%x", i + 1);
		if (fork() != 0)
			continue;
		netlink_close(&netlink);
		ck_assert_int_eq(netlink_open(&netlink, NETLINK_ROUTE), 0);
		for (int round = 0; round < 5 && release; round++) {
			take(name, tag, zone_count ? zones[i % zone_count] : NULL);
			ck_assert_int_eq(pool_release(noted, tag), 0);
		}
		lease = take(name, tag, zone_count ? zones[i % zone_count] : NULL);
		ck_assert_int_eq(write(pipe_fds[1], &lease, sizeof(lease)), sizeof(lease));
		_exit(0);
	}
	for (unsigned int i = 0; i < STARTS; i++) {
		unsigned int address;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
		ck_assert_int_eq(read(pipe_fds[0], &lease, sizeof(lease)), sizeof(lease));
		address = (unsigned int)lease.guest.bytes[2] << 8 | lease.guest.bytes[3];
		ck_assert(!seen[address]);
		seen[address] = true;
	}
}

START_TEST(fifty_starts_at_once_get_different_addresses)
{
	begin();
	config.ranges[0] = (struct config_range){ 0x0a000000, 23 };
	config.count = 1;
	start_many(NULL, 0, true);
	ck_assert_uint_eq(count_files("/mnt/network"), STARTS);
}
END_TEST

START_TEST(fifty_starts_in_zones_get_different_addresses)
{
	static const char *const zones[] = { "a", "b", "c", "d" };

	begin();
	start_many(zones, ARRAY_SIZE(zones), true);
	/* four nets, their owners and slots */
	ck_assert_uint_eq(count_files("/mnt/network"), 4 * 3);
}
END_TEST

/* ---- what is noted ---- */

START_TEST(only_leases_are_released)
{
	static const char *const bad[] = {
		"",
		"link.1",
		"/mnt/network/link.",
		"/mnt/network/link.x",
		"/mnt/network",
		"/mnt/network/owner.1",
		"/mnt/link.1",
		"/mnt/network/../network/link.1",
		"/mnt/network/zone.1",
		"/mnt/network/zone.1/x",
		"/mnt/zone.1/2",
		"/mnt/network/zone.1/../2",
		"/etc/passwd",
	};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(pool_release(bad[i], "01") == -EBADMSG, "%s", bad[i]);
	ck_assert_int_eq(pool_release("/mnt/network/link.1", "01"), 0);
	ck_assert_int_eq(pool_release("/mnt/network/zone.1/2", "01"), 0);
}
END_TEST

START_TEST(a_directory_of_somebody_else_is_refused)
{
	struct pool_lease lease;

	begin();
	ck_assert_int_eq(mkdir("/mnt/network", 0700), 0);
	ck_assert_int_eq(chmod("/mnt/network", 0777), 0);
	ck_assert_int_eq(ask(&lease, "web", "01", NULL), -EPERM);
	ck_assert_int_eq(rmdir("/mnt/network"), 0);
	ck_assert_int_eq(symlink("/tmp", "/mnt/network"), 0);
	ck_assert_int_lt(ask(&lease, "web", "01", NULL), 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {
		a_machine_has_the_same_addresses_again,
		what_a_dead_machine_left_is_taken_over,
		it_is_noted_before_it_is_made,
		routes_and_addresses_of_the_host_are_left_alone,
		a_range_that_is_routed_elsewhere_is_left_out,
		who_only_looks_takes_nothing,
		who_only_looks_leaves_routes_alone_too,
		when_all_are_taken_it_says_so,
		the_machines_of_a_zone_share_a_net,
		the_last_one_gives_the_zones_net_back,
		other_ranges_are_for_zones_without_machines,
		a_dead_zones_net_is_taken_over,
		no_route_lies_in_a_zones_net,
		a_full_zone_says_so,
		fifty_starts_at_once_get_different_addresses,
		fifty_starts_in_zones_get_different_addresses,
		only_leases_are_released,
		a_directory_of_somebody_else_is_refused,
	};
	TCase *group = tcase_create("net/pool");

	tcase_set_timeout(group, 60);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tcase_add_test(group, cases[i]);
	return fixture_run(group, "net/pool");
}
