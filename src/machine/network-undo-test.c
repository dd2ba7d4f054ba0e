#include "machine/network-undo.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/scratch.h"
#include "kernel/fixture.h"
#include "kernel/nftables.h"
#include "kernel/process.h"
#include "machine/network-file.h"
#include "net/facts.h"
#include "net/firewall-sets.h"
#include "net/firewall.h"

static struct arena arena;

static struct facts sample(const char *tag)
{
	struct facts facts = { .tag = tag,
			       .leader = 4711,
			       .link = 12,
			       .mac = { 2, 0, 0, 0, 0, 2 },
			       .gateway_mac = { 2, 0, 0, 0, 0, 1 },
			       .fixed = true,
			       .nat = true };
	struct ip_prefix guest, host;

	ck_assert_int_eq(ip_parse_prefix(&guest, "10.213.0.2/30"), 0);
	ck_assert_int_eq(ip_parse_prefix(&host, "10.213.0.1/30"), 0);
	facts_add_prefix(&arena, &facts.addresses, &facts.address_count, &guest);
	facts_add_prefix(&arena, &facts.gateways, &facts.gateway_count, &host);
	return facts;
}

/* 1: the packet filter has something of a machine. */
static bool is_filtered(struct firewall *firewall)
{
	struct nftables_table table;

	return nftables_read_table(&firewall->filter, &table, NFPROTO_INET, FIREWALL_TABLE) == 0;
}

static void add(struct firewall *firewall, const struct facts *facts)
{
	struct firewall_machine machine;

	ck_assert_int_eq(facts_machine(&arena, &machine, facts), 0);
	ck_assert_int_eq(firewall_add(firewall, &machine), 0);
}

static int undo(const char *machine, const char *tag)
{
	const struct network_undo undo = {
		.runtime = "/mnt/redd", .machine = machine, .tag = tag, .netns_fd = -EBADF
	};

	return network_undo_all(&arena, &undo, scratch_fd);
}

START_TEST(who_cleans_up_takes_the_rules_of_that_record_alone)
{
	struct firewall firewall = FIREWALL_EMPTY;
	struct facts facts = sample("0123456789abcdef");

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	add(&firewall, &facts);
	ck_assert_int_eq(undo("gone", "0123456789abcdef"), 0);
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	/* Another one of that name has it. */
	ck_assert_int_eq(undo("web", "fedcba9876543210"), 0);
	ck_assert(is_filtered(&firewall));
	ck_assert_int_eq(undo("web", "0123456789abcdef"), 0);
	ck_assert(!is_filtered(&firewall));
	/* Twice is once. */
	ck_assert_int_eq(undo("web", "0123456789abcdef"), 0);
	firewall_close(&firewall);
}
END_TEST

START_TEST(without_a_link_there_are_no_rules)
{
	struct facts facts = { .tag = "0123456789abcdef" };

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	ck_assert_int_eq(undo("web", "0123456789abcdef"), 0);
}
END_TEST

/* The only process here that is not of the test. */
START_TEST(what_its_network_came_through_ends)
{
	struct facts facts = { .tag = "0123456789abcdef" };
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	facts.helper = (uint32_t)pid;
	ck_assert_int_eq(process_start_time(pid, &facts.helper_start), 0);
	facts.helper_start++;
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	ck_assert_int_eq(undo("web", "0123456789abcdef"), 0);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	facts.helper_start--;
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	ck_assert_int_eq(undo("web", "0123456789abcdef"), 0);
	/* Reaped already: here it was a child of ours. */
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/network-undo",
			   who_cleans_up_takes_the_rules_of_that_record_alone,
			   without_a_link_there_are_no_rules, what_its_network_came_through_ends);
}
