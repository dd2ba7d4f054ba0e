#include "net/firewall-bridge.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_bridge.h>

#include "base/macros.h"
#include "kernel/nft.h"
#include "kernel/nftables.h"
#include "net/firewall-sets.h"

enum { REDIRECT = 5, RA = 134, NS = 135, NA = 136, REDIRECT6 = 137 };

static const unsigned char nowhere[16];
static const unsigned char link_local[16] = { 0xfe, 0x80 };

static void in(struct nftables *nftables, enum firewall_set set, bool six)
{
	nft_in(nftables, firewall_set_name(set, six));
}

static void not_in(struct nftables *nftables, enum firewall_set set, bool six)
{
	nft_not_in(nftables, firewall_set_name(set, six));
}

static void end_drop(struct nftables *nftables)
{
	nft_drop(nftables);
	nft_end(nftables);
}

static void end_accept(struct nftables *nftables)
{
	nft_accept(nftables);
	nft_end(nftables);
}

/* ---- who ---- */

static void put_ports(struct nftables *nftables)
{
	static const struct nftables_hook hook = { "filter", NF_BR_PRE_ROUTING, -300 };
	static const struct {
		uint16_t type;
		const char *fixed, *loose;
	} frames[] = {
		{ ETH_P_ARP, "arp_fixed", "arp_loose" },
		{ ETH_P_IP, "ip_fixed", "ip_loose" },
		{ ETH_P_IPV6, "ip6_fixed", "ip6_loose" },
	};
	static const char *const chains[] = { FIREWALL_BRIDGE_FIXED, FIREWALL_BRIDGE_LOOSE };

	for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
		nftables_make_chain(nftables, chains[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		nftables_make_chain(nftables, frames[i].fixed, NULL);
		nftables_make_chain(nftables, frames[i].loose, NULL);
	}
	nftables_make_chain(nftables, "said", NULL);
	nftables_make_chain(nftables, "prerouting", &hook);

	/* iif vmap @ports */
	nft_rule(nftables, "prerouting");
	nft_iif(nftables);
	nft_vmap(nftables, firewall_set_name(FIREWALL_PORTS, false));
	nft_end(nftables);

	for (size_t chain = 0; chain < ARRAY_SIZE(chains); chain++) {
		/* iif . ether saddr != @mac drop */
		nft_rule(nftables, chains[chain]);
		nft_iif(nftables);
		nft_ether_saddr(nftables);
		not_in(nftables, FIREWALL_MAC, false);
		end_drop(nftables);

		/* ether type { arp, ip, ip6 } goto … */
		for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
			nft_rule(nftables, chains[chain]);
			nft_type(nftables, frames[i].type);
			nft_goto(nftables, chain == 0 ? frames[i].fixed : frames[i].loose);
			nft_end(nftables);
		}
	}
}

/* In a tagged frame, with a tag 0 above all, all the rest could be said as well. */
static void put_others(struct nftables *nftables)
{
	static const uint16_t tags[] = { ETH_P_8021Q, ETH_P_8021AD };

	/* drop */
	nft_rule(nftables, FIREWALL_BRIDGE_FIXED);
	end_drop(nftables);

	/* ether type { 8021q, 8021ad } vlan id 0 drop: other tags may be used there */
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		nft_rule(nftables, FIREWALL_BRIDGE_LOOSE);
		nft_type(nftables, tags[i]);
		nft_vlan_id(nftables);
		nft_is_be16(nftables, 0);
		end_drop(nftables);
	}
}

/* ---- ARP ---- */

static void arp_ether(struct nftables *nftables, const char *chain)
{
	/* iif . arp saddr ether != @mac drop */
	nft_rule(nftables, chain);
	nft_iif(nftables);
	nft_arp_saddr_ether(nftables);
	not_in(nftables, FIREWALL_MAC, false);
	end_drop(nftables);

	/* iif . arp saddr ip @own4 accept */
	nft_rule(nftables, chain);
	nft_iif(nftables);
	nft_arp_saddr_ip(nftables);
	in(nftables, FIREWALL_PORT_OWN, false);
	end_accept(nftables);
}

static void put_arp(struct nftables *nftables)
{
	arp_ether(nftables, "arp_fixed");

	/* arp saddr ip 0.0.0.0 accept: asks whether an address is free */
	nft_rule(nftables, "arp_fixed");
	nft_arp_saddr_ip(nftables);
	nft_is(nftables, nowhere, 4);
	end_accept(nftables);

	/* drop */
	nft_rule(nftables, "arp_fixed");
	end_drop(nftables);

	arp_ether(nftables, "arp_loose");

	/* arp saddr ip @taken4 drop */
	nft_rule(nftables, "arp_loose");
	nft_arp_saddr_ip(nftables);
	in(nftables, FIREWALL_TAKEN, false);
	end_drop(nftables);
}

/* ---- IPv4 ---- */

/* meta l4proto … icmp type … drop */
static void no_icmp(struct nftables *nftables, const char *chain, uint8_t protocol, uint8_t type)
{
	nft_rule(nftables, chain);
	nft_protocol(nftables, protocol);
	nft_icmp_type(nftables);
	nft_is_u8(nftables, type);
	end_drop(nftables);
}

/* udp sport SERVER drop; udp dport CLIENT drop: so speaks a DHCP server, whose own port clients do
 * not look at */
static void no_server(struct nftables *nftables, const char *chain, uint16_t server,
		      uint16_t client)
{
	nft_rule(nftables, chain);
	nft_protocol(nftables, IPPROTO_UDP);
	nft_th_sport(nftables);
	nft_is_be16(nftables, server);
	end_drop(nftables);

	nft_rule(nftables, chain);
	nft_protocol(nftables, IPPROTO_UDP);
	nft_th_dport(nftables);
	nft_is_be16(nftables, client);
	end_drop(nftables);
}

static void own(struct nftables *nftables, const char *chain, bool six)
{
	/* iif . ip saddr @own4 accept */
	nft_rule(nftables, chain);
	nft_iif(nftables);
	nft_saddr(nftables, six);
	in(nftables, FIREWALL_PORT_OWN, six);
	end_accept(nftables);
}

static void taken(struct nftables *nftables, const char *chain, bool six)
{
	/* ip saddr @taken4 drop */
	nft_rule(nftables, chain);
	nft_saddr(nftables, six);
	in(nftables, FIREWALL_TAKEN, six);
	end_drop(nftables);
}

static void put_ip(struct nftables *nftables)
{
	static const char *const chains[] = { "ip_fixed", "ip_loose" };

	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		no_icmp(nftables, chains[i], IPPROTO_ICMP, REDIRECT);
		no_server(nftables, chains[i], 67, 68);
		own(nftables, chains[i], false);
	}

	/* ip saddr 0.0.0.0 udp dport 67 accept */
	nft_rule(nftables, "ip_fixed");
	nft_ip_saddr(nftables);
	nft_is(nftables, nowhere, 4);
	nft_protocol(nftables, IPPROTO_UDP);
	nft_th_dport(nftables);
	nft_is_be16(nftables, 67);
	end_accept(nftables);

	/* drop */
	nft_rule(nftables, "ip_fixed");
	end_drop(nftables);

	taken(nftables, "ip_loose", false);
}

/* ---- IPv6 ---- */

static void target(struct nftables *nftables, uint8_t type)
{
	nft_rule(nftables, "said");
	nft_protocol(nftables, IPPROTO_ICMPV6);
	nft_icmp_type(nftables);
	nft_is_u8(nftables, type);
	/* A solicitation is about somebody else, unless it comes from nowhere: then it claims the
	 * address, and who is asked the same gives way. */
	if (type == NS) {
		nft_ip6_saddr(nftables);
		nft_is(nftables, nowhere, sizeof(nowhere));
	}
}

/* What says that an address is one's own is looked at in both cases. Nobody knows all link-local
 * addresses that guests make up; those that follow from their MACs are known. */
static void put_said(struct nftables *nftables)
{
	static const uint8_t types[] = { NA, NS };

	no_icmp(nftables, "said", IPPROTO_ICMPV6, RA);
	no_icmp(nftables, "said", IPPROTO_ICMPV6, REDIRECT6);
	no_server(nftables, "said", 547, 546);

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		/* icmpv6 type … iif . nd target @own6 return */
		target(nftables, types[i]);
		nft_iif(nftables);
		nft_nd_target(nftables);
		in(nftables, FIREWALL_PORT_OWN, true);
		nft_return(nftables);
		nft_end(nftables);

		/* icmpv6 type … nd target @taken6 drop */
		target(nftables, types[i]);
		nft_nd_target(nftables);
		in(nftables, FIREWALL_TAKEN, true);
		end_drop(nftables);
	}
}

static void put_ip6(struct nftables *nftables)
{
	static const char *const chains[] = { "ip6_fixed", "ip6_loose" };

	put_said(nftables);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		/* jump said */
		nft_rule(nftables, chains[i]);
		nft_jump(nftables, "said");
		nft_end(nftables);

		own(nftables, chains[i], true);
		taken(nftables, chains[i], true);
	}

	/* ip6 saddr fe80::/10 accept */
	nft_rule(nftables, "ip6_fixed");
	nft_ip6_saddr(nftables);
	nft_within(nftables, true, link_local, 10);
	end_accept(nftables);

	/* ip6 saddr :: meta l4proto icmpv6 accept */
	nft_rule(nftables, "ip6_fixed");
	nft_ip6_saddr(nftables);
	nft_is(nftables, nowhere, sizeof(nowhere));
	nft_protocol(nftables, IPPROTO_ICMPV6);
	end_accept(nftables);

	/* drop */
	nft_rule(nftables, "ip6_fixed");
	end_drop(nftables);
}

/* Where the kernel shows frames of bridges to the table inet as well (br_netfilter), a machine that
 * calls its own published port is sent back over its port, which must be a hairpin for that. What
 * is said to everybody would come back too, and look as if another had the same address. */
static void put_self(struct nftables *nftables)
{
	static const struct nftables_hook hook = { "filter", NF_BR_FORWARD, 0 };
	static const uint8_t types[] = { PACKET_BROADCAST, PACKET_MULTICAST };

	nftables_make_chain(nftables, "forward", &hook);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		/* iif . oif @self meta pkttype { broadcast, multicast } drop */
		nft_rule(nftables, "forward");
		nft_iif(nftables);
		nft_oif(nftables);
		in(nftables, FIREWALL_SELF, false);
		nft_pkttype(nftables);
		nft_is_u8(nftables, types[i]);
		end_drop(nftables);
	}
}

void firewall_bridge_put(struct nftables *nftables)
{
	nftables_use(nftables, NFTABLES_BRIDGE, FIREWALL_TABLE);
	nftables_make_table(nftables, FIREWALL_VERSION);
	firewall_sets_put(nftables, FIREWALL_INET_LAST + 1, FIREWALL_SETS - 1);
	put_ports(nftables);
	put_others(nftables);
	put_arp(nftables);
	put_ip(nftables);
	put_ip6(nftables);
	put_self(nftables);
}
