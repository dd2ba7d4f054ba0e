#include "net/firewall-forwarding.h"

#include "base/fail.h"
#include "io/file.h"
#include "net/topology.h"

#define V4 "/proc/sys/net/ipv4/conf/"
#define V6 "/proc/sys/net/ipv6/conf/"

static struct topology at;
static struct firewall firewall;
static struct guest other; /* a network of the host's that is no machine's */

static char value(const char *path)
{
	char text[16];

	place_go(&at.host);
	ck_assert_int_eq(file_read_line(text, sizeof(text), AT_FDCWD, path), 0);
	return text[0];
}

static bool has_single_switches(void)
{
	return access(V6 "all/force_forwarding", F_OK) == 0;
}

static void build(void)
{
	topology_build(&at);
	topology_guest(&at, &other, "eth1",
		       (const char *const[]){ "203.0.113.1", "203.0.113.2", "2001:db8:2::1",
					      "2001:db8:2::2" },
		       0);
	place_route(&at.outside, "203.0.113.0/30", HOST);
	place_route(&at.outside, "2001:db8:2::/64", HOST6);
	place_go(&at.host);
	usleep(50 * 1000);
	ck_assert_int_eq(firewall_open(&firewall), 0);
}

static void add(struct guest *guest)
{
	place_go(&at.host);
	ck_assert_msg(firewall_add(&firewall, &guest->machine) == 0, "%s", fail_recorded()->text);
}

static int on(struct guest *guest)
{
	int r;

	place_go(&at.host);
	r = firewall_forwarding_on(&firewall, &guest->machine);
	ck_assert_msg(r >= 0, "%s", fail_recorded()->text);
	return r;
}

START_TEST(what_somebody_switched_on_stays_theirs)
{
	build();
	topology_forward(&at);
	add(&at.a);
	ck_assert_int_eq(on(&at.a), 1);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.outside, "203.0.113.2", 80, other.place, 80, OUTSIDE);
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, false), 0);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 1);
	EXPECT(at.outside, "203.0.113.2", 80, other.place, 80, OUTSIDE);
	ck_assert_int_eq(value("/proc/sys/net/ipv4/ip_forward"), '1');
}
END_TEST

START_TEST(machines_are_forwarded_and_nobody_else)
{
	const struct firewall_port ports[] = {
		{ .protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80 },
		{ .protocol = IPPROTO_UDP, .first = 8080, .last = 8080, .container = 80 },
	};

	build();
	place_sysctl(&at.host, V4 "all/rp_filter", "1");
	at.a.machine.ports = ports;
	at.a.machine.port_count = 2;
	add(&at.a);
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
	/* who looks at marks already goes on with it */
	place_sysctl(&at.host, V4 "eth1/src_valid_mark", "1");
	ck_assert_int_eq(on(&at.a), 0);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.a.place, INTERNET6, 80, at.outside, 80, HOST6);
	EXPECT(at.outside, HOST, 8080, at.a.place, 80, OUTSIDE);
	EXPECT(at.outside, HOST6, 8080, at.a.place, 80, OUTSIDE6);
	EXPECT(other.place, "203.0.113.1", 8080, at.a.place, 80, "203.0.113.2");
	REFUSE(at.outside, "203.0.113.2", 80, other.place, 80);
	REFUSE(at.outside, "2001:db8:2::2", 80, other.place, 80);
	REFUSE(other.place, INTERNET, 80, at.outside, 80);
	EXPECT(other.place, HOST, 80, at.host, 80, "203.0.113.2");
	EXPECT(at.host, INTERNET, 80, at.outside, 80, HOST);
	ck_assert_int_eq(value("/proc/sys/net/ipv4/ip_forward"), '0');

	/* the next one, and in a zone */
	add(&at.c);
	ck_assert_int_eq(on(&at.c), 0);
	EXPECT(at.c.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.c.place, INTERNET6, 80, at.outside, 80, HOST6);

	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, false), 0);
	ck_assert_int_eq(firewall_remove(&firewall, &at.c.machine, true), 0);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 1);
	ck_assert_int_eq(value(V4 "ext0/forwarding"), '0');
	ck_assert_int_eq(value(V4 "ext0/src_valid_mark"), '0');
	ck_assert_int_eq(value(V4 "eth1/src_valid_mark"), '1');
	ck_assert_int_eq(value(V4 "default/forwarding"), '0');
	ck_assert_int_eq(value(V6 "all/forwarding"), '0');
	REFUSE(at.outside, "203.0.113.2", 80, other.place, 80);
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
}
END_TEST

START_TEST(interfaces_that_come_later_take_part)
{
	struct guest later = {};

	build();
	add(&at.a);
	ck_assert_int_eq(on(&at.a), 0);
	topology_guest(&at, &later, "eth2",
		       (const char *const[]){ "203.0.113.5", "203.0.113.6", "2001:db8:3::1",
					      "2001:db8:3::2" },
		       0);
	usleep(50 * 1000);
	EXPECT(at.a.place, "203.0.113.6", 80, later.place, 80, "203.0.113.5");
	EXPECT(at.a.place, "2001:db8:3::2", 80, later.place, 80, "2001:db8:3::1");
	REFUSE(later.place, INTERNET, 80, at.outside, 80);
}
END_TEST

START_TEST(who_switches_forwarding_on_later_gets_it)
{
	int fd;

	if (!has_single_switches()) {
		puts("skipped: this kernel has only the common switch for IPv6");
		return;
	}
	build();
	add(&at.a);
	ck_assert_int_eq(on(&at.a), 0);
	ck_assert_int_eq(firewall_forwarding_watch(&fd), 0);
	/* what is about one interface is no news */
	place_sysctl(&at.host, V4 "eth1/forwarding", "0");
	place_sysctl(&at.host, V4 "eth1/forwarding", "1");
	ck_assert(!place_ready(fd, POLLIN, -1, TOPOLOGY_WAIT_MS));
	ck_assert_int_eq(firewall_forwarding_refresh(&firewall, fd), 0);
	REFUSE(at.outside, "203.0.113.2", 80, other.place, 80);

	place_sysctl(&at.host, "/proc/sys/net/ipv4/ip_forward", "1");
	ck_assert(place_ready(fd, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert_int_eq(firewall_forwarding_refresh(&firewall, fd), 0);
	ck_assert(!place_ready(fd, POLLIN, -1, 0));
	EXPECT(at.outside, "203.0.113.2", 80, other.place, 80, OUTSIDE);
	REFUSE(at.outside, "2001:db8:2::2", 80, other.place, 80);
	place_sysctl(&at.host, V6 "all/forwarding", "1");
	ck_assert(place_ready(fd, POLLIN, -1, TOPOLOGY_PATIENCE_MS));
	ck_assert_int_eq(firewall_forwarding_refresh(&firewall, fd), 0);
	EXPECT(at.outside, "2001:db8:2::2", 80, other.place, 80, OUTSIDE6);

	/* and keeps it */
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, false), 0);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 1);
	EXPECT(at.outside, "203.0.113.2", 80, other.place, 80, OUTSIDE);
	EXPECT(at.outside, "2001:db8:2::2", 80, other.place, 80, OUTSIDE6);
}
END_TEST

START_TEST(what_was_switched_by_hand_stays_so)
{
	build();
	place_sysctl(&at.host, V4 "ext0/forwarding", "1");
	place_sysctl(&at.host, V4 "eth1/forwarding", "1");
	add(&at.a);
	ck_assert_int_eq(on(&at.a), 0);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.outside, "203.0.113.2", 80, other.place, 80, OUTSIDE);
	ck_assert_int_eq(value(V4 "ve-b/forwarding"), '0');
}
END_TEST

START_TEST(without_the_tables_nobody_is_forwarded)
{
	build();
	add(&at.a);
	ck_assert_int_eq(on(&at.a), 0);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	place_go(&at.host);
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, false), 0);
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
	REFUSE(at.a.place, "203.0.113.2", 80, other.place, 80);
	REFUSE(at.outside, "203.0.113.2", 80, other.place, 80);
}
END_TEST

int main(void)
{
	return TOPOLOGY_RUN("net/firewall-forwarding", what_somebody_switched_on_stays_theirs,
			    machines_are_forwarded_and_nobody_else,
			    interfaces_that_come_later_take_part,
			    who_switches_forwarding_on_later_gets_it,
			    what_was_switched_by_hand_stays_so,
			    without_the_tables_nobody_is_forwarded);
}
