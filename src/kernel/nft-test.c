/* What the kernel was told is compared with what nft(8) says that it heard. */
#include "kernel/nft.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/fixture.h"
#include "kernel/nftables.h"

#define MARK 0x10000000

struct world {
	struct nftables nftables;
	struct netlink netlink;
	struct arena arena;
	unsigned char room[16384];
};

static struct world world;

static struct nftables *begin(unsigned int family)
{
	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(netlink_open(&world.netlink, NETLINK_NETFILTER), 0);
	nftables_begin(&world.nftables, world.room, sizeof(world.room), 0);
	nftables_use(&world.nftables, family, "t");
	nftables_make_table(&world.nftables, NULL);
	nftables_make_chain(&world.nftables, "c", NULL);
	return &world.nftables;
}

static void commit(void)
{
	int r = nftables_commit(&world.nftables, &world.netlink);

	ck_assert_msg(r == 0, "message %u: %s %s", world.netlink.failed, strerror(-r),
		      world.netlink.reason);
}

/* The ruleset as text; NULL: nft(8) is not here. */
static char *ruleset(void)
{
	char program[] = "nft", list[] = "list", what[] = "ruleset";
	char *const arguments[] = { program, list, what, NULL };
	char *nft = child_find(&world.arena, "/usr/sbin:/sbin:/usr/bin:/bin", "nft");
	struct child_request request = {
		.path = nft,
		.arguments = arguments,
		.stdio = { -1, -1, 2 },
		.timeout_us = 10000000,
	};
	size_t size;
	int status;
	char *text;

	if (!nft) {
		puts("skipped: there is no nft(8) to compare with");
		return NULL;
	}
	request.stdio[1] = open("/mnt/ruleset", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(child_run(&status, &request), 0);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(file_read(&world.arena, &text, &size, AT_FDCWD, "/mnt/ruleset", 65536), 0);
	return text;
}

/* All LINES are in the ruleset, in this order. */
static void compare(const char *const *lines)
{
	char *text = ruleset(), *at = text;

	for (; text && *lines; lines++) {
		char *found = strstr(at, *lines);

		ck_assert_msg(found, "'%s' is not, or not there, in\n%s", *lines, text);
		at = found + strlen(*lines);
	}
}
#define COMPARE(...) compare((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(rules_read_as_they_were_written)
{
	struct nftables *nft = begin(NFTABLES_INET);
	static const uint8_t prefix[16] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	static const uint8_t net[16] = { 0xfd, 0, 0, 0, 0, 0, 0, 1 };
	static const uint8_t four[4] = { 192, 0, 2, 1 };

	nftables_make_chain(nft, "d", NULL);

	nft_rule(nft, "c");
	nft_ct_state(nft, NF_CT_STATE_BIT(IP_CT_ESTABLISHED));
	nft_accept(nft);
	nft_end(nft);

	nft_rule(nft, "c");
	nft_ip(nft);
	nft_ip_saddr(nft);
	nft_is(nft, four, sizeof(four));
	nft_ip_daddr(nft);
	nft_is_not(nft, four, sizeof(four));
	nft_jump(nft, "d");
	nft_end(nft);

	nft_rule(nft, "c");
	nft_ip6(nft);
	nft_ip6_saddr(nft);
	nft_and(nft, 0, prefix, sizeof(prefix));
	nft_is(nft, net, sizeof(net));
	nft_goto(nft, "d");
	nft_end(nft);

	nft_rule(nft, "c");
	nft_protocol(nft, IPPROTO_TCP);
	nft_th_dport(nft);
	nft_is_not_be16(nft, 53);
	nft_is_not_be16(nft, 853);
	nft_th_sport(nft);
	nft_is_be16(nft, 68);
	nft_return(nft);
	nft_end(nft);

	commit();
	COMPARE("table inet t {", "chain c {", "ct state established accept",
		"ip saddr 192.0.2.1 ip daddr != 192.0.2.1 jump d",
		"ip6 saddr fd00:0:0:1::/64 goto d", "tcp dport !=", "53", "853",
		"tcp sport 68 return");
}
END_TEST

START_TEST(more_rules_read_as_they_were_written)
{
	struct nftables *nft = begin(NFTABLES_INET);

	nft_rule(nft, "c");
	nft_protocol(nft, IPPROTO_ICMPV6);
	nft_icmp_type(nft);
	nft_is_u8(nft, 134);
	nft_drop(nft);
	nft_end(nft);

	nft_rule(nft, "c");
	nft_has_mark(nft, MARK);
	nft_change_mark(nft, MARK, 0);
	nft_end(nft);

	nft_rule(nft, "c");
	nft_pkttype(nft);
	nft_is_u8(nft, 1);
	nft_protocol(nft, IPPROTO_UDP);
	nft_ct_status(nft, IPS_DST_NAT);
	nft_ct_original_dport(nft);
	nft_is_be16(nft, 53);
	nft_change_mark(nft, 0, MARK);
	nft_end(nft);

	nft_rule(nft, "c");
	nft_limit(nft, 10, 50);
	nft_log(nft, 5, "who", 96);
	nft_end(nft);

	nft_rule(nft, "c");
	nft_fib_daddr_local(nft);
	nft_reject(nft);
	nft_end(nft);
	commit();
	COMPARE("icmpv6 type nd-router-advert drop",
		"meta mark & 0x10000000 == 0x10000000 meta mark set meta mark & 0xefffffff",
		"meta pkttype broadcast meta l4proto udp ct status dnat ct original proto-dst 53 "
		"meta mark set "
		"meta mark | 0x10000000",
		"limit rate 10/second burst 50 packets log prefix \"who\" group 5 snaplen 96",
		"fib daddr type local reject with icmpx");
}
END_TEST

START_TEST(frames_are_looked_into)
{
	struct nftables *nft = begin(NFTABLES_BRIDGE);
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	static const uint8_t target[16] = { 0xfd, [15] = 1 };

	nft_rule(nft, "c");
	nft_ether_saddr(nft);
	nft_is_not(nft, mac, sizeof(mac));
	nft_drop(nft);
	nft_end(nft);

	nft_rule(nft, "c");
	nft_type(nft, ETH_P_ARP);
	nft_arp_saddr_ip(nft);
	nft_is(nft, mac + 2, 4);
	nft_arp_saddr_ether(nft);
	nft_is_not(nft, mac, sizeof(mac));
	nft_drop(nft);
	nft_end(nft);

	nft_rule(nft, "c");
	nft_type(nft, ETH_P_IPV6);
	nft_protocol(nft, IPPROTO_ICMPV6);
	nft_icmp_type(nft);
	nft_is_u8(nft, 136);
	nft_nd_target(nft);
	nft_is(nft, target, sizeof(target));
	nft_drop(nft);
	nft_end(nft);
	commit();
	COMPARE("table bridge t {", "ether saddr != 02:00:00:00:00:01 drop",
		"arp saddr ip 0.0.0.1 arp saddr ether != 02:00:00:00:00:01 drop",
		"icmpv6 type nd-neighbor-advert ", "0xfd000000000000000000000000000001 drop");
}
END_TEST

START_TEST(nat_takes_addresses_from_maps)
{
	struct nftables *nft = begin(NFTABLES_INET);
	static const struct nftables_set sets[] = {
		{ .name = "p4",
		  .key = { NFTABLES_PROTOCOL, NFTABLES_PORT },
		  .data = { NFTABLES_IP, NFTABLES_PORT } },
		{ .name = "p6",
		  .key = { NFTABLES_IP6, NFTABLES_PROTOCOL, NFTABLES_PORT },
		  .data = { NFTABLES_IP6, NFTABLES_PORT } },
		{ .name = "r4",
		  .key = { NFTABLES_IP, NFTABLES_PROTOCOL, NFTABLES_PORT },
		  .data = { NFTABLES_IP },
		  .interval = true },
		{ .name = "links", .key = { NFTABLES_LINK } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		nftables_make_set(nft, &sets[i]);
	nftables_make_chain(nft, "pre",
			    &(struct nftables_hook){ "nat", NF_INET_PRE_ROUTING, -100 });
	nftables_make_chain(nft, "post",
			    &(struct nftables_hook){ "nat", NF_INET_POST_ROUTING, 100 });

	nft_rule(nft, "pre");
	nft_ip(nft);
	nft_l4proto(nft);
	nft_th_dport(nft);
	nft_map(nft, "p4");
	nft_dnat_ip(nft, true);
	nft_end(nft);

	nft_rule(nft, "pre");
	nft_ip6(nft);
	nft_ip6_daddr(nft);
	nft_l4proto(nft);
	nft_th_dport(nft);
	nft_map(nft, "p6");
	nft_dnat_ip6(nft, true);
	nft_end(nft);

	nft_rule(nft, "pre");
	nft_ip(nft);
	nft_ip_daddr(nft);
	nft_l4proto(nft);
	nft_th_dport(nft);
	nft_map(nft, "r4");
	nft_dnat_ip(nft, false);
	nft_end(nft);

	nft_rule(nft, "post");
	nft_oif(nft);
	nft_not_in(nft, "links");
	nft_masquerade(nft);
	nft_end(nft);
	commit();
	COMPARE("type nat hook prerouting priority dstnat; policy accept;",
		"dnat ip to meta l4proto . th dport map @p4",
		"dnat ip6 to ip6 daddr . meta l4proto . th dport map @p6",
		"dnat ip to ip daddr . meta l4proto . th dport map @r4",
		"type nat hook postrouting priority srcnat; policy accept;",
		"oif != @links masquerade");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("nft");

	tcase_add_test(cases, rules_read_as_they_were_written);
	tcase_add_test(cases, more_rules_read_as_they_were_written);
	tcase_add_test(cases, frames_are_looked_into);
	tcase_add_test(cases, nat_takes_addresses_from_maps);
	return fixture_run(cases, "kernel/nft");
}
