#include "net/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "format/uplink.h"
#include "io/file.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/network.h"
#include "kernel/route.h"
#include "net/facts.h"
#include "net/userspace.h"

/* What is between us and the programs is for the supervisors alone, whose own packets come from
 * "lo". Before the rules of net/firewall-routing. */
enum { BETWEEN_OURS = 60, BETWEEN = 61 };

/* Behind the common table, which has no way out: what is near is found there first, and who is not
 * known has none. A table for each uplink, told by its index: "Re", and 16 bits. */
#define OUT 40000
#define MAIN_TABLE 254
#define TABLE(index) (UINT32_C(0x52650000) + ((uint32_t)(index)&0xffff))

static struct route_prefix prefix_of(const struct ip *ip, unsigned int length)
{
	struct route_prefix prefix = { .family = ip->family, .length = length };

	memcpy(prefix.bytes, ip->bytes, sizeof(prefix.bytes));
	return prefix;
}

static int is_there(int r)
{
	return r == -EEXIST ? 0 : r;
}

/* Answers come by the uplink that was asked, which is not the one that the sender's address would
 * be looked for at. */
static void trust_paths(const char *name)
{
	char path[sizeof("/proc/sys/net/ipv4/conf//rp_filter") + LINK_NAME_SIZE];

	(void)file_write(AT_FDCWD, "/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%.15s/rp_filter", name);
	(void)file_write(AT_FDCWD, path, "0");
	(void)network_ignore_routers(name);
	(void)network_trust_addresses(name);
}

static int add_way_out(struct netlink *netlink, int index, const struct ip *gateway)
{
	const struct route route = {
		.to = { .family = gateway->family },
		.gateway = prefix_of(gateway, (unsigned)ip_length(gateway->family)),
		.link = index,
		.onlink = true,
		.table = TABLE(index),
	};

	return is_there(route_add(netlink, &route));
}

static int close_between(struct netlink *netlink, bool six)
{
	const struct ip_prefix all = uplink_network(six);
	struct route_rule rules[] = {
		{ .priority = BETWEEN_OURS,
		  .from_link = "lo",
		  .action = FR_ACT_TO_TBL,
		  .table = MAIN_TABLE },
		{ .priority = BETWEEN, .action = FR_ACT_PROHIBIT },
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(rules); i++) {
		rules[i].family = all.ip.family;
		rules[i].to = prefix_of(&all.ip, all.length);
		r = is_there(route_add_rule(netlink, &rules[i]));
	}
	return r;
}

static int add_family(struct netlink *netlink, int index, const struct ip_prefix *guest,
		      const struct ip *gateway)
{
	const struct route_address address = {
		.link = index,
		.local = prefix_of(&guest->ip, guest->length),
		.flags = guest->ip.family == AF_INET6 ? IFA_F_NODAD : 0,
	};
	int r;

	if (guest->ip.family == 0)
		return 0;
	r = close_between(netlink, guest->ip.family == AF_INET6);
	if (r >= 0)
		r = is_there(route_add_address(netlink, &address));
	return r < 0 ? r : add_way_out(netlink, index, gateway);
}

int uplink_set_up(struct netlink *netlink, const struct uplink *uplink)
{
	const struct link_want want = { .mtu = USERSPACE_MTU, .up = LINK_ON };
	struct link_facts facts;
	int r = link_find(netlink, &facts, uplink->name);

	if (r < 0)
		return r;
	trust_paths(uplink->name);
	r = network_loopback_up();
	if (r >= 0)
		r = link_set(netlink, facts.index, &want);
	for (int i = 0; r >= 0 && i < 2; i++)
		r = add_family(netlink, facts.index, &uplink->guest[i], &uplink->gateway[i]);
	return r < 0 ? r : facts.index;
}

/* Behind a link of its own it may use the whole net. */
static struct route_rule rule_of(const struct facts *facts, size_t i)
{
	const struct ip_prefix *address = &facts->addresses[i];
	int family = address->ip.family;
	unsigned int length = facts->zone == NULL ? address->length : (unsigned)ip_length(family);

	return (struct route_rule){ .family = family,
				    .priority = OUT,
				    .from = prefix_of(&address->ip, length),
				    .action = FR_ACT_TO_TBL };
}

int uplink_route(struct netlink *netlink, int index, const struct facts *facts)
{
	for (size_t i = 0; i < facts->address_count; i++) {
		struct route_rule rule = rule_of(facts, i);
		int r;

		rule.table = TABLE(index);
		r = is_there(route_add_rule(netlink, &rule));
		if (r < 0)
			return r;
	}
	return 0;
}

int uplink_forget(struct netlink *netlink, const struct facts *facts)
{
	int first = 0;

	for (size_t i = 0; i < facts->address_count; i++) {
		struct route_rule rule = rule_of(facts, i);
		int r;

		/* One that was killed may have left another, to an uplink that is gone. */
		do
			r = route_delete_rule(netlink, &rule);
		while (r >= 0);
		if (r != -ENOENT && first == 0)
			first = r;
	}
	return first;
}
