#include "net/lease.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/macros.h"
#include "io/child.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "net/lease-sample.h"

#define SECOND UINT64_C(1000000)
#define SOON_MS 300   /* until it is said that no packet comes */
#define LATE_MS 10000 /* until it is said that one is lost */

/* ---- two namespaces with a link between them ---- */

struct world {
	int host_ns, guest_ns;
	struct lease_config config;
	struct lease lease;
};

static int run(const char *script)
{
	char *const arguments[] = { (char *)"sh", (char *)"-ec", (char *)script, NULL };
	char *const environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	const struct child_request request = {
		.path = "/bin/sh",
		.arguments = arguments,
		.environment = environment,
		.stdio = { -EBADF, STDERR_FILENO, STDERR_FILENO },
		.timeout_us = 20 * SECOND,
	};
	int status = -1;

	ck_assert_int_eq(child_run(&status, &request), 0);
	return status;
}

static void run_in(int netns, int home, const char *script)
{
	ck_assert_int_eq(setns(netns, CLONE_NEWNET), 0);
	ck_assert_int_eq(run(script), 0);
	ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
}

static int open_netns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* False: these programs are not installed. */
static bool build(struct world *world)
{
	char script[400];

	if (run("command -v ip busybox >/dev/null") != 0)
		return false;
	fixture_enter(CLONE_NEWNET);
	world->host_ns = open_netns();
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	world->guest_ns = open_netns();
	ck_assert_int_eq(setns(world->host_ns, CLONE_NEWNET), 0);
	snprintf(script, sizeof(script),
		 "ip link add ve-web address 02:ee:00:00:00:01 type veth peer name host0 "
		 "address 02:11:22:33:44:55 netns /proc/%d/fd/%d; ip link set ve-web up",
		 getpid(), world->guest_ns);
	ck_assert_int_eq(run(script), 0);
	world->config = lease_sample();
	world->config.ifindex = if_nametoindex("ve-web");
	world->lease = (struct lease)LEASE_EMPTY;
	return true;
}

/* The kernel lets packets through the other end a little later, which is much on a busy host. */
static void guest_up(struct world *world)
{
	run_in(world->guest_ns, world->host_ns, "ip link set host0 up");
	ck_assert_int_eq(run("until ip link show ve-web | grep -q 'state UP'; do :; done"), 0);
}

static void open_lease(struct world *world)
{
	ck_assert_int_eq(lease_open(&world->lease, &world->config), 0);
}

static bool is_awake(struct world *world, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = lease_poll_fd(&world->lease), .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) > 0;
}

static void serve(struct world *world, int timeout_ms)
{
	if (is_awake(world, timeout_ms))
		lease_serve(&world->lease);
}

/* ---- a client from elsewhere ---- */

/* What it tells its script stands in /mnt/bound and /mnt/renew, as NAME=VALUE. It ends with what it
 * got, or STAYS. */
static pid_t start_udhcpc(struct world *world, bool stays)
{
	pid_t pid;

	fixture_write("/mnt/script", "#!/bin/sh\n"
				     "[ $1 != bound ] || busybox ip addr add $ip/$mask dev host0\n"
				     "env >/mnt/new && mv /mnt/new /mnt/$1\n");
	ck_assert_int_eq(chmod("/mnt/script", 0755), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (setns(world->guest_ns, CLONE_NEWNET) == 0)
			execlp("busybox", "busybox", "udhcpc", "-i", "host0", "-f", "-n", "-t", "5",
			       "-T", "1", "-O", "mtu", "-O", "staticroutes", "-s", "/mnt/script",
			       stays ? NULL : "-q", NULL);
		_exit(127);
	}
	return pid;
}

static int serve_until_end(struct world *world, pid_t pid)
{
	uint64_t end = clock_monotonic_us() + 20 * SECOND;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		ck_assert_uint_lt(clock_monotonic_us(), end);
		serve(world, 20);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_bound(const char *line)
{
	char command[200];

	snprintf(command, sizeof(command),
		 "grep -qxF '%s' /mnt/bound || { cat /mnt/bound; exit 1; }", line);
	ck_assert_msg(run(command) == 0, "%s", line);
}

static void check_udhcpc(struct world *world)
{
	ck_assert_int_eq(serve_until_end(world, start_udhcpc(world, false)), 0);
	check_bound("ip=10.213.0.2");
	check_bound("router=10.213.0.1");
	check_bound("serverid=10.213.0.1");
	check_bound("dns=10.213.0.1");
	check_bound("domain=machine");
	check_bound("hostname=web");
	check_bound("mtu=1400");
	check_bound("lease=43200");
}

START_TEST(udhcpc_gets_the_address)
{
	struct world world;

	if (!build(&world))
		return;
	guest_up(&world);
	open_lease(&world);
	check_udhcpc(&world);
	check_bound("subnet=255.255.255.252");
	check_bound("broadcast=10.213.0.3");
	lease_done(&world.lease, NULL);
}
END_TEST

START_TEST(udhcpc_gets_routes_to_a_gateway_outside_of_its_net)
{
	struct world world;

	if (!build(&world))
		return;
	world.config.prefix_length = 32;
	guest_up(&world);
	open_lease(&world);
	check_udhcpc(&world);
	check_bound("subnet=255.255.255.255");
	check_bound("staticroutes=10.213.0.1/32 0.0.0.0 0.0.0.0/0 10.213.0.1");
	lease_done(&world.lease, NULL);
}
END_TEST

START_TEST(udhcpc_gets_routes_to_another_router)
{
	struct world world;

	if (!build(&world))
		return;
	memcpy(&world.config.router, "\12\325\7\7", 4);
	guest_up(&world);
	open_lease(&world);
	ck_assert_int_eq(serve_until_end(&world, start_udhcpc(&world, false)), 0);
	check_bound("router=10.213.7.7");
	check_bound("staticroutes=10.213.7.7/32 0.0.0.0 0.0.0.0/0 10.213.7.7");
	lease_done(&world.lease, NULL);
}
END_TEST

static void make_port(void)
{
	ck_assert_int_eq(run("ip link add vz-zone address 02:ee:00:00:00:01 type bridge;"
			     "ip link set ve-web address 02:ee:00:00:00:09 master vz-zone;"
			     "ip link set vz-zone up"),
			 0);
}

START_TEST(a_port_of_a_bridge_is_served)
{
	struct world world;

	if (!build(&world))
		return;
	make_port();
	guest_up(&world);
	open_lease(&world);
	check_udhcpc(&world);
	lease_done(&world.lease, NULL);
}
END_TEST

static void serve_until(struct world *world, const char *path)
{
	uint64_t end = clock_monotonic_us() + 10 * SECOND;

	while (access(path, F_OK) != 0) {
		ck_assert_uint_lt(clock_monotonic_us(), end);
		serve(world, 20);
	}
}

/* It may miss an answer that comes too soon; then it asks everybody. */
START_TEST(udhcpc_renews_its_lease)
{
	struct world world;
	pid_t pid;

	if (!build(&world))
		return;
	make_port();
	ck_assert_int_eq(run("ip addr add 10.213.0.1/30 dev vz-zone"), 0);
	guest_up(&world);
	open_lease(&world);
	pid = start_udhcpc(&world, true);
	serve_until(&world, "/mnt/bound");
	ck_assert_int_eq(unlink("/mnt/bound"), 0);
	usleep(100000); /* until it has seen its script's end */
	ck_assert_int_eq(kill(pid, SIGUSR1), 0);
	serve_until(&world, "/mnt/renew");
	ck_assert_int_ne(access("/mnt/bound", F_OK), 0);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	serve_until_end(&world, pid);
	lease_done(&world.lease, NULL);
}
END_TEST

START_TEST(a_machine_of_another_mac_gets_no_address)
{
	struct world world;

	if (!build(&world))
		return;
	run_in(world.guest_ns, world.host_ns,
	       "ip link set host0 address 02:11:22:33:44:56; ip link set host0 up");
	open_lease(&world);
	ck_assert_int_ne(serve_until_end(&world, start_udhcpc(&world, false)), 0);
	ck_assert_int_ne(access("/mnt/bound", F_OK), 0);
	lease_done(&world.lease, NULL);
}
END_TEST

/* ---- the kernel as a client ---- */

static bool guest_has(struct world *world, const char *what)
{
	char command[200];
	bool has;

	snprintf(command, sizeof(command),
		 "ip -6 addr show dev host0; ip -6 route; } | grep -q '%s'", what);
	memmove(command + 2, command, strlen(command) + 1);
	memcpy(command, "{ ", 2);
	ck_assert_int_eq(setns(world->guest_ns, CLONE_NEWNET), 0);
	has = run(command) == 0;
	ck_assert_int_eq(setns(world->host_ns, CLONE_NEWNET), 0);
	return has;
}

static void check_slaac(struct world *world)
{
	uint64_t end = clock_monotonic_us() + 35 * SECOND;

	/* Until it is sure that nobody else has it. */
	while (!guest_has(world, "inet6 fd00:ed::11:22ff:fe33:4455/64 scope global dynamic")) {
		ck_assert_uint_lt(clock_monotonic_us(), end);
		serve(world, 100);
	}
	ck_assert(guest_has(world, "^default via fe80::ee:ff:fe00:1 .*mtu 1400"));
	ck_assert(guest_has(world, "^fd00:ed::/64"));
}

START_TEST(the_kernel_makes_its_address_when_it_asks)
{
	struct world world;

	if (!build(&world))
		return;
	open_lease(&world);
	guest_up(&world);
	check_slaac(&world);
	lease_done(&world.lease, NULL);
}
END_TEST

START_TEST(the_kernel_makes_its_address_also_behind_a_bridge)
{
	struct world world;

	if (!build(&world))
		return;
	make_port();
	open_lease(&world);
	run_in(world.guest_ns, world.host_ns, "echo 0 >/proc/sys/net/ipv6/conf/host0/accept_dad");
	guest_up(&world);
	check_slaac(&world);
	lease_done(&world.lease, NULL);
}
END_TEST

START_TEST(the_kernel_makes_its_address_when_it_is_told_unasked)
{
	struct world world;

	if (!build(&world))
		return;
	open_lease(&world);
	run_in(world.guest_ns, world.host_ns,
	       "echo 0 >/proc/sys/net/ipv6/conf/host0/router_solicitations;"
	       "echo 0 >/proc/sys/net/ipv6/conf/host0/accept_dad");
	guest_up(&world);
	for (int i = 0; i < 100 && !guest_has(&world, "fe80::11:22ff:fe33:4455"); i++)
		usleep(20000);
	lease_advertise(&world.lease);
	check_slaac(&world);
	lease_done(&world.lease, NULL);
}
END_TEST

/* ---- packets made by hand ---- */

/* All that passes on the interface, from when it is opened. */
static int open_raw(int netns, int home, const char *interface)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd;

	ck_assert_int_eq(setns(netns, CLONE_NEWNET), 0);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	address.sll_ifindex = (int)if_nametoindex(interface);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
	return fd;
}

/* How many answers of the gateway come; more than EXPECTED within a short time. */
static int count_answers(int fd, int expected)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int count = 0;

	while (poll(&poll_fd, 1, count < expected ? LATE_MS : SOON_MS) > 0) {
		uint8_t room[FRAME_SIZE_MAX];
		struct frame frame;
		ssize_t n = recv(fd, room, sizeof(room), 0);

		ck_assert_int_gt(n, 0);
		if (frame_read(&frame, room, (size_t)n) < 0 || frame.from_mac[1] != 0xee)
			continue;
		if (frame.kind == FRAME_ICMP6)
			count += frame.payload[0] == NDP_ADVERTISEMENT;
		else
			count += frame.from_port == DHCP_SERVER_PORT ||
				 frame.from_port == DHCP6_SERVER_PORT;
	}
	return count;
}

struct quiet_world {
	struct world world;
	int raw; /* in the guest */
	uint8_t room[LEASE_SAMPLE_ROOM];
};

/* The guest's kernel sends nothing itself. */
static bool build_quiet(struct quiet_world *quiet)
{
	struct world *world = &quiet->world;

	if (!build(world))
		return false;
	run_in(world->guest_ns, world->host_ns,
	       "echo 1 >/proc/sys/net/ipv6/conf/host0/disable_ipv6");
	guest_up(world);
	open_lease(world);
	quiet->raw = open_raw(world->guest_ns, world->host_ns, "host0");
	return true;
}

static void send_raw(struct quiet_world *quiet, size_t size)
{
	ck_assert_int_eq(send(quiet->raw, quiet->room, size, 0), (ssize_t)size);
}

static void ends_quiet(struct quiet_world *quiet)
{
	lease_done(&quiet->world.lease, NULL);
	close(quiet->raw);
}

START_TEST(questions_wake_and_get_one_answer_each)
{
	struct quiet_world quiet;
	struct world *world = &quiet.world;

	if (!build_quiet(&quiet))
		return;
	ck_assert(!is_awake(world, 0));
	send_raw(&quiet,
		 lease_sample_dhcp(quiet.room, lease_sample_udp(), DHCP_DISCOVER, NULL, NULL));
	ck_assert(is_awake(world, LATE_MS));
	lease_serve(&world->lease);
	ck_assert_int_eq(count_answers(quiet.raw, 1), 1);
	send_raw(&quiet, lease_sample_solicitation(quiet.room, lease_sample_icmp()));
	ck_assert(is_awake(world, LATE_MS));
	lease_serve(&world->lease);
	ck_assert_int_eq(count_answers(quiet.raw, 1), 1);
	send_raw(&quiet, lease_sample_dhcp6(quiet.room, "\x0b\1\2\3", 4));
	ck_assert(is_awake(world, LATE_MS));
	lease_serve(&world->lease);
	ck_assert_int_eq(count_answers(quiet.raw, 1), 1);
	ck_assert(!is_awake(world, 0));
	ends_quiet(&quiet);
}
END_TEST

static size_t make_question(uint8_t *room, enum frame_kind kind)
{
	switch (kind) {
	case FRAME_ICMP6: return lease_sample_solicitation(room, lease_sample_icmp());
	case FRAME_UDP6: return lease_sample_dhcp6(room, "\x0b\1\2\3", 4);
	default: return lease_sample_dhcp(room, lease_sample_udp(), DHCP_DISCOVER, NULL, NULL);
	}
}

/* As a lease is renewed: to the gateway's address, and so to the bridge's MAC address. */
START_TEST(questions_to_the_bridge_are_heard_at_its_port)
{
	struct frame frame = lease_sample_udp();
	struct quiet_world quiet;

	if (!build_quiet(&quiet))
		return;
	make_port();
	memcpy(frame.to_mac, quiet.world.config.gateway_mac, FRAME_MAC);
	frame.to4 = quiet.world.config.gateway;
	frame.from4 = quiet.world.config.address;
	send_raw(&quiet,
		 lease_sample_dhcp(quiet.room, frame, DHCP_REQUEST, LEASE_SAMPLE_ADDRESS, NULL));
	serve(&quiet.world, LATE_MS);
	ck_assert_int_eq(count_answers(quiet.raw, 1), 1);
	ends_quiet(&quiet);
}
END_TEST

/* One byte of a good question changed, and that wakes nobody. */
START_TEST(what_is_no_question_does_not_even_wake)
{
	static const struct {
		enum frame_kind kind;
		size_t at;
		uint8_t to;
	} changes[] = {
		/* from somebody else */
		{ FRAME_UDP4, 11, 0x56 },
		{ FRAME_UDP4, 6, 0x06 },
		{ FRAME_ICMP6, 11, 0x56 },
		/* what it is: a later fragment, TCP */
		{ FRAME_UDP4, 12, 0x86 },
		{ FRAME_UDP4, 20, 0x1f },
		{ FRAME_UDP4, 23, 6 },
		{ FRAME_ICMP6, 20, 6 },
		{ FRAME_ICMP6, 54, 134 },
		{ FRAME_UDP6, 20, 6 },
		/* the port, also when it is not where it was */
		{ FRAME_UDP4, 36, 1 },
		{ FRAME_UDP4, 37, 68 },
		{ FRAME_UDP4, 14, 0x46 },
		{ FRAME_UDP6, 57, 0 },
		/* it passed a router */
		{ FRAME_ICMP6, 21, 254 },
	};
	struct quiet_world quiet;

	if (!build_quiet(&quiet))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		size_t size = make_question(quiet.room, changes[i].kind);

		quiet.room[changes[i].at] = changes[i].to;
		send_raw(&quiet, size);
		ck_assert_msg(!is_awake(&quiet.world, SOON_MS / 4), "case %zu", i);
	}
	ends_quiet(&quiet);
}
END_TEST

START_TEST(questions_with_a_vlan_tag_do_not_wake)
{
	struct quiet_world quiet;
	size_t size;

	if (!build_quiet(&quiet))
		return;
	size = lease_sample_dhcp(quiet.room, lease_sample_udp(), DHCP_DISCOVER, NULL, NULL);
	memmove(quiet.room + 16, quiet.room + 12, size - 12);
	memcpy(quiet.room + 12, "\x81\0\0\5", 4);
	send_raw(&quiet, size + 4);
	ck_assert(!is_awake(&quiet.world, SOON_MS));
	ends_quiet(&quiet);
}
END_TEST

/* It wakes, as the filter sees only the beginning. */
START_TEST(malformed_questions_are_not_answered)
{
	struct quiet_world quiet;
	size_t size;

	if (!build_quiet(&quiet))
		return;
	size = lease_sample_dhcp(quiet.room, lease_sample_udp(), DHCP_DISCOVER, NULL, NULL);
	for (size_t cut = 60; cut < size; cut += 19) {
		send_raw(&quiet, cut);
		ck_assert(is_awake(&quiet.world, LATE_MS));
		lease_serve(&quiet.world.lease);
	}
	quiet.room[size - 1] = 12; /* an option without an end */
	send_raw(&quiet, size);
	serve(&quiet.world, SOON_MS);
	ck_assert_int_eq(count_answers(quiet.raw, 0), 0);
	ends_quiet(&quiet);
}
END_TEST

START_TEST(what_the_host_sends_does_not_wake)
{
	struct quiet_world quiet;
	struct world *world = &quiet.world;
	autoclose int raw = -EBADF;
	size_t size;

	if (!build_quiet(&quiet))
		return;
	raw = open_raw(world->host_ns, world->host_ns, "ve-web");
	size = lease_sample_dhcp(quiet.room, lease_sample_udp(), DHCP_DISCOVER, NULL, NULL);
	ck_assert_int_eq(send(raw, quiet.room, size, 0), (ssize_t)size);
	ck_assert(!is_awake(world, SOON_MS));
	ends_quiet(&quiet);
}
END_TEST

static void send_many(struct quiet_world *quiet, int count)
{
	size_t size = lease_sample_dhcp(quiet->room, lease_sample_udp(), DHCP_DISCOVER, NULL, NULL);

	for (int i = 0; i < count; i++)
		send_raw(quiet, size);
}

START_TEST(who_asks_without_end_is_not_heard_for_a_while)
{
	struct quiet_world quiet;
	struct world *world = &quiet.world;
	uint64_t end;
	int wakes = 0;

	if (!build_quiet(&quiet))
		return;
	end = clock_monotonic_us() + 3 * SECOND / 2;
	while (clock_monotonic_us() < end) {
		send_many(&quiet, 10);
		if (is_awake(world, 10)) {
			lease_serve(&world->lease);
			wakes++;
		}
	}
	/* Three seconds at most are touched; each ends with a wake of the timer. */
	ck_assert_int_le(wakes, 3 * (LEASE_ANSWERS_MAX + 1));
	ck_assert_int_le(count_answers(quiet.raw, 0), 3 * LEASE_ANSWERS_MAX);
	/* It is patient again, and what had to wait is answered. */
	while (world->lease.deaf || is_awake(world, 0))
		serve(world, 1100);
	count_answers(quiet.raw, 0);
	send_many(&quiet, 1);
	serve(world, LATE_MS);
	ck_assert_int_eq(count_answers(quiet.raw, 1), 1);
	ends_quiet(&quiet);
}
END_TEST

START_TEST(an_interface_that_goes_is_no_error)
{
	struct quiet_world quiet;
	struct world *world = &quiet.world;

	if (!build_quiet(&quiet))
		return;
	ck_assert_int_eq(run("ip link set ve-web down"), 0);
	serve(world, SOON_MS);
	ck_assert(!is_awake(world, SOON_MS));
	ck_assert_int_eq(run("ip link set ve-web up"), 0);
	send_many(&quiet, 1);
	serve(world, LATE_MS);
	ck_assert_int_eq(count_answers(quiet.raw, 1), 1);
	ck_assert_int_eq(run("ip link delete ve-web"), 0);
	serve(world, SOON_MS);
	lease_advertise(&world->lease);
	ck_assert(!is_awake(world, SOON_MS));
	ends_quiet(&quiet);
}
END_TEST

static int count_sockets(void)
{
	FILE *file = fopen("/proc/self/net/packet", "re");
	int lines = 0;

	ck_assert_ptr_nonnull(file);
	for (int c; (c = fgetc(file)) != EOF;)
		lines += c == '\n';
	fclose(file);
	return lines - 1;
}

START_TEST(nothing_is_left_at_the_end)
{
	struct world world;
	int ends[2];
	char byte;

	if (!build(&world))
		return;
	open_lease(&world);
	ck_assert_int_eq(count_sockets(), 1);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	lease_done(&world.lease, NULL);
	/* No child is left, and nobody holds what is not his. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	close(ends[1]);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
	close(ends[0]);
	for (int i = 0; i < 500 && count_sockets() > 0; i++)
		usleep(10000);
	ck_assert_int_eq(count_sockets(), 0);
	ck_assert_int_eq(world.lease.socket_fd, -EBADF);
	lease_done(&world.lease, NULL);
}
END_TEST

START_TEST(an_interface_that_is_not_there_is_a_failure)
{
	struct lease_config config = lease_sample();
	struct lease lease = LEASE_EMPTY;

	fixture_enter(CLONE_NEWNET);
	config.ifindex = 4711;
	ck_assert_int_eq(lease_open(&lease, &config), -ENODEV);
	ck_assert_int_eq(lease.socket_fd, -EBADF);
	lease_done(&lease, NULL);
}
END_TEST

static void add_clients(TCase *cases)
{
	tcase_add_test(cases, udhcpc_gets_the_address);
	tcase_add_test(cases, udhcpc_gets_routes_to_a_gateway_outside_of_its_net);
	tcase_add_test(cases, udhcpc_gets_routes_to_another_router);
	tcase_add_test(cases, a_port_of_a_bridge_is_served);
	tcase_add_test(cases, udhcpc_renews_its_lease);
	tcase_add_test(cases, a_machine_of_another_mac_gets_no_address);
	tcase_add_test(cases, the_kernel_makes_its_address_when_it_asks);
	tcase_add_test(cases, the_kernel_makes_its_address_also_behind_a_bridge);
	tcase_add_test(cases, the_kernel_makes_its_address_when_it_is_told_unasked);
}

int main(void)
{
	TCase *cases = tcase_create("lease");

	tcase_set_timeout(cases, 40);
	add_clients(cases);
	tcase_add_test(cases, questions_wake_and_get_one_answer_each);
	tcase_add_test(cases, questions_to_the_bridge_are_heard_at_its_port);
	tcase_add_test(cases, what_is_no_question_does_not_even_wake);
	tcase_add_test(cases, questions_with_a_vlan_tag_do_not_wake);
	tcase_add_test(cases, malformed_questions_are_not_answered);
	tcase_add_test(cases, what_the_host_sends_does_not_wake);
	tcase_add_test(cases, who_asks_without_end_is_not_heard_for_a_while);
	tcase_add_test(cases, an_interface_that_goes_is_no_error);
	tcase_add_test(cases, nothing_is_left_at_the_end);
	tcase_add_test(cases, an_interface_that_is_not_there_is_a_failure);
	return fixture_run(cases, "net/lease");
}
