#include "kernel/nftables.h"

#include <linux/netfilter.h>
#include <linux/netlink.h>

#include "kernel/fixture.h"
#include "kernel/nft.h"

struct world {
	struct nftables nftables;
	struct netlink netlink;
	unsigned char room[16384];
};

static struct world world;

static struct nftables *again(uint32_t generation)
{
	nftables_begin(&world.nftables, world.room, sizeof(world.room), generation);
	nftables_use(&world.nftables, NFTABLES_INET, "t");
	return &world.nftables;
}

static struct nftables *begin(void)
{
	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(netlink_open(&world.netlink, NETLINK_NETFILTER), 0);
	again(0);
	nftables_make_table(&world.nftables, "hello");
	return &world.nftables;
}

static int commit(void)
{
	return nftables_commit(&world.nftables, &world.netlink);
}

static struct nftables_element link_element(uint32_t index)
{
	struct nftables_element element = {};

	nftables_value_add_u32(&element.key, index);
	return element;
}

static int count_key(const struct nftables_value *key, void *context)
{
	size_t *count = context;

	ck_assert_uint_eq(key->size % 4, 0);
	(*count)++;
	return 0;
}

static size_t elements(const char *set)
{
	size_t count = 0;

	ck_assert_int_eq(
		nftables_list_keys(&world.netlink, NFTABLES_INET, "t", set, count_key, &count), 0);
	return count;
}

START_TEST(a_table_is_there_until_it_is_deleted)
{
	struct nftables_table table;
	struct nftables *nftables = begin();

	ck_assert_int_eq(nftables_read_table(&world.netlink, &table, NFTABLES_INET, "t"), -ENOENT);
	ck_assert_int_eq(commit(), 0);
	ck_assert_int_eq(nftables_read_table(&world.netlink, &table, NFTABLES_INET, "t"), 0);
	ck_assert_str_eq(table.comment, "hello");
	ck_assert(!table.own);
	ck_assert_int_eq(nftables_read_table(&world.netlink, &table, NFTABLES_BRIDGE, "t"),
			 -ENOENT);
	again(0);
	nftables_delete_table(nftables);
	ck_assert_int_eq(commit(), 0);
	ck_assert_int_eq(nftables_read_table(&world.netlink, &table, NFTABLES_INET, "t"), -ENOENT);
}
END_TEST

START_TEST(a_transaction_is_done_as_a_whole_or_not_at_all)
{
	struct nftables *nftables = begin();
	struct nftables_element element = link_element(1);
	struct nftables_table table;

	nftables_add_element(nftables, "missing", &element);
	nftables_make_chain(nftables, "c", NULL);
	ck_assert_int_eq(commit(), -ENOENT);
	ck_assert_uint_eq(world.netlink.failed, 2);
	ck_assert_int_eq(nftables_read_table(&world.netlink, &table, NFTABLES_INET, "t"), -ENOENT);

	again(0);
	nftables_make_table(nftables, NULL);
	ck_assert_int_eq(commit(), 0);
	again(0);
	nftables_make_table(nftables, NULL);
	ck_assert_int_eq(commit(), -EEXIST);
}
END_TEST

START_TEST(another_generation_is_refused)
{
	uint32_t before, after;

	begin();
	ck_assert_int_eq(nftables_generation(&world.netlink, &before), 0);
	ck_assert_int_eq(commit(), 0);
	ck_assert_int_eq(nftables_generation(&world.netlink, &after), 0);
	ck_assert_uint_ne(before, after);
	nftables_make_chain(again(before), "c", NULL);
	ck_assert_int_eq(commit(), -ERESTART);
	nftables_make_chain(again(after), "c", NULL);
	ck_assert_int_eq(commit(), 0);
}
END_TEST

START_TEST(elements_come_and_go)
{
	static const struct nftables_set set = { .name = "s", .key = { NFTABLES_LINK } };
	struct nftables_element one = link_element(1), two = link_element(2);
	struct nftables *nftables = begin();

	nftables_make_set(nftables, &set);
	nftables_add_element(nftables, "s", &one);
	nftables_add_element(nftables, "s", &two);
	nftables_add_element(nftables, "s", &one);
	ck_assert_int_eq(commit(), 0);
	ck_assert_uint_eq(elements("s"), 2);
	nftables_delete_element(again(0), "s", &one);
	ck_assert_int_eq(commit(), 0);
	ck_assert_uint_eq(elements("s"), 1);
	nftables_delete_element(again(0), "s", &two);
	nftables_delete_element(nftables, "s", &one);
	ck_assert_int_eq(commit(), -ENOENT);
	ck_assert_uint_eq(elements("s"), 1);
}
END_TEST

START_TEST(an_element_leads_to_one_place)
{
	static const struct nftables_set map = { .name = "m",
						 .key = { NFTABLES_PROTOCOL, NFTABLES_PORT },
						 .data = { NFTABLES_IP, NFTABLES_PORT } };
	struct nftables_element element = {};
	struct nftables *nftables = begin();

	nftables_value_add_u8(&element.key, 6);
	nftables_value_add_be16(&element.key, 80);
	nftables_value_add_u32(&element.data, 1);
	nftables_value_add_be16(&element.data, 8080);
	nftables_make_set(nftables, &map);
	nftables_add_element(nftables, "m", &element);
	ck_assert_int_eq(commit(), 0);
	nftables_add_element(again(0), "m", &element);
	ck_assert_int_eq(commit(), 0);
	element.data.bytes[0]++;
	nftables_add_element(again(0), "m", &element);
	ck_assert_int_eq(commit(), -EEXIST);
}
END_TEST

/* A range of addresses and ports, for half a second. */
static struct nftables_element range(uint8_t first, uint8_t last)
{
	struct nftables_element element = { .timeout_ms = 500 };
	uint8_t from[4] = { 192, 0, 2, first }, to[4] = { 192, 0, 2, last };

	nftables_value_add(&element.key, from, sizeof(from));
	nftables_value_add_be16(&element.key, 1000);
	nftables_value_add(&element.last, to, sizeof(to));
	nftables_value_add_be16(&element.last, 2000);
	return element;
}

START_TEST(ranges_do_not_overlap_and_time_out)
{
	static const struct nftables_set set = { .name = "s",
						 .key = { NFTABLES_IP, NFTABLES_PORT },
						 .interval = true,
						 .timeout = true };
	struct nftables_element low = range(1, 10), high = range(11, 20), both = range(5, 15);
	struct nftables *nftables = begin();

	nftables_make_set(nftables, &set);
	nftables_add_element(nftables, "s", &low);
	nftables_add_element(nftables, "s", &high);
	ck_assert_int_eq(commit(), 0);
	ck_assert_uint_eq(elements("s"), 2);
	nftables_add_element(again(0), "s", &both);
	ck_assert_int_lt(commit(), 0);
	usleep(700 * 1000);
	ck_assert_uint_eq(elements("s"), 0);
}
END_TEST

static int note_chain(const struct nftables_chain *chain, void *context)
{
	struct nftables_chain *seen = context;

	seen[chain->base] = *chain;
	return 0;
}

START_TEST(chains_are_told)
{
	static const struct nftables_hook hook = { "filter", NF_INET_FORWARD, -7 };
	struct nftables_chain seen[2] = {};
	struct nftables *nftables = begin();

	nftables_make_chain(nftables, "base", &hook);
	nftables_make_chain(nftables, "a-name-that-is-longer-than-what-is-told-of-it", NULL);
	nft_rule(nftables, "base");
	nft_jump(nftables, "a-name-that-is-longer-than-what-is-told-of-it");
	nft_end(nftables);
	ck_assert_int_eq(commit(), 0);
	ck_assert_int_eq(nftables_list_chains(&world.netlink, note_chain, seen), 0);
	ck_assert_uint_eq(seen[1].family, NFTABLES_INET);
	ck_assert_str_eq(seen[1].table, "t");
	ck_assert_str_eq(seen[1].name, "base");
	ck_assert_uint_eq(seen[1].hook, NF_INET_FORWARD);
	ck_assert_int_eq(seen[1].priority, -7);
	ck_assert(!seen[1].drops && !seen[0].base);
	ck_assert_str_eq(seen[0].name, "a-name-that-is-longer-than-what");
	ck_assert_int_eq(nftables_has_chain(&world.netlink, NFTABLES_INET, "t", "base"), 1);
	ck_assert_int_eq(nftables_has_chain(&world.netlink, NFTABLES_INET, "t", "other"), 0);
	ck_assert_int_eq(nftables_has_chain(&world.netlink, NFTABLES_BRIDGE, "t", "base"), 0);
	/* Used by the rule. */
	nftables_delete_chain(again(0), "a-name-that-is-longer-than-what-is-told-of-it");
	ck_assert_int_eq(commit(), -EBUSY);
	nftables_flush_chain(again(0), "base");
	nftables_delete_chain(nftables, "a-name-that-is-longer-than-what-is-told-of-it");
	ck_assert_int_eq(commit(), 0);
}
END_TEST

static int count_rule(const struct nftables_rule *rule, void *context)
{
	ck_assert_str_eq(rule->chain, "c");
	ck_assert_uint_gt(rule->expressions.size, 0);
	(*(size_t *)context)++;
	return 0;
}

START_TEST(rules_are_told)
{
	struct nftables *nftables = begin();
	size_t count = 0;

	nftables_make_chain(nftables, "c", NULL);
	for (int i = 0; i < 3; i++) {
		nft_rule(nftables, "c");
		nft_accept(nftables);
		nft_end(nftables);
	}
	ck_assert_int_eq(commit(), 0);
	ck_assert_int_eq(
		nftables_list_rules(&world.netlink, NFTABLES_INET, "t", count_rule, &count), 0);
	ck_assert_uint_eq(count, 3);
}
END_TEST

START_TEST(an_own_table_is_closed_to_others_and_ends_with_its_socket)
{
	struct netlink owner = NETLINK_EMPTY;
	struct nftables_table table;

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(netlink_open(&owner, NETLINK_NETFILTER), 0);
	ck_assert_int_eq(netlink_open(&world.netlink, NETLINK_NETFILTER), 0);
	nftables_make_own_table(again(0), NULL);
	ck_assert_int_eq(nftables_commit(&world.nftables, &owner), 0);
	ck_assert_int_eq(nftables_read_table(&world.netlink, &table, NFTABLES_INET, "t"), 0);
	ck_assert(table.own);
	nftables_delete_table(again(0));
	ck_assert_int_eq(commit(), -EPERM);
	netlink_close(&owner);
	for (int i = 0;
	     i < 100 && nftables_read_table(&world.netlink, &table, NFTABLES_INET, "t") == 0; i++)
		usleep(10000);
	ck_assert_int_eq(nftables_read_table(&world.netlink, &table, NFTABLES_INET, "t"), -ENOENT);
}
END_TEST

START_TEST(what_does_not_fit_is_told)
{
	struct nftables *nftables = begin();

	nftables_begin(nftables, world.room, 60, 0);
	nftables_use(nftables, NFTABLES_INET, "t");
	nftables_make_table(nftables, "comment");
	ck_assert_int_eq(commit(), -EMSGSIZE);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("nftables");

	tcase_add_test(cases, a_table_is_there_until_it_is_deleted);
	tcase_add_test(cases, a_transaction_is_done_as_a_whole_or_not_at_all);
	tcase_add_test(cases, another_generation_is_refused);
	tcase_add_test(cases, elements_come_and_go);
	tcase_add_test(cases, an_element_leads_to_one_place);
	tcase_add_test(cases, ranges_do_not_overlap_and_time_out);
	tcase_add_test(cases, chains_are_told);
	tcase_add_test(cases, rules_are_told);
	tcase_add_test(cases, an_own_table_is_closed_to_others_and_ends_with_its_socket);
	tcase_add_test(cases, what_does_not_fit_is_told);
	return fixture_run(cases, "kernel/nftables");
}
