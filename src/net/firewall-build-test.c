#include "net/firewall-build.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "base/unit.h"
#include "net/firewall.h"

static const struct firewall_address own = { AF_INET, 32, { 10, 213, 0, 2 } };
static const struct firewall_address gateway = { AF_INET, 32, { 10, 213, 0, 1 } };
static const struct firewall_target everything = { .network = { AF_INET, 0, {} } };
static const struct firewall_port ports[] = {
	{ .protocol = IPPROTO_TCP, .first = 80, .last = 80, .container = 80 },
	{ .protocol = IPPROTO_UDP, .first = 7000, .last = 7009, .container = 8000 },
};
static const struct firewall_machine machine = {
	.link = 7,
	.fixed = true,
	.nat = true,
	.dns_port = 5353,
	.addresses = &own,
	.gateways = &gateway,
	.ports = ports,
	.targets = &everything,
	.address_count = 1,
	.gateway_count = 1,
	.port_count = 1,
};
static unsigned char room[256 * 1024];

/* Messages of that type, without those of other subsystems. */
static unsigned int count(const struct firewall_build *build, unsigned int type)
{
	const struct netlink_request *request = &build->nftables.request;
	unsigned int found = 0;
	struct nlmsghdr head;

	for (size_t at = 0; at < request->used; at += NLMSG_ALIGN(head.nlmsg_len)) {
		memcpy(&head, request->bytes + at, sizeof(head));
		found += head.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type);
	}
	return found;
}

static struct firewall_build exchange(const struct firewall_machine *before,
				      const struct firewall_machine *after)
{
	struct firewall_build build = {};

	firewall_build_begin(&build, FIREWALL_TAKE_OUT, room, sizeof(room), 0);
	firewall_build_exchange(&build, before, after);
	return build;
}

START_TEST(what_stays_is_not_touched)
{
	struct firewall_build build = exchange(&machine, &machine);

	ck_assert_uint_eq(count(&build, NFT_MSG_DELSETELEM), 0);
	ck_assert_uint_eq(count(&build, NFT_MSG_DELCHAIN), 0);
	ck_assert_uint_gt(count(&build, NFT_MSG_NEWSETELEM), 0);
}
END_TEST

/* Or a packet that is under way would find the new one empty. */
START_TEST(another_list_is_one_of_the_same_chain)
{
	struct firewall_machine before = machine, after;
	struct firewall_build build;

	before.restricted = true;
	before.target_count = 1;
	after = before;
	after.target_count = 0;
	after.closed = true;
	build = exchange(&before, &after);
	ck_assert_uint_eq(count(&build, NFT_MSG_DELSETELEM), 0);
	ck_assert_uint_eq(count(&build, NFT_MSG_DELCHAIN), 0);
	ck_assert_uint_eq(count(&build, NFT_MSG_DELRULE), 1);
	ck_assert_uint_gt(count(&build, NFT_MSG_NEWRULE), 0);
}
END_TEST

START_TEST(only_what_is_lost_goes)
{
	struct firewall_machine before = machine, after = machine;
	struct firewall_build build;

	after.nat = false;
	build = exchange(&before, &after);
	ck_assert_uint_eq(count(&build, NFT_MSG_DELSETELEM), 1);
	/* where a port leads */
	before = machine;
	before.port_count = 2;
	after = before;
	after.ports = (const struct firewall_port[]){ ports[0], ports[1] };
	build = exchange(&before, &after);
	ck_assert_uint_eq(count(&build, NFT_MSG_DELSETELEM), 0);
	after.ports = (const struct firewall_port[]){
		ports[0],
		{ .protocol = IPPROTO_UDP, .first = 7000, .last = 7009, .container = 8001 },
	};
	build = exchange(&before, &after);
	ck_assert_uint_eq(count(&build, NFT_MSG_DELSETELEM), 10);
}
END_TEST

START_TEST(a_chain_goes_with_the_last_that_leads_there)
{
	struct firewall_machine before = machine;
	struct firewall_build build;

	before.restricted = true;
	build = exchange(&before, &machine);
	ck_assert_uint_eq(count(&build, NFT_MSG_DELCHAIN), 1);
	ck_assert_uint_eq(count(&build, NFT_MSG_DELSETELEM), 2); /* by address, and unnamed */
}
END_TEST

int main(void)
{
	return UNIT_RUN("net/firewall-build", what_stays_is_not_touched,
			another_list_is_one_of_the_same_chain, only_what_is_lost_goes,
			a_chain_goes_with_the_last_that_leads_there);
}
