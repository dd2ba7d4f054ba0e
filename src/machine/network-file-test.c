#include "machine/network-file.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/names.h"
#include "io/scratch.h"
#include "kernel/fixture.h"
#include "kernel/nftables.h"
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

START_TEST(what_is_written_is_read)
{
	struct facts facts = sample("0123456789abcdef"), read;

	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "web"), -ENOENT);
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "web"), 0);
	ck_assert_str_eq(facts_print(&arena, &read), facts_print(&arena, &facts));
	facts.leader = 4712;
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "web"), 0);
	ck_assert_uint_eq(read.leader, 4712);
}
END_TEST

START_TEST(nobody_else_reads_it_and_it_is_no_machine)
{
	char name[NETWORK_FILE_ROOM], longest[NAME_MAX_LENGTH + 1];
	struct facts facts = sample("tag");
	struct stat st;

	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	network_file_name(name, "web");
	ck_assert_int_eq(fstatat(scratch_fd, name, &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert(!name_is_machine(name));
	memset(longest, 'a', NAME_MAX_LENGTH);
	longest[NAME_MAX_LENGTH] = '\0';
	network_file_name(name, longest);
	ck_assert_ptr_nonnull(strstr(name, "a.network"));
}
END_TEST

START_TEST(what_cannot_be_understood_is_no_network)
{
	struct facts read = { .leader = 77 };

	scratch_put(".torn.network", "link=12\naddre");
	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "torn"), -EBADMSG);
	ck_assert_uint_eq(read.leader, 77);
}
END_TEST

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

START_TEST(who_cleans_up_takes_the_rules_of_that_record_alone)
{
	struct firewall firewall = FIREWALL_EMPTY;
	struct facts facts = sample("0123456789abcdef");

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	add(&firewall, &facts);
	ck_assert_int_eq(network_file_undo(&arena, scratch_fd, "gone", "0123456789abcdef"), 0);
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	/* Another one of that name has it. */
	ck_assert_int_eq(network_file_undo(&arena, scratch_fd, "web", "fedcba9876543210"), 0);
	ck_assert(is_filtered(&firewall));
	ck_assert_int_eq(network_file_undo(&arena, scratch_fd, "web", "0123456789abcdef"), 0);
	ck_assert(!is_filtered(&firewall));
	/* Twice is once. */
	ck_assert_int_eq(network_file_undo(&arena, scratch_fd, "web", "0123456789abcdef"), 0);
	firewall_close(&firewall);
}
END_TEST

START_TEST(without_a_link_there_are_no_rules)
{
	struct facts facts = { .tag = "0123456789abcdef" };

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	ck_assert_int_eq(network_file_undo(&arena, scratch_fd, "web", "0123456789abcdef"), 0);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/network-file", what_is_written_is_read,
			   nobody_else_reads_it_and_it_is_no_machine,
			   what_cannot_be_understood_is_no_network,
			   who_cleans_up_takes_the_rules_of_that_record_alone,
			   without_a_link_there_are_no_rules);
}
