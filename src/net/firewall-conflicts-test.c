#include "net/firewall-conflicts.h"

#include "base/arena.h"
#include "base/fail.h"
#include "io/child.h"
#include "net/topology.h"

static struct topology at;
static struct firewall firewall;
static struct firewall_conflict conflicts[FIREWALL_CONFLICTS_MAX];

static void build(void)
{
	topology_build(&at);
	topology_forward(&at);
	place_go(&at.host);
	ck_assert_int_eq(firewall_open(&firewall), 0);
	ck_assert_int_eq(firewall_add(&firewall, &at.a.machine), 0);
	ck_assert_int_eq(firewall_add(&firewall, &at.b.machine), 0);
}

static bool has(const char *program)
{
	struct arena arena = {};
	bool there = child_find(&arena, "/usr/sbin:/sbin:/usr/bin:/bin", program) != NULL;

	arena_done(&arena);
	if (!there)
		printf("skipped: there is no %s\n", program);
	return there;
}

static void shell(const char *command)
{
	char name[] = "sh", option[] = "-ec", text[2048],
	     path[] = "PATH=/mnt:/usr/sbin:/usr/bin:/sbin:/bin";
	char *const arguments[] = { name, option, text, NULL };
	char *const environment[] = { path, NULL };
	struct child_request request = { .path = "/bin/sh",
					 .arguments = arguments,
					 .environment = environment,
					 .stdio = { -1, 2, 2 },
					 .timeout_us = 20000000 };
	int status;

	place_go(&at.host);
	snprintf(text, sizeof(text), "%s", command);
	ck_assert_int_eq(child_run(&status, &request), 0);
	ck_assert_msg(status == 0, "%s", command);
}

/* Whichever of the two programs "iptables" is here. */
static void use_nft(void)
{
	shell("for i in iptables ip6tables; do ln -s $(command -v $i-nft) /mnt/$i; done");
}

static int find(void)
{
	int r;

	place_go(&at.host);
	r = firewall_conflicts(&firewall, topology_pools, 2, conflicts);
	ck_assert_msg(r >= 0, "%s", fail_recorded()->text);
	return r;
}

/* Nothing goes; after the remedy all goes, and nothing is told any more. */
static void remedy(const char *who, bool input)
{
	REFUSE(at.a.place, INTERNET, 80, at.outside, 80);
	if (input)
		REFUSE(at.a.place, GATEWAY_A, 80, at.host, 80);
	ck_assert_int_eq(find(), 1);
	ck_assert_str_eq(conflicts[0].who, who);
	ck_assert(conflicts[0].forwarding);
	ck_assert(conflicts[0].input == input);
	shell(conflicts[0].remedy);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	EXPECT(at.a.place, INTERNET6, 80, at.outside, 80, HOST6);
	EXPECT(at.a.place, GATEWAY_A, 80, at.host, 80, GUEST_A);
	REFUSE(at.a.place, GUEST_B, 80, at.b.place, 80);
	ck_assert_int_eq(find(), 0);
}

START_TEST(nobody_is_in_the_way)
{
	build();
	ck_assert_int_eq(find(), 0);
	if (!has("nft"))
		return;
	shell("nft 'table inet filter { chain forward { type filter hook forward priority 0; }; "
	      "chain input { type filter hook input priority 0; policy drop; accept; }; }; "
	      "table bridge x { chain f { type filter hook forward priority 0; policy drop; }; }'");
	/* that one drops only what it says, but who knows */
	ck_assert_int_eq(find(), 1);
	ck_assert(!conflicts[0].forwarding);
}
END_TEST

START_TEST(docker_is_told_in_its_own_chain)
{
	build();
	if (!has("iptables-nft"))
		return;
	shell("for i in iptables-nft ip6tables-nft; do $i -N DOCKER-USER; $i -A FORWARD -j "
	      "DOCKER-USER; $i -A DOCKER-USER -j RETURN; $i -P FORWARD DROP; done");
	ck_assert_int_eq(find(), 1);
	ck_assert_ptr_nonnull(strstr(conflicts[0].remedy, "iptables -I DOCKER-USER "));
	ck_assert_ptr_nonnull(strstr(conflicts[0].remedy, " && ip6tables -I DOCKER-USER "));
	use_nft();
	remedy("Docker", false);
}
END_TEST

START_TEST(a_closed_policy_of_iptables_is_seen)
{
	build();
	if (!has("iptables-nft"))
		return;
	shell("for i in iptables-nft ip6tables-nft; do $i -A INPUT -m state --state ESTABLISHED -j "
	      "ACCEPT; $i -A INPUT -p icmpv6 -j ACCEPT; $i -A FORWARD -m state --state ESTABLISHED "
	      "-j ACCEPT; $i -P FORWARD DROP; $i -P INPUT DROP; done");
	use_nft();
	remedy("iptables", true);
}
END_TEST

START_TEST(the_older_half_of_the_kernel_is_seen)
{
	build();
	if (!has("iptables-legacy"))
		return;
	shell("for i in iptables-legacy ip6tables-legacy; do $i -N DOCKER-USER; $i -A FORWARD -j "
	      "DOCKER-USER; $i -A DOCKER-USER -j RETURN; $i -P FORWARD DROP; done");
	remedy("Docker", false);
}
END_TEST

START_TEST(a_table_of_the_administrators_is_named)
{
	build();
	if (!has("nft"))
		return;
	shell("nft 'table inet filter { chain forward { type filter hook forward priority 0; "
	      "policy "
	      "drop; ct state established accept; }; chain input { type filter hook input priority "
	      "0; policy drop; ct state established accept; icmpv6 type { nd-neighbor-solicit, "
	      "nd-neighbor-advert } accept; }; }'");
	ck_assert_int_eq(find(), 2);
	ck_assert_str_eq(conflicts[0].who, "the chain 'forward' of the table 'inet filter'");
	ck_assert(conflicts[0].forwarding && !conflicts[0].input);
	shell(conflicts[0].remedy);
	ck_assert_int_eq(find(), 1);
	ck_assert(!conflicts[0].forwarding && conflicts[0].input);
	EXPECT(at.a.place, INTERNET, 80, at.outside, 80, HOST);
	REFUSE(at.a.place, GATEWAY_A, 80, at.host, 80);
	shell(conflicts[0].remedy);
	ck_assert_int_eq(find(), 0);
	EXPECT(at.a.place, GATEWAY_A, 80, at.host, 80, GUEST_A);
}
END_TEST

/* Their chains as they make them, in short; the programs themselves are not run. */
START_TEST(ufw_and_firewalld_are_known)
{
	build();
	if (!has("iptables-nft") || !has("nft"))
		return;
	shell("for i in iptables-nft:ufw ip6tables-nft:ufw6; do c=${i#*:} i=${i%:*}; for h in "
	      "input "
	      "forward; do $i -N $c-before-$h; $i -N $c-user-$h; done; $i -A INPUT -j "
	      "$c-user-input; $i -A FORWARD -j $c-user-forward; $i -P INPUT DROP; $i -P FORWARD "
	      "DROP; done");
	ck_assert_int_eq(find(), 1);
	ck_assert_str_eq(conflicts[0].who, "ufw");
	ck_assert(conflicts[0].forwarding && conflicts[0].input);
	ck_assert_str_eq(conflicts[0].remedy,
			 "ufw allow from 10.213.0.0/16 && ufw route allow from 10.213.0.0/16 && "
			 "ufw route allow to 10.213.0.0/16 && ufw allow from fd00:213::/48 && "
			 "ufw route allow from fd00:213::/48 && ufw route allow to fd00:213::/48");
	shell("for n in iptables-nft:ufw:10.213.0.0/16 ip6tables-nft:ufw6:fd00:213::/48; do "
	      "i=${n%%:*}; n=${n#*:}; c=${n%%:*}; n=${n#*:}; $i -A $c-user-input -s $n -j ACCEPT; "
	      "$i -A $c-user-forward -s $n -j ACCEPT; done");
	ck_assert_int_eq(find(), 0);
	shell("nft flush ruleset; nft 'table inet firewalld { chain filter_FORWARD { type filter "
	      "hook forward priority 10; reject; }; }'");
	ck_assert_int_eq(find(), 1);
	ck_assert_str_eq(conflicts[0].who, "firewalld");
	shell("nft insert rule inet firewalld filter_FORWARD iifname 've-*' accept");
	ck_assert_int_eq(find(), 0);
}
END_TEST

int main(void)
{
	return TOPOLOGY_RUN("net/firewall-conflicts", nobody_is_in_the_way,
			    docker_is_told_in_its_own_chain, a_closed_policy_of_iptables_is_seen,
			    the_older_half_of_the_kernel_is_seen,
			    a_table_of_the_administrators_is_named, ufw_and_firewalld_are_known);
}
