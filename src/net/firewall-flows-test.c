#include "net/firewall-flows.h"

#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fail.h"
#include "net/firewall-guard.h"
#include "net/topology.h"

static struct topology at;
static struct firewall firewall;
static const struct firewall_port port = {
	.protocol = IPPROTO_UDP, .first = 8080, .last = 8080, .container = 80
};
static const struct firewall_port range = {
	.protocol = IPPROTO_UDP, .first = 8000, .last = 8100, .container = 8000
};

static void build(void)
{
	topology_build(&at);
	topology_forward(&at);
	place_go(&at.host);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	ck_assert_int_eq(firewall_add(&firewall, &at.a.machine), 0);
	ck_assert_int_eq(firewall_add(&firewall, &at.b.machine), 0);
}

/* One caller, always by the same flow. */
static int caller(const char *address)
{
	struct sockaddr_storage to;
	socklen_t size = place_sockaddr(&to, address, 8080);
	int fd = place_socket(&at.outside, to.ss_family, SOCK_DGRAM);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, size), 0);
	return fd;
}

/* Does it get to SERVER? */
static bool says(int fd, int server, bool expected)
{
	struct sockaddr_storage peer;
	char word;

	usleep(20 * 1000);
	/* An error that an earlier word was answered with is told with the next. */
	while (recv(fd, &word, 1, 0) >= 0 || errno != EAGAIN)
		;
	ck_assert_int_eq(send(fd, "q", 1, MSG_NOSIGNAL), 1);
	return place_ready(server, POLLIN, -1,
			   expected ? TOPOLOGY_PATIENCE_MS : TOPOLOGY_WAIT_MS) &&
	       place_echo(server, &peer) && place_ready(fd, POLLIN, -1, TOPOLOGY_PATIENCE_MS);
}

static void check(const char *address, const struct firewall_port *published)
{
	int fd, server, other;

	build();
	fd = caller(address);
	server = place_listen(&at.a.place, address, SOCK_DGRAM,
			      published->container == 80 ? 80 : 8080);
	other = place_listen(&at.b.place, address, SOCK_DGRAM,
			     published->container == 80 ? 80 : 8080);
	/* who called before the port was there is found by it */
	ck_assert(!says(fd, server, false));
	place_go(&at.host);
	ck_assert_int_eq(firewall_add_port(&firewall, &at.a.machine, published), 0);
	ck_assert(says(fd, server, true));
	ck_assert(says(fd, server, true));
	/* and does not stay when it is gone */
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove_port(&firewall, &at.a.machine, published), 0);
	ck_assert(!says(fd, server, false));
	place_go(&at.host);
	ck_assert_int_eq(firewall_add_port(&firewall, &at.b.machine, published), 0);
	ck_assert(says(fd, other, true));
	/* the machine goes, and the next one gets what it left */
	at.b.machine.ports = at.a.machine.ports = published;
	at.b.machine.port_count = at.a.machine.port_count = 1;
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.b.machine, false), 0);
	ck_assert_int_eq(firewall_add(&firewall, &at.a.machine), 0);
	ck_assert(!says(fd, server, false));
	place_go(&at.host);
	firewall_settle(&firewall, &at.a.machine);
	ck_assert(says(fd, server, true));
}

START_TEST(a_flow_follows_the_port)
{
	check(HOST, &port);
}
END_TEST

START_TEST(a_flow_of_ipv6_follows_the_port)
{
	check(HOST6, &port);
}
END_TEST

START_TEST(a_flow_follows_a_range)
{
	check(HOST, &range);
}
END_TEST

/* Others with the same port are left alone: the machine's own question goes on. */
START_TEST(what_is_answered_goes_on)
{
	struct sockaddr_storage to, peer = {}, again = {};
	socklen_t size = place_sockaddr(&to, INTERNET, 8080);
	int fd, server;

	build();
	fd = place_socket(&at.b.place, AF_INET, SOCK_DGRAM);
	server = place_listen(&at.outside, INTERNET, SOCK_DGRAM, 8080);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, size), 0);
	ck_assert_int_eq(send(fd, "q", 1, 0), 1);
	ck_assert(place_ready(server, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert(place_echo(server, &peer));
	ck_assert(place_ready(fd, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	place_go(&at.host);
	ck_assert_int_eq(firewall_add_port(&firewall, &at.a.machine, &port), 0);
	ck_assert_int_eq(firewall_remove_port(&firewall, &at.a.machine, &port), 0);
	ck_assert_int_eq(send(fd, "q", 1, 0), 1);
	ck_assert(place_ready(server, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert(place_echo(server, &again));
	ck_assert_mem_eq(&peer, &again, sizeof(struct sockaddr_in));
}
END_TEST

/* By a flow of its own, which is answered. */
static int begun_to(const struct place *place, const char *address, int server)
{
	struct sockaddr_storage to, peer;
	socklen_t size;
	int fd;

	place_go(place);
	size = place_sockaddr(&to, address, 8080);
	fd = place_socket(place, to.ss_family, SOCK_DGRAM);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, size), 0);
	ck_assert_int_eq(send(fd, "q", 1, 0), 1);
	ck_assert(place_ready(server, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert(place_echo(server, &peer));
	ck_assert(place_ready(fd, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	return fd;
}

static int begun_by(const struct place *place, int server)
{
	return begun_to(place, INTERNET, server);
}

#define MANY 50

/* With those that are answered, more than are ended at one go. */
static void begin_many(const struct place *place)
{
	struct sockaddr_storage to;
	socklen_t size = place_sockaddr(&to, INTERNET, 10000);
	int fd = place_socket(place, AF_INET, SOCK_DGRAM);

	for (uint16_t i = 0; i < FIREWALL_FLOWS_OWN; i++) {
		((struct sockaddr_in *)&to)->sin_port = htons(10000 + i);
		/* An error that an earlier word was answered with is told with the next. */
		if (sendto(fd, "q", 1, MSG_NOSIGNAL, (struct sockaddr *)&to, size) < 0)
			ck_assert(errno == ECONNREFUSED || errno == EHOSTUNREACH);
	}
	close(fd);
}

/* However many they are; and those of others go on. */
START_TEST(what_a_machine_has_begun_ends_with_its_list)
{
	const struct firewall_target first = { .network = topology_address(INTERNET) };
	struct firewall_machine free, listed, closed;
	int fds[MANY], server, other;

	build();
	free = listed = closed = at.a.machine;
	listed.restricted = closed.restricted = true;
	listed.targets = &first;
	listed.target_count = 1;
	server = place_listen(&at.outside, INTERNET, SOCK_DGRAM, 8080);
	for (size_t i = 0; i < MANY; i++)
		fds[i] = begun_by(&at.a.place, server);
	other = begun_by(&at.b.place, server);
	place_go(&at.host);
	ck_assert_int_eq(firewall_restrict(&firewall, &free, &listed), 0);
	ck_assert(says(fds[0], server, true));
	begin_many(&at.a.place);
	place_go(&at.host);
	ck_assert_int_eq(firewall_restrict(&firewall, &listed, &closed), 0);
	for (size_t i = 0; i < MANY; i++)
		(void)send(fds[i], "q", 1, MSG_NOSIGNAL);
	ck_assert(!place_ready(server, POLLIN, -1, TOPOLOGY_WAIT_MS));
	ck_assert(says(other, server, true));
}
END_TEST

/* It makes them up, so they are known by where they come in only while they begin. */
START_TEST(what_came_in_by_a_link_local_address_ends_too)
{
	struct firewall_machine free;
	int fd, server;

	topology_build(&at);
	place_address(&at.host, at.a.link, "fe80::1/64");
	usleep(50 * 1000);
	place_go(&at.host);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	ck_assert_int_eq(firewall_add(&firewall, &at.a.machine), 0);
	server = place_listen(&at.host, "fe80::1%host0", SOCK_DGRAM, 8080);
	fd = begun_to(&at.a.place, "fe80::1%host0", server);
	ck_assert(says(fd, server, true));
	free = at.a.machine;
	at.a.machine.restricted = true;
	place_go(&at.host);
	ck_assert_int_eq(firewall_restrict(&firewall, &free, &at.a.machine), 0);
	ck_assert(!says(fd, server, false));
}
END_TEST

/* The machine's end of a connection to ADDRESS; RET_FAR: the other one. */
static int connected(const struct place *far, const char *address, int *ret_far)
{
	struct sockaddr_storage to;
	int server = place_listen(far, address, SOCK_STREAM, 80), fd;
	socklen_t size;

	place_go(&at.a.place);
	size = place_sockaddr(&to, address, 80);
	fd = place_socket(&at.a.place, to.ss_family, SOCK_STREAM);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, size), -1);
	ck_assert(place_ready(server, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	*ret_far = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	close(server);
	return fd;
}

static bool arrives(int from, int to, bool expected)
{
	char word;

	ck_assert_int_eq(send(from, "w", 1, MSG_NOSIGNAL), 1);
	return place_ready(to, POLLIN, -1, expected ? TOPOLOGY_PATIENCE_MS : TOPOLOGY_WAIT_MS) &&
	       recv(to, &word, 1, 0) == 1;
}

/* Whoever speaks first; without NAT the other end could begin it anew. */
START_TEST(connections_go_on_if_the_list_has_them_and_no_others)
{
	const struct firewall_target one = { .network = topology_address(INTERNET) };
	struct firewall_machine free;
	int fds[4], fars[4];

	topology_build(&at);
	topology_forward(&at);
	place_address(&at.host, at.a.link, "fe80::1/64");
	usleep(50 * 1000);
	place_go(&at.host);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	at.a.machine.nat = false;
	ck_assert_int_eq(firewall_add(&firewall, &at.a.machine), 0);
	fds[0] = connected(&at.outside, INTERNET, &fars[0]);
	fds[1] = connected(&at.outside, OUTSIDE, &fars[1]);
	fds[2] = connected(&at.host, HOST, &fars[2]);
	fds[3] = connected(&at.host, "fe80::1%host0", &fars[3]);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		ck_assert(arrives(fars[i], fds[i], true));
	free = at.a.machine;
	at.a.machine.restricted = true;
	at.a.machine.targets = &one;
	at.a.machine.target_count = 1;
	place_go(&at.host);
	ck_assert_int_eq(firewall_guard(&firewall, &at.a.machine), 0);
	ck_assert_int_eq(firewall_restrict(&firewall, &free, &at.a.machine), 0);
	ck_assert(arrives(fars[0], fds[0], true) && arrives(fds[0], fars[0], true));
	for (size_t i = 1; i < ARRAY_SIZE(fds); i++) {
		ck_assert(!arrives(fars[i], fds[i], false));
		ck_assert(!arrives(fds[i], fars[i], false));
	}
	/* who begins from outside is heard as ever */
	EXPECT(at.outside, GUEST_A, 80, at.a.place, 80, OUTSIDE);
}
END_TEST

/* Nobody lists flows any more: the request is the only one without attributes. */
static void refuse_flows(void)
{
	const uint32_t size = sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, size, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* What it has begun cannot be ended: then it begins nothing, whatever it could before. */
START_TEST(what_fails_leaves_it_closed)
{
	const struct firewall_target one = { .network = topology_address(INTERNET) };
	struct firewall_machine free, listed;
	int status;

	build();
	free = listed = at.a.machine;
	listed.restricted = true;
	listed.targets = &one;
	listed.target_count = 1;
	for (int again = 0; again < 2; again++) {
		const struct firewall_machine *before = again == 0 ? &free : &listed;
		pid_t pid = fork();

		if (pid == 0) {
			place_go(&at.host);
			refuse_flows();
			_exit(-firewall_restrict(&firewall, before, &listed));
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(WEXITSTATUS(status), ENOMEM);
		REFUSE(at.a.place, OUTSIDE, 80, at.outside, 80);
		REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
		EXPECT(at.b.place, OUTSIDE, 80, at.outside, 80, HOST);
		/* and goes on from there */
		place_go(&at.host);
		ck_assert_int_eq(firewall_restrict(&firewall, &listed, &listed), 0);
		EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
		REFUSE(at.a.place, OUTSIDE, 80, at.outside, 80);
	}
}
END_TEST

int main(void)
{
	return TOPOLOGY_RUN("net/firewall-flows", a_flow_follows_the_port,
			    a_flow_of_ipv6_follows_the_port, a_flow_follows_a_range,
			    what_is_answered_goes_on, what_a_machine_has_begun_ends_with_its_list,
			    what_came_in_by_a_link_local_address_ends_too,
			    what_fails_leaves_it_closed,
			    connections_go_on_if_the_list_has_them_and_no_others);
}
