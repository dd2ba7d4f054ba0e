#include "net/firewall-routing.h"

#include <linux/fib_rules.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/fail.h"
#include "kernel/nftables.h"
#include "net/firewall-guard.h"
#include "net/firewall-sets.h"
#include "net/topology.h"

static struct topology at;
static struct firewall firewall;

static void build(void)
{
	topology_build(&at);
	topology_forward(&at);
	place_go(&at.host);
	ck_assert_int_eq(firewall_open(&firewall), 0);
}

static void add(struct guest *guest)
{
	place_go(&at.host);
	ck_assert_msg(firewall_add(&firewall, &guest->machine) == 0, "%s", fail_recorded()->text);
}

static int repair(const struct firewall_machine *machines, size_t count)
{
	int r;

	place_go(&at.host);
	ck_assert_int_eq(firewall_look(&firewall), 0);
	r = firewall_repair(&firewall, machines, count);
	ck_assert_msg(r >= 0, "%s", fail_recorded()->text);
	return r;
}

static bool there(unsigned int family)
{
	struct nftables_table table;
	int r = nftables_read_table(&firewall.filter, &table, family, "redd");

	ck_assert(r == 0 || r == -ENOENT);
	return r == 0;
}

/* As `nft flush ruleset`. */
static void flush(void)
{
	struct nftables nftables;
	unsigned char room[256];

	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, NFTABLES_INET, "redd");
	nftables_delete_table(&nftables);
	nftables_use(&nftables, NFTABLES_BRIDGE, "redd");
	nftables_delete_table(&nftables);
	ck_assert_int_eq(nftables_commit(&nftables, &firewall.filter), 0);
}

static int count_rule(const struct route_rule *rule, void *context)
{
	(void)rule;
	(*(size_t *)context)++;
	return 0;
}

static size_t rules(void)
{
	size_t count = 0;

	ck_assert_int_eq(route_list_rules(&at.host.netlink, AF_INET, FIREWALL_ROUTING_PROTOCOL,
					  count_rule, &count),
			 0);
	ck_assert_int_eq(route_list_rules(&at.host.netlink, AF_INET6, FIREWALL_ROUTING_PROTOCOL,
					  count_rule, &count),
			 0);
	return count;
}

START_TEST(the_tables_come_with_the_first_and_go_with_the_last)
{
	build();
	ck_assert(!there(NFTABLES_INET));
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 1);
	add(&at.a);
	ck_assert(firewall.made);
	ck_assert(there(NFTABLES_INET) && !there(NFTABLES_BRIDGE));
	firewall.made = false;
	add(&at.c);
	ck_assert(!firewall.made);
	ck_assert(there(NFTABLES_INET) && there(NFTABLES_BRIDGE));
	ck_assert_uint_eq(rules(), 10);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 0);
	ck_assert_int_eq(firewall_remove(&firewall, &at.a.machine, false), 0);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 0);
	ck_assert_int_eq(firewall_remove(&firewall, &at.c.machine, true), 0);
	ck_assert_int_eq(firewall_remove(&firewall, &at.c.machine, true), 0);
	ck_assert_uint_eq(rules(), 10);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 1);
	ck_assert(!there(NFTABLES_INET) && !there(NFTABLES_BRIDGE));
	ck_assert_uint_eq(rules(), 0);
	ck_assert_int_eq(firewall_remove(&firewall, &at.c.machine, true), 0);
}
END_TEST

static void remove_rule(uint32_t priority, unsigned int action, const char *from_link)
{
	static const int of[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		struct route_rule rule = { .family = of[i],
					   .priority = priority,
					   .action = action,
					   .from_link = from_link,
					   .protocol = FIREWALL_ROUTING_PROTOCOL };

		if (action == FR_ACT_GOTO)
			rule.go_to = 79;
		if (action == FR_ACT_GOTO && !from_link)
			rule.mark = rule.mask = FIREWALL_MARK;
		ck_assert_int_eq(route_delete_rule(&at.host.netlink, &rule), 0);
	}
}

/* As who is killed between them. */
static void remove_ways_around(void)
{
	remove_rule(71, FR_ACT_GOTO, NULL);
	remove_rule(72, FR_ACT_GOTO, "lo");
	remove_rule(79, FR_ACT_NOP, NULL);
	ck_assert_uint_eq(rules(), 4);
}

START_TEST(what_is_missing_of_the_routing_rules_is_made_again)
{
	build();
	add(&at.a);
	remove_ways_around();
	REFUSE(at.a.place, GUEST_B, 80, at.b.place, 80);
	add(&at.b);
	ck_assert_uint_eq(rules(), 10);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.host, GUEST_A6, 80, at.a.place, 80, GATEWAY_A6);

	place_go(&at.host);
	remove_ways_around();
	(void)repair((struct firewall_machine[]){ at.a.machine, at.b.machine }, 2);
	ck_assert_uint_eq(rules(), 10);
	EXPECT(at.host, GUEST_A, 80, at.a.place, 80, GATEWAY_A);
}
END_TEST

START_TEST(a_flush_isolates_machines_until_it_is_repaired)
{
	struct firewall_machine machines[4];

	build();
	add(&at.a);
	add(&at.b);
	add(&at.c);
	add(&at.d);
	memcpy(machines,
	       (struct firewall_machine[]){ at.a.machine, at.b.machine, at.c.machine,
					    at.d.machine },
	       sizeof(machines));
	ck_assert_int_eq(repair(machines, 4), 0);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	place_go(&at.host);
	flush();
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
	REFUSE(at.a.place, INTERNET6, 80, at.outside, 80);
	REFUSE(at.a.place, GUEST_B, 80, at.b.place, 80);
	REFUSE(at.a.place, GUEST_C6, 80, at.c.place, 80);
	REFUSE(at.outside, GUEST_A, 80, at.a.place, 80);
	REFUSE(at.outside, GUEST_C6, 80, at.c.place, 80);
	/* the host still reaches them, and they the host */
	EXPECT(at.host, GUEST_A, 80, at.a.place, 80, GATEWAY_A);
	EXPECT(at.host, GUEST_C6, 80, at.c.place, 80, GATEWAY_Z6);
	EXPECT(at.a.place, GATEWAY_A, 80, at.host, 80, GUEST_A);
	ck_assert_int_eq(repair(machines, 4), 1);
	ck_assert_int_eq(repair(machines, 4), 0);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	REFUSE(at.a.place, GUEST_B, 80, at.b.place, 80);
	REFUSE(at.outside, GUEST_A, 80, at.a.place, 80);
	EXPECT(at.c.place, GUEST_D, 80, at.d.place, 80, GUEST_C);
}
END_TEST

static bool gets_out(struct guest *guest)
{
	int server = place_listen(&at.outside, OUTSIDE, SOCK_DGRAM, 80);
	int fd = place_socket(&guest->place, AF_INET, SOCK_DGRAM);
	struct sockaddr_storage to;
	socklen_t size = place_sockaddr(&to, OUTSIDE, 80);
	bool seen;

	ck_assert_int_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, size), 1);
	seen = place_ready(server, POLLIN, -1, TOPOLOGY_WAIT_MS * 3);
	close(server);
	close(fd);
	return seen;
}

START_TEST(a_guarded_machine_is_cut_off_by_a_flush)
{
	const struct firewall_target target = { .network = topology_address(INTERNET) };

	build();
	at.a.machine.restricted = at.c.machine.restricted = true;
	at.a.machine.targets = at.c.machine.targets = &target;
	at.a.machine.target_count = at.c.machine.target_count = 1;
	at.a.machine.pool_count = at.c.machine.pool_count = 0;
	add(&at.a);
	add(&at.c);
	add(&at.d);
	ck_assert_uint_eq(rules(), 10);
	ck_assert_int_eq(firewall_guard(&firewall, &at.a.machine), 0);
	ck_assert_int_eq(firewall_guard(&firewall, &at.c.machine), 0);
	ck_assert_int_eq(firewall_guard(&firewall, &at.c.machine), 0);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.c.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.c.place, GUEST_D, 80, at.d.place, 80, GUEST_C);
	place_go(&at.host);
	flush();
	/* not even a packet that wants no answer gets out */
	ck_assert(!gets_out(&at.a));
	REFUSE(at.a.place, GATEWAY_A, 80, at.host, 80);
	REFUSE(at.c.place, HOST6, 80, at.host, 80);
	/* siblings still talk, and others are not guarded */
	EXPECT(at.c.place, GUEST_D, 80, at.d.place, 80, GUEST_C);
	EXPECT(at.d.place, GATEWAY_Z, 80, at.host, 80, GUEST_D);
	/* without the guard, it would be open */
	place_go(&at.host);
	firewall_close(&firewall);
	usleep(50 * 1000);
	EXPECT(at.c.place, HOST6, 80, at.host, 80, GUEST_C6);
	ck_assert(gets_out(&at.a));
}
END_TEST

/* With strict filters of reverse paths, as many distributions have them. */
START_TEST(reverse_path_filters_are_not_disturbed)
{
	const struct firewall_port port = {
		.protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80
	};
	int server;

	build();
	place_sysctl(&at.host, "/proc/sys/net/ipv4/conf/all/rp_filter", "1");
	place_sysctl(&at.host, "/proc/sys/net/ipv4/conf/default/rp_filter", "1");
	at.a.machine.ports = &port;
	at.a.machine.port_count = 1;
	add(&at.a);
	add(&at.c);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.c.place, GATEWAY_Z, 80, at.host, 80, GUEST_C);
	EXPECT(at.host, GUEST_A, 80, at.a.place, 80, GATEWAY_A);
	server = place_listen(&at.a.place, GUEST_A, SOCK_STREAM, 80);
	ck_assert(place_talks(&at.outside, HOST, SOCK_STREAM, 8080, server, TOPOLOGY_PATIENCE_MS,
			      NULL));
	ck_assert(
		place_talks(&at.host, HOST, SOCK_STREAM, 8080, server, TOPOLOGY_PATIENCE_MS, NULL));
	ck_assert(place_talks(&at.c.place, HOST, SOCK_STREAM, 8080, server, TOPOLOGY_PATIENCE_MS,
			      NULL));
}
END_TEST

static void delete_table(unsigned int family)
{
	struct nftables nftables;
	unsigned char room[256];

	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, family, "redd");
	nftables_delete_table(&nftables);
	ck_assert_int_eq(nftables_commit(&nftables, &firewall.filter), 0);
}

START_TEST(what_is_missing_is_repaired)
{
	struct firewall_machine machines[2];
	struct nftables_element port = {};
	struct nftables nftables;
	unsigned char room[256];

	build();
	add(&at.a);
	memcpy(machines, (struct firewall_machine[]){ at.a.machine, at.c.machine },
	       sizeof(machines));
	ck_assert_int_eq(repair(machines, 2), 1);
	EXPECT(at.c.place, INTERNET, 80, at.outside, 80, HOST);
	/* one that was not read about, as it starts or ends, stays */
	ck_assert_int_eq(repair(machines, 1), 0);
	EXPECT(at.c.place, INTERNET, 80, at.outside, 80, HOST);
	ck_assert_int_eq(repair(machines, 2), 0);

	/* what only the bridge's table has of it */
	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, NFTABLES_BRIDGE, "redd");
	nftables_value_add_u32(&port.key, at.c.machine.link);
	nftables_delete_element(&nftables, "ports", &port);
	ck_assert_int_eq(nftables_commit(&nftables, &firewall.filter), 0);
	ck_assert_int_eq(repair(machines, 2), 1);

	/* rules only */
	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, NFTABLES_INET, "redd");
	nftables_flush_chain(&nftables, "enter");
	ck_assert_int_eq(nftables_commit(&nftables, &firewall.filter), 0);
	ck_assert_int_eq(repair(machines, 2), 1);

	/* the table of bridges only */
	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, NFTABLES_BRIDGE, "redd");
	nftables_delete_table(&nftables);
	ck_assert_int_eq(nftables_commit(&nftables, &firewall.filter), 0);
	ck_assert_int_eq(firewall_add(&firewall, &at.c.machine), -ESTALE);
	ck_assert_int_eq(repair(machines, 2), 1);
	ck_assert_int_eq(firewall_add(&firewall, &at.c.machine), 0);

	/* nobody is left */
	ck_assert_int_eq(repair(NULL, 0), 0);
	flush();
	ck_assert_int_eq(repair(NULL, 0), 1);
	ck_assert_uint_eq(rules(), 0);
}
END_TEST

START_TEST(tables_of_another_version_are_replaced)
{
	struct nftables nftables;
	unsigned char room[256];

	build();
	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, NFTABLES_INET, "redd");
	nftables_make_table(&nftables, "made by redd, ruleset 0");
	ck_assert_int_eq(nftables_commit(&nftables, &firewall.filter), 0);
	ck_assert_int_eq(firewall_add(&firewall, &at.a.machine), -ESTALE);
	ck_assert_int_eq(repair(&at.a.machine, 1), 1);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
}
END_TEST

START_TEST(a_change_in_between_is_noticed)
{
	build();
	ck_assert_int_eq(firewall_look(&firewall), 0);
	add(&at.a);
	ck_assert_int_eq(firewall_repair(&firewall, &at.c.machine, 1), -EAGAIN);
	ck_assert_int_eq(repair(&at.a.machine, 1), 0);
}
END_TEST

START_TEST(two_who_want_one_port_do_not_prevent_a_repair)
{
	const struct firewall_port ports[] = {
		{ .protocol = IPPROTO_TCP, .first = 8080, .last = 8080, .container = 80 },
		{ .protocol = IPPROTO_TCP, .first = 8081, .last = 8081, .container = 80 },
	};
	struct firewall_machine machines[2];
	int server;

	build();
	at.a.machine.ports = at.b.machine.ports = ports;
	at.a.machine.port_count = 1;
	at.b.machine.port_count = 2;
	add(&at.a);
	ck_assert_int_eq(firewall_add(&firewall, &at.b.machine), -EADDRINUSE);
	ck_assert_str_eq(fail_recorded()->text, "cannot publish port 8080: another machine has it");
	/* Taking it out does not take the other's. */
	ck_assert_int_eq(firewall_remove(&firewall, &at.b.machine, false), 0);
	memcpy(machines, (struct firewall_machine[]){ at.a.machine, at.b.machine },
	       sizeof(machines));
	ck_assert_int_eq(repair(machines, 2), 1);
	server = place_listen(&at.a.place, GUEST_A, SOCK_STREAM, 80);
	ck_assert(place_talks(&at.outside, HOST, SOCK_STREAM, 8080, server, TOPOLOGY_PATIENCE_MS,
			      NULL));
	close(server);
	server = place_listen(&at.b.place, GUEST_B, SOCK_STREAM, 80);
	ck_assert(place_talks(&at.outside, HOST, SOCK_STREAM, 8081, server, TOPOLOGY_PATIENCE_MS,
			      NULL));
}
END_TEST

/* Machine NUMBER, on a's link or (odd) on c's bridge. */
static int add_numbered(unsigned char number)
{
	struct firewall firewall_of_its = FIREWALL_EMPTY;
	struct firewall_address address = { AF_INET, 32, { 10, 213, 1, number } };
	struct firewall_machine machine = number % 2 ? at.c.machine : at.a.machine;
	int r;

	machine.addresses = &address;
	machine.address_count = 1;
	r = firewall_open(&firewall_of_its);
	if (r >= 0)
		r = firewall_add(&firewall_of_its, &machine);
	return r;
}

static int count_key(const struct nftables_value *key, void *context)
{
	(void)key;
	(*(size_t *)context)++;
	return 0;
}

START_TEST(many_may_start_at_once)
{
	enum { COUNT = 24 };
	size_t count = 0;
	pid_t pids[COUNT];
	int status;

	build();
	for (unsigned char i = 0; i < COUNT; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] == 0)
			_exit(add_numbered(i) < 0);
	}
	for (int i = 0; i < COUNT; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(nftables_list_keys(&firewall.filter, NFTABLES_INET, "redd", "inside4",
					    count_key, &count),
			 0);
	ck_assert_uint_eq(count, COUNT);
	ck_assert_uint_eq(rules(), 10);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
}
END_TEST

static void flush_chain(const char *chain)
{
	struct nftables nftables;
	unsigned char room[256];

	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, NFTABLES_INET, "redd");
	nftables_flush_chain(&nftables, chain);
	ck_assert_int_eq(nftables_commit(&nftables, &firewall.filter), 0);
}

START_TEST(who_is_on_a_bridge_keeps_its_filter_without_the_other_table)
{
	struct firewall_machine machines[2];

	build();
	add(&at.a);
	add(&at.c);
	machines[0] = at.a.machine;
	machines[1] = at.c.machine;
	delete_table(NFTABLES_INET);
	ck_assert_int_eq(firewall_add(&firewall, &at.d.machine), -ESTALE);
	ck_assert_int_eq(firewall_remove(&firewall, &at.d.machine, false), 0);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 0);
	ck_assert(there(NFTABLES_BRIDGE));
	ck_assert_int_eq(repair(machines, 2), 1);
	delete_table(NFTABLES_INET);
	ck_assert_int_eq(firewall_remove(&firewall, &at.c.machine, true), 0);
	ck_assert_int_eq(firewall_drop_if_empty(&firewall), 1);
	ck_assert(!there(NFTABLES_BRIDGE));
}
END_TEST

/* Programs that always made both marked nothing. */
START_TEST(a_lost_table_of_bridges_is_told_from_one_that_nobody_needed)
{
	struct nftables nftables;
	unsigned char room[256];

	build();
	add(&at.a);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, NFTABLES_INET, "redd");
	nftables_delete_chain(&nftables, "unbridged");
	ck_assert_int_eq(nftables_commit(&nftables, &firewall.filter), 0);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 0);
	ck_assert_int_eq(firewall_add(&firewall, &at.c.machine), -ESTALE);
	ck_assert_int_eq(repair(&at.a.machine, 1), 1);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
	add(&at.c);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
}
END_TEST

/* Machines on bridges, the first after the tables were made without. */
static void come_and_go(void)
{
	struct firewall its = FIREWALL_EMPTY;
	int r = firewall_open(&its);

	while (r >= 0) {
		r = firewall_add(&its, &at.c.machine);
		if (r >= 0)
			r = firewall_remove(&its, &at.c.machine, true);
		if (r >= 0)
			r = MIN(firewall_drop_if_empty(&its), 0);
	}
	_exit(1);
}

START_TEST(who_comes_while_others_look_is_no_damage)
{
	int status;
	pid_t pid;

	build();
	add(&at.a);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		come_and_go();
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

START_TEST(what_is_missing_is_seen_at_a_glance)
{
	static const char *const chains[] = { "prerouting", "source", "publish" };
	const struct firewall_target target = { .network = topology_address(INTERNET) };
	struct firewall_machine machines[2];

	build();
	ck_assert_int_eq(firewall_seems_whole(&firewall), 0);
	at.a.machine.restricted = true;
	at.a.machine.targets = &target;
	at.a.machine.target_count = 1;
	add(&at.a);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
	add(&at.c);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
	machines[0] = at.a.machine;
	machines[1] = at.c.machine;
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		flush_chain(chains[i]);
		ck_assert_int_eq(firewall_seems_whole(&firewall), 0);
		ck_assert_int_eq(repair(machines, 2), 1);
		ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
	}
	delete_table(NFTABLES_BRIDGE);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 0);
	ck_assert_int_eq(repair(machines, 2), 1);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
	/* nobody there needs it */
	ck_assert_int_eq(firewall_remove(&firewall, &at.c.machine, true), 0);
	delete_table(NFTABLES_BRIDGE);
	ck_assert_int_eq(firewall_seems_whole(&firewall), 0);
	ck_assert_int_eq(repair(machines, 1), 1);
	ck_assert(!there(NFTABLES_BRIDGE));
	ck_assert_int_eq(firewall_seems_whole(&firewall), 1);
}
END_TEST

int main(void)
{
	return TOPOLOGY_RUN("net/firewall-repair",
			    the_tables_come_with_the_first_and_go_with_the_last,
			    what_is_missing_of_the_routing_rules_is_made_again,
			    a_flush_isolates_machines_until_it_is_repaired,
			    a_guarded_machine_is_cut_off_by_a_flush,
			    reverse_path_filters_are_not_disturbed, what_is_missing_is_repaired,
			    who_is_on_a_bridge_keeps_its_filter_without_the_other_table,
			    tables_of_another_version_are_replaced, a_change_in_between_is_noticed,
			    two_who_want_one_port_do_not_prevent_a_repair,
			    what_is_missing_is_seen_at_a_glance,
			    a_lost_table_of_bridges_is_told_from_one_that_nobody_needed,
			    who_comes_while_others_look_is_no_damage, many_may_start_at_once);
}
