#include "net/firewall-flows.h"

#include "base/fail.h"
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

int main(void)
{
	return TOPOLOGY_RUN("net/firewall-flows", a_flow_follows_the_port,
			    a_flow_of_ipv6_follows_the_port, a_flow_follows_a_range,
			    what_is_answered_goes_on);
}
