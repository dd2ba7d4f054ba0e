#include "net/forward.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "net/topology.h"

#define SIZE (4 * 1024 * 1024) /* more than all buffers on the way */

static struct topology at;
static struct arena arena;
static struct forward forward;
static pid_t runner;

static void begin(void)
{
	topology_build(&at);
	place_go(&at.host);
	ck_assert_int_eq(forward_open(&forward, &arena), 0);
}

static int add(uint8_t protocol, uint16_t first, uint16_t last, const char *host)
{
	struct firewall_port port = {
		.protocol = protocol, .first = first, .last = last, .container = 80
	};

	if (host)
		port.host = topology_address(host);
	return forward_add(&forward, &port, at.a.addresses, 2);
}

/* In a process of its own, as a supervisor. */
static void run(void)
{
	runner = fork();
	ck_assert_int_ge(runner, 0);
	if (runner > 0)
		return;
	for (;;) {
		struct pollfd poll_fd = { .fd = forward.poll_fd, .events = POLLIN };

		if (poll(&poll_fd, 1, -1) > 0)
			forward_run(&forward);
	}
}

static void end(void)
{
	kill(runner, SIGKILL);
	waitpid(runner, NULL, 0);
	forward_close(&forward);
	arena_done(&arena);
}

START_TEST(localhost_leads_to_the_machine)
{
	begin();
	ck_assert_int_eq(add(IPPROTO_TCP, 8080, 8080, NULL), 0);
	ck_assert_int_eq(add(IPPROTO_UDP, 8080, 8080, NULL), 0);
	run();
	for (int i = 0; i < 3; i++) {
		EXPECT(at.host, "127.0.0.1", 8080, at.a.place, 80, GATEWAY_A);
		EXPECT(at.host, "::1", 8080, at.a.place, 80, GATEWAY_A6);
	}
	/* nobody else */
	REFUSE(at.outside, HOST, 8080, at.a.place, 80);
	REFUSE(at.b.place, GATEWAY_B, 8080, at.a.place, 80);
	end();
}
END_TEST

START_TEST(a_port_may_be_at_one_loopback_address)
{
	begin();
	ck_assert_int_eq(add(IPPROTO_TCP, 8080, 8080, "127.0.0.2"), 0);
	ck_assert_int_eq(add(IPPROTO_UDP, 8080, 8080, "127.0.0.2"), 0);
	ck_assert_int_eq(add(IPPROTO_TCP, 8081, 8081, HOST), 0);
	run();
	EXPECT(at.host, "127.0.0.2", 8080, at.a.place, 80, GATEWAY_A);
	REFUSE(at.host, "127.0.0.1", 8080, at.a.place, 80);
	REFUSE(at.host, HOST, 8081, at.a.place, 80);
	end();
}
END_TEST

/* A connection by way of localhost: its two ends. */
static void connect_through(int *ret_caller, int *ret_machine, int server)
{
	struct sockaddr_storage to;
	socklen_t size = place_sockaddr(&to, "127.0.0.1", 8080);

	*ret_caller = place_socket(&at.host, AF_INET, SOCK_STREAM);
	(void)connect(*ret_caller, (struct sockaddr *)&to, size);
	ck_assert(place_ready(server, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	*ret_machine = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_ge(*ret_machine, 0);
}

/* Send SIZE bytes that tell their place, until there is no room; returns how far. */
static size_t pour(int fd, size_t from)
{
	static unsigned char bytes[65536];
	ssize_t size;

	while (from < SIZE) {
		size_t part = MIN(sizeof(bytes), SIZE - from);

		for (size_t i = 0; i < part; i++)
			bytes[i] = (unsigned char)((from + i) * 2654435761U >> 24);
		size = send(fd, bytes, part, MSG_NOSIGNAL);
		if (size < 0)
			break;
		from += (size_t)size;
	}
	return from;
}

static size_t drain(int fd, size_t from, bool *ret_end)
{
	static unsigned char bytes[65536];
	size_t wrong = 0;
	ssize_t size;

	while ((size = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		for (ssize_t i = 0; i < size; i++, from++)
			wrong += bytes[i] != (unsigned char)(from * 2654435761U >> 24);
	ck_assert_uint_eq(wrong, 0);
	*ret_end = size == 0;
	return from;
}

START_TEST(all_bytes_arrive_and_so_does_the_end)
{
	int server, ends[2];
	size_t sent[2] = {}, got[2] = {};
	bool end_seen[2] = {}, shut[2] = {};

	begin();
	ck_assert_int_eq(add(IPPROTO_TCP, 8080, 8080, NULL), 0);
	run();
	server = place_listen(&at.a.place, GUEST_A, SOCK_STREAM, 80);
	connect_through(&ends[0], &ends[1], server);
	/* first nobody reads */
	sent[0] = pour(ends[0], 0);
	sent[1] = pour(ends[1], 0);
	usleep(100 * 1000);
	while (!end_seen[0] || !end_seen[1]) {
		struct pollfd polls[2] = { { ends[0], POLLIN, 0 }, { ends[1], POLLIN, 0 } };

		for (int i = 0; i < 2; i++) {
			polls[i].events = (short)(end_seen[i] ? 0 : POLLIN);
			polls[i].events |= (short)(shut[i] ? 0 : POLLOUT);
		}
		ck_assert_int_gt(poll(polls, 2, TOPOLOGY_PATIENCE_MS), 0);
		for (int i = 0; i < 2; i++) {
			sent[i] = pour(ends[i], sent[i]);
			if (sent[i] == SIZE && !shut[i]) {
				ck_assert_int_eq(shutdown(ends[i], SHUT_WR), 0);
				shut[i] = true;
			}
			if (!end_seen[i])
				got[i] = drain(ends[i], got[i], &end_seen[i]);
		}
	}
	ck_assert_uint_eq(got[0], SIZE);
	ck_assert_uint_eq(got[1], SIZE);
	end();
}
END_TEST

START_TEST(half_a_connection_may_end_first)
{
	int server, caller, machine;
	char word;

	begin();
	ck_assert_int_eq(add(IPPROTO_TCP, 8080, 8080, NULL), 0);
	run();
	server = place_listen(&at.a.place, GUEST_A, SOCK_STREAM, 80);
	connect_through(&caller, &machine, server);
	ck_assert_int_eq(shutdown(caller, SHUT_WR), 0);
	ck_assert(place_ready(machine, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert_int_eq(recv(machine, &word, 1, 0), 0);
	ck_assert_int_eq(send(machine, "x", 1, MSG_NOSIGNAL), 1);
	ck_assert(place_ready(caller, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert_int_eq(recv(caller, &word, 1, 0), 1);
	close(machine);
	ck_assert(place_ready(caller, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert_int_eq(recv(caller, &word, 1, 0), 0);
	end();
}
END_TEST

START_TEST(what_was_cut_off_does_not_look_complete)
{
	static const struct linger at_once = { .l_onoff = 1 };
	int server, caller, machine;
	char word;

	begin();
	ck_assert_int_eq(add(IPPROTO_TCP, 8080, 8080, NULL), 0);
	run();
	server = place_listen(&at.a.place, GUEST_A, SOCK_STREAM, 80);
	connect_through(&caller, &machine, server);
	ck_assert_int_eq(setsockopt(machine, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(machine);
	/* The kernel may tell the error a moment before it tells the end. */
	ck_assert(place_ready(caller, POLLIN | POLLERR, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert_int_eq(recv(caller, &word, 1, 0), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	close(caller);
	/* and who is not there is refused */
	close(server);
	caller = place_socket(&at.host, AF_INET, SOCK_STREAM);
	ck_assert(!place_talks(&at.host, "127.0.0.1", SOCK_STREAM, 8080, caller, TOPOLOGY_WAIT_MS,
			       NULL));
	end();
}
END_TEST

START_TEST(too_many_connections_wait)
{
	enum { COUNT = FORWARD_CONNECTIONS_MAX + 50 };
	struct sockaddr_storage to;
	socklen_t size = place_sockaddr(&to, "127.0.0.1", 8080);
	static int callers[COUNT], machines[COUNT];
	int server, accepted = 0;

	begin();
	ck_assert_int_eq(add(IPPROTO_TCP, 8080, 8080, NULL), 0);
	run();
	server = place_listen(&at.a.place, GUEST_A, SOCK_STREAM, 80);
	ck_assert_int_eq(listen(server, COUNT), 0);
	for (int i = 0; i < COUNT; i++) {
		callers[i] = place_socket(&at.host, AF_INET, SOCK_STREAM);
		(void)connect(callers[i], (struct sockaddr *)&to, size);
	}
	while (place_ready(server, POLLIN, -1, TOPOLOGY_WAIT_MS * 2))
		machines[accepted++] = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_eq(accepted, FORWARD_CONNECTIONS_MAX);
	for (int i = 0; i < FORWARD_CONNECTIONS_MAX; i++) {
		close(machines[i]);
		close(callers[i]);
	}
	while (accepted < COUNT && place_ready(server, POLLIN, -1, TOPOLOGY_PATIENCE_MS))
		machines[accepted++] = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_eq(accepted, COUNT);
	end();
}
END_TEST

START_TEST(many_callers_of_udp_are_told_apart)
{
	enum { COUNT = FORWARD_CALLERS_MAX + 20 };
	struct sockaddr_storage to, peer;
	socklen_t size = place_sockaddr(&to, "127.0.0.1", 8080);
	static int callers[COUNT];
	int server;
	char word;

	begin();
	ck_assert_int_eq(add(IPPROTO_UDP, 8080, 8080, NULL), 0);
	run();
	server = place_listen(&at.a.place, GUEST_A, SOCK_DGRAM, 80);
	for (int i = 0; i < COUNT; i++) {
		callers[i] = place_socket(&at.host, AF_INET, SOCK_DGRAM);
		ck_assert_int_eq(connect(callers[i], (struct sockaddr *)&to, size), 0);
		ck_assert_int_eq(send(callers[i], "q", 1, 0), 1);
		ck_assert(place_ready(server, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
		ck_assert(place_echo(server, &peer));
		ck_assert(place_ready(callers[i], POLLIN, -1, TOPOLOGY_PATIENCE_MS));
		ck_assert_int_eq(recv(callers[i], &word, 1, 0), 1);
		ck_assert(i == 0 || !place_ready(callers[i - 1], POLLIN, -1, 0));
	}
	end();
}
END_TEST

START_TEST(a_service_that_comes_later_is_found)
{
	int caller, server;
	struct sockaddr_storage to, peer;
	socklen_t size = place_sockaddr(&to, "127.0.0.1", 8080);

	begin();
	ck_assert_int_eq(add(IPPROTO_UDP, 8080, 8080, NULL), 0);
	run();
	caller = place_socket(&at.host, AF_INET, SOCK_DGRAM);
	ck_assert_int_eq(connect(caller, (struct sockaddr *)&to, size), 0);
	ck_assert_int_eq(send(caller, "q", 1, 0), 1);
	usleep(50 * 1000);
	server = place_listen(&at.a.place, GUEST_A, SOCK_DGRAM, 80);
	ck_assert_int_eq(send(caller, "q", 1, 0), 1);
	ck_assert(place_ready(server, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert(place_echo(server, &peer));
	ck_assert(place_ready(caller, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	end();
}
END_TEST

START_TEST(what_cannot_be_had_is_told_and_leaves_nothing)
{
	struct firewall_port port = {
		.protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80
	};
	int taken;

	begin();
	taken = place_listen(&at.host, "::", SOCK_STREAM, 8080);
	ck_assert_int_eq(add(IPPROTO_TCP, 8080, 8080, NULL), -EADDRINUSE);
	close(taken);
	/* 127.0.0.1 was bound first, and let go */
	taken = place_listen(&at.host, "127.0.0.1", SOCK_STREAM, 8080);
	close(taken);
	ck_assert_int_eq(add(IPPROTO_UDP, 10000, 20000, NULL), -ENOSPC);
	ck_assert_int_eq(add(IPPROTO_UDP, 10000, 10000 + FORWARD_LISTENERS_MAX / 2, NULL), -ENOSPC);
	ck_assert_int_eq(add(IPPROTO_UDP, 10000, 10000 + FORWARD_LISTENERS_MAX / 2 - 1, NULL), 0);
	ck_assert_int_eq(add(IPPROTO_TCP, 8080, 8080, NULL), -ENOSPC);
	port.protocol = IPPROTO_UDP;
	port.first = 10000;
	port.last = (uint16_t)(10000 + FORWARD_LISTENERS_MAX / 2 - 1);
	forward_remove(&forward, &port);
	ck_assert_int_eq(add(IPPROTO_TCP, 8080, 8080, NULL), 0);
	forward_close(&forward);
	arena_done(&arena);
}
END_TEST

static int set(const struct firewall_port *ports, size_t count, const struct guest *guest)
{
	return forward_set(&forward, ports, count, guest ? guest->addresses : NULL, guest ? 2 : 0);
}

START_TEST(ports_follow_a_machine_to_other_addresses)
{
	const struct firewall_port ports[] = {
		{ .protocol = IPPROTO_TCP, .first = 8080, .last = 8081, .container = 80 },
		{ .protocol = IPPROTO_UDP, .first = 8080, .last = 8081, .container = 80 },
	};

	begin();
	ck_assert_int_eq(set(ports, 2, &at.a), 0);
	ck_assert_int_eq(set(ports, 2, &at.b), 0);
	run();
	for (int i = 0; i < 2; i++) {
		EXPECT(at.host, "127.0.0.1", (uint16_t)(8080 + i), at.b.place, (uint16_t)(80 + i),
		       GATEWAY_B);
		EXPECT(at.host, "::1", (uint16_t)(8080 + i), at.b.place, (uint16_t)(80 + i),
		       GATEWAY_B6);
	}
	end();
}
END_TEST

static bool is_free(const char *address, uint16_t port)
{
	struct sockaddr_storage here;
	socklen_t size = place_sockaddr(&here, address, port);
	int fd = place_socket(&at.host, here.ss_family, SOCK_STREAM);
	bool free = bind(fd, (struct sockaddr *)&here, size) == 0;

	close(fd);
	return free;
}

START_TEST(nobody_listens_for_a_machine_without_addresses)
{
	const struct firewall_port ports[] = {
		{ .protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80 },
		{ .protocol = IPPROTO_TCP, .first = 8081, .last = 8081, .container = 81 },
	};
	struct firewall_port changed = { .protocol = IPPROTO_TCP, .first = 8080, .last = 8080 };
	int server;

	begin();
	ck_assert_int_eq(set(ports, 2, NULL), 0);
	ck_assert(is_free("127.0.0.1", 8080));
	ck_assert_int_eq(set(ports, 2, &at.a), 0);
	ck_assert(!is_free("127.0.0.1", 8080) && !is_free("::1", 8081));
	ck_assert_int_eq(set(ports, 1, &at.a), 0);
	ck_assert(!is_free("127.0.0.1", 8080) && is_free("::1", 8081));
	ck_assert_int_eq(set(ports, 1, NULL), 0);
	ck_assert(is_free("127.0.0.1", 8080));
	/* The same port of the host, to another one inside. */
	changed.container = 82;
	ck_assert_int_eq(set(ports, 1, &at.a), 0);
	ck_assert_int_eq(set(&changed, 1, &at.a), 0);
	run();
	server = place_listen(&at.a.place, "127.0.0.1", SOCK_STREAM, 82);
	ck_assert(place_talks(&at.host, "127.0.0.1", SOCK_STREAM, 8080, server,
			      TOPOLOGY_PATIENCE_MS, NULL));
	close(server);
	end();
}
END_TEST

START_TEST(one_that_is_taken_does_not_keep_the_others_away)
{
	const struct firewall_port ports[] = {
		{ .protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80 },
		{ .protocol = IPPROTO_TCP, .first = 8081, .last = 8081, .container = 81 },
	};
	int other;

	begin();
	other = place_listen(&at.host, "127.0.0.1", SOCK_STREAM, 8080);
	ck_assert_int_eq(set(ports, 2, &at.a), -EADDRINUSE);
	ck_assert(!is_free("127.0.0.1", 8081));
	close(other);
	ck_assert_int_eq(set(ports, 2, &at.a), 0);
	ck_assert(!is_free("127.0.0.1", 8080));
	forward_close(&forward);
	arena_done(&arena);
}
END_TEST

int main(void)
{
	return TOPOLOGY_RUN("net/forward", localhost_leads_to_the_machine,
			    a_port_may_be_at_one_loopback_address,
			    all_bytes_arrive_and_so_does_the_end, half_a_connection_may_end_first,
			    what_was_cut_off_does_not_look_complete, too_many_connections_wait,
			    ports_follow_a_machine_to_other_addresses,
			    nobody_listens_for_a_machine_without_addresses,
			    one_that_is_taken_does_not_keep_the_others_away,
			    many_callers_of_udp_are_told_apart, a_service_that_comes_later_is_found,
			    what_cannot_be_had_is_told_and_leaves_nothing);
}
