#include "machine/network-repair.h"

#include <netinet/in.h>
#include <sched.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "io/scratch.h"
#include "kernel/fixture.h"
#include "kernel/nftables.h"
#include "machine/network-file.h"
#include "machine/record.h"
#include "net/facts.h"
#include "net/firewall.h"

static struct arena arena;

/* A running one with a link of that index, which is not looked at. */
static struct firewall_machine noted(int dir_fd, const char *name, uint32_t link)
{
	struct ip_prefix address = { .ip = { .family = AF_INET }, .length = 30 };
	struct firewall_machine machine;
	struct stat st;
	struct facts facts = { .tag = "0123456789abcdef",
			       .leader = (uint32_t)getpid(),
			       .link = link,
			       .fixed = true,
			       .addresses = &address,
			       .address_count = 1 };

	memcpy(address.ip.bytes, (uint8_t[]){ 10, 213, 0, (uint8_t)link }, 4);
	ck_assert_int_eq(stat("/proc/self/ns/net", &st), 0);
	facts.namespace = (uint32_t)st.st_ino;
	ck_assert_int_eq(network_file_write(&arena, dir_fd, name, &facts), 0);
	ck_assert_int_eq(facts_machine(&arena, &machine, &facts), 0);
	return machine;
}

static struct firewall_machine running(const char *name, uint32_t link)
{
	return noted(scratch_fd, name, link);
}

static int count_key(const struct nftables_value *key, void *context)
{
	(void)key;
	(*(size_t *)context)++;
	return 0;
}

static size_t machines(struct firewall *firewall)
{
	size_t count = 0;

	ck_assert_int_eq(nftables_list_keys(&firewall->filter, NFTABLES_INET, "redd", "machines",
					    count_key, &count),
			 0);
	return count;
}

START_TEST(who_makes_the_rules_alone_makes_those_of_others_too)
{
	struct firewall firewall = FIREWALL_EMPTY;
	struct firewall_machine first, second;

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	first = running("first", 71);
	ck_assert_int_eq(firewall_add(&firewall, &first), 0);
	ck_assert(firewall.made);
	ck_assert_int_eq(network_repair_others(&arena, &firewall, scratch_fd, &first, 1), 0);
	/* as if somebody had flushed what this one made before */
	second = running("second", 72);
	ck_assert_uint_eq(machines(&firewall), 1);
	ck_assert_int_eq(network_repair_others(&arena, &firewall, scratch_fd, &first, 1), 1);
	ck_assert_uint_eq(machines(&firewall), 2);
	ck_assert_int_eq(network_repair_others(&arena, &firewall, scratch_fd, &second, 1), 0);
	firewall_close(&firewall);
}
END_TEST

static void flush_chain(struct firewall *firewall, const char *chain)
{
	struct nftables nftables;
	unsigned char room[256];

	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, NFTABLES_INET, "redd");
	nftables_flush_chain(&nftables, chain);
	ck_assert_int_eq(nftables_commit(&nftables, &firewall->filter), 0);
}

START_TEST(rules_that_a_starting_machine_has_already_survive_a_repair)
{
	struct firewall firewall = FIREWALL_EMPTY;
	struct record record = RECORD_EMPTY;
	struct firewall_machine late;

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	ck_assert_int_eq(record_create(&arena, &record, scratch_path, "late"), 0);
	ck_assert_int_eq(record_runs(&record, 0), 0);
	noted(record.dir_fd, "first", 71);
	ck_assert_int_eq(network_repair_others(&arena, &firewall, record.dir_fd, NULL, 0), 1);
	late = noted(record.dir_fd, "late", 73);
	ck_assert_int_eq(firewall_add(&firewall, &late), 0);
	ck_assert_int_eq(network_repair_others(&arena, &firewall, record.dir_fd, NULL, 0), 0);
	flush_chain(&firewall, "enter");
	ck_assert_int_eq(network_repair_others(&arena, &firewall, record.dir_fd, NULL, 0), 1);
	ck_assert_uint_eq(machines(&firewall), 2);
	record_remove(&record);
	firewall_close(&firewall);
}
END_TEST

START_TEST(rules_of_a_machine_that_starts_are_not_gone_but_not_made_yet)
{
	struct firewall firewall = FIREWALL_EMPTY;
	struct record record = RECORD_EMPTY;

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	ck_assert_int_eq(record_create(&arena, &record, scratch_path, "late"), 0);
	ck_assert_int_eq(record_runs(&record, 0), 0);
	noted(record.dir_fd, "late", 73);
	ck_assert_int_eq(network_repair_others(&arena, &firewall, record.dir_fd, NULL, 0), 0);
	ck_assert_int_eq(record_runs(&record, getpid()), 0);
	ck_assert_int_eq(network_repair_others(&arena, &firewall, record.dir_fd, NULL, 0), 1);
	ck_assert_uint_eq(machines(&firewall), 1);
	record_remove(&record);
	firewall_close(&firewall);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/network-repair",
			   who_makes_the_rules_alone_makes_those_of_others_too,
			   rules_that_a_starting_machine_has_already_survive_a_repair,
			   rules_of_a_machine_that_starts_are_not_gone_but_not_made_yet);
}
