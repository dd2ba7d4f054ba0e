#include "net/firewall-inet.h"

#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "kernel/nft.h"
#include "kernel/nftables.h"
#include "net/firewall-sets.h"
#include "net/firewall.h"

#define LOG_PER_SECOND 20
#define LOG_BURST 100

static const unsigned char first_half[16] = { 255, 255, 255, 255, 255, 255, 255, 255 };

/* Of the address only its /64. BEFORE bytes of other values stand before it. */
static void net(struct nftables *nftables, size_t before)
{
	nft_and(nftables, before, first_half, sizeof(first_half));
}

static void in(struct nftables *nftables, enum firewall_set set, bool six)
{
	nft_in(nftables, firewall_set_name(set, six));
}

/* Three ways to look an address up: IPv4, IPv6, IPv6 as its /64. */
enum look { LOOK_IP, LOOK_IP6, LOOK_NET, LOOKS };

static void look(struct nftables *nftables, enum look how, size_t before, enum firewall_set set)
{
	if (how == LOOK_NET)
		net(nftables, before);
	in(nftables, set, how != LOOK_IP);
}

static const unsigned char nowhere[16];
static const unsigned char link_local[16] = { 0xfe, 0x80 };

/* ---- inet: who says so ---- */

enum { REDIRECT = 5, RA = 134, REDIRECT6 = 137 };

/* PROTOCOL and its type, dropped. */
static void no_icmp(struct nftables *nftables, const char *chain, uint8_t protocol, uint8_t type)
{
	nft_rule(nftables, chain);
	nft_protocol(nftables, protocol);
	nft_icmp_type(nftables);
	nft_is_u8(nftables, type);
	nft_drop(nftables);
	nft_end(nftables);
}

static void put_source(struct nftables *nftables)
{
	/* iif @links jump source */
	nft_rule(nftables, "check");
	nft_iif(nftables);
	in(nftables, FIREWALL_LINKS, false);
	nft_jump(nftables, "source");
	nft_end(nftables);

	/* icmp type redirect drop; icmpv6 type { nd-router-advert, nd-redirect } drop */
	no_icmp(nftables, "source", IPPROTO_ICMP, REDIRECT);
	no_icmp(nftables, "source", IPPROTO_ICMPV6, RA);
	no_icmp(nftables, "source", IPPROTO_ICMPV6, REDIRECT6);

	/* iif . ip saddr @own4 return, and so on */
	for (enum look how = LOOK_IP; how < LOOKS; how++) {
		nft_rule(nftables, "source");
		nft_family(nftables, how != LOOK_IP);
		nft_iif(nftables);
		nft_saddr(nftables, how != LOOK_IP);
		look(nftables, how, 4, FIREWALL_OWN);
		nft_return(nftables);
		nft_end(nftables);
	}

	/* ip saddr 0.0.0.0 udp dport 67 return */
	nft_rule(nftables, "source");
	nft_ip(nftables);
	nft_ip_saddr(nftables);
	nft_is(nftables, nowhere, 4);
	nft_protocol(nftables, IPPROTO_UDP);
	nft_th_dport(nftables);
	nft_is_be16(nftables, 67);
	nft_return(nftables);
	nft_end(nftables);

	/* ip6 saddr fe80::/10 return: such packets go no further than to the host */
	nft_rule(nftables, "source");
	nft_ip6(nftables);
	nft_ip6_saddr(nftables);
	nft_within(nftables, true, link_local, 10);
	nft_return(nftables);
	nft_end(nftables);

	/* ip6 saddr :: meta l4proto icmpv6 return */
	nft_rule(nftables, "source");
	nft_ip6(nftables);
	nft_ip6_saddr(nftables);
	nft_is(nftables, nowhere, 16);
	nft_protocol(nftables, IPPROTO_ICMPV6);
	nft_return(nftables);
	nft_end(nftables);

	/* drop */
	nft_rule(nftables, "source");
	nft_drop(nftables);
	nft_end(nftables);
}

/* ---- inet: where to ---- */

static void put_dns(struct nftables *nftables)
{
	/* th dport 53 dnat ip to ip saddr . ip daddr . meta l4proto map @dns4, and so on */
	for (enum look how = LOOK_IP; how < LOOKS; how++) {
		bool six = how != LOOK_IP;

		nft_rule(nftables, "prerouting");
		nft_family(nftables, six);
		nft_th_dport(nftables);
		nft_is_be16(nftables, 53);
		nft_saddr(nftables, six);
		nft_daddr(nftables, six);
		nft_l4proto(nftables);
		if (how == LOOK_NET)
			net(nftables, 0);
		nft_map(nftables, firewall_set_name(FIREWALL_DNS, six));
		six ? nft_dnat_ip6(nftables, true) : nft_dnat_ip(nftables, true);
		nft_end(nftables);
	}
}

/* fib daddr type local jump publish */
static void to_published(struct nftables *nftables, const char *chain)
{
	nft_rule(nftables, chain);
	nft_fib_daddr_local(nftables);
	nft_jump(nftables, "publish");
	nft_end(nftables);
}

/* dnat ip to [ip daddr .] meta l4proto . th dport map @port…4 */
static void publish(struct nftables *nftables, bool six, enum firewall_set map)
{
	bool port = map != FIREWALL_PORT_RANGE; /* those keep their number */

	nft_rule(nftables, "publish");
	nft_family(nftables, six);
	if (map != FIREWALL_PORT)
		nft_daddr(nftables, six);
	nft_l4proto(nftables);
	nft_th_dport(nftables);
	nft_map(nftables, firewall_set_name(map, six));
	six ? nft_dnat_ip6(nftables, port) : nft_dnat_ip(nftables, port);
	nft_end(nftables);
}

static void put_published(struct nftables *nftables)
{
	static const unsigned char loopback[4] = { 127 }, loopback6[16] = { [15] = 1 };

	to_published(nftables, "prerouting");
	to_published(nftables, "output");

	/* What comes from a loopback address cannot be sent to another interface (class S53: and
	 * the switch for that opens services to the neighbours): net/forward does it.
	 * ip daddr 127.0.0.0/8 return; ip6 daddr ::1 return */
	for (int six = 0; six < 2; six++) {
		nft_rule(nftables, "publish");
		nft_family(nftables, six);
		nft_daddr(nftables, six);
		nft_within(nftables, six, six ? loopback6 : loopback, six ? 128 : 8);
		nft_return(nftables);
		nft_end(nftables);
	}
	for (int six = 0; six < 2; six++) {
		publish(nftables, six, FIREWALL_PORT_AT);
		publish(nftables, six, FIREWALL_PORT);
		publish(nftables, six, FIREWALL_PORT_RANGE);
	}
}

static void put_mark(struct nftables *nftables)
{
	/* iif @links meta mark set meta mark & ~DOUBT | MARK */
	nft_rule(nftables, "mark");
	nft_iif(nftables);
	in(nftables, FIREWALL_LINKS, false);
	nft_change_mark(nftables, FIREWALL_DOUBT, FIREWALL_MARK);
	nft_end(nftables);

	/* ip daddr @inside4 meta mark set meta mark | MARK, and so on */
	for (enum look how = LOOK_IP; how < LOOKS; how++) {
		nft_rule(nftables, "mark");
		nft_family(nftables, how != LOOK_IP);
		nft_daddr(nftables, how != LOOK_IP);
		look(nftables, how, 0, FIREWALL_INSIDE);
		nft_change_mark(nftables, 0, FIREWALL_MARK);
		nft_end(nftables);
	}

	/* ct status dnat meta mark set meta mark | MARK: the answers of a published port, where the
	 * machine's link is not one of ours */
	nft_rule(nftables, "mark");
	nft_ct_status(nftables, IPS_DST_NAT);
	nft_change_mark(nftables, 0, FIREWALL_MARK);
	nft_end(nftables);
}

static void put_postrouting(struct nftables *nftables)
{
	/* Back over the link it came from, to a published port: the answer must come here too.
	 * ct status dnat oif . ip saddr @own4 masquerade, and so on */
	for (enum look how = LOOK_IP; how < LOOKS; how++) {
		nft_rule(nftables, "postrouting");
		nft_family(nftables, how != LOOK_IP);
		nft_ct_status(nftables, IPS_DST_NAT);
		nft_oif(nftables);
		nft_saddr(nftables, how != LOOK_IP);
		look(nftables, how, 4, FIREWALL_OWN);
		nft_masquerade(nftables);
		nft_end(nftables);
	}

	/* ip saddr @nat4 oif != @links masquerade, and so on */
	for (enum look how = LOOK_IP; how < LOOKS; how++) {
		nft_rule(nftables, "postrouting");
		nft_family(nftables, how != LOOK_IP);
		nft_saddr(nftables, how != LOOK_IP);
		look(nftables, how, 0, FIREWALL_NAT);
		nft_oif(nftables);
		nft_not_in(nftables, firewall_set_name(FIREWALL_LINKS, false));
		nft_masquerade(nftables);
		nft_end(nftables);
	}
}

/* ---- inet: may it ---- */

static void accept_established(struct nftables *nftables, const char *chain)
{
	/* ct state established accept */
	nft_rule(nftables, chain);
	nft_ct_state(nftables, NF_CT_STATE_BIT(IP_CT_ESTABLISHED));
	nft_accept(nftables);
	nft_end(nftables);
}

/* ct state related meta l4proto … accept: errors about what is established, but no connections
 * that a helper expects. */
static void accept_errors(struct nftables *nftables, uint8_t protocol)
{
	nft_rule(nftables, "forward");
	nft_ct_state(nftables, NF_CT_STATE_BIT(IP_CT_RELATED));
	nft_protocol(nftables, protocol);
	nft_accept(nftables);
	nft_end(nftables);
}

static void put_forward(struct nftables *nftables)
{
	accept_established(nftables, "forward");
	accept_errors(nftables, IPPROTO_ICMP);
	accept_errors(nftables, IPPROTO_ICMPV6);

	/* iif @links oif @links jump between */
	nft_rule(nftables, "forward");
	nft_iif(nftables);
	in(nftables, FIREWALL_LINKS, false);
	nft_oif(nftables);
	in(nftables, FIREWALL_LINKS, false);
	nft_jump(nftables, "between");
	nft_end(nftables);

	/* iif @links jump leave */
	nft_rule(nftables, "forward");
	nft_iif(nftables);
	in(nftables, FIREWALL_LINKS, false);
	nft_jump(nftables, "leave");
	nft_end(nftables);

	/* oif @links jump enter */
	nft_rule(nftables, "forward");
	nft_oif(nftables);
	in(nftables, FIREWALL_LINKS, false);
	nft_jump(nftables, "enter");
	nft_end(nftables);
}

/* meta pkttype … VERDICT */
static void pkttype(struct nftables *nftables, const char *chain, uint8_t type,
		    void (*verdict)(struct nftables *nftables))
{
	nft_rule(nftables, chain);
	nft_pkttype(nftables);
	nft_is_u8(nftables, type);
	verdict(nftables);
	nft_end(nftables);
}

/* From a machine to a machine. Where frames of a bridge are shown to inet as well (br_netfilter),
 * siblings that talk to each other come by here. */
static void put_between(struct nftables *nftables)
{
	/* meta pkttype { broadcast, multicast } accept: they are never forwarded by address */
	pkttype(nftables, "between", PACKET_BROADCAST, nft_accept);
	pkttype(nftables, "between", PACKET_MULTICAST, nft_accept);

	/* iif . ip daddr @own4 accept, and so on: it lives where the packet comes from */
	for (enum look how = LOOK_IP; how < LOOKS; how++) {
		nft_rule(nftables, "between");
		nft_family(nftables, how != LOOK_IP);
		nft_iif(nftables);
		nft_daddr(nftables, how != LOOK_IP);
		look(nftables, how, 4, FIREWALL_OWN);
		nft_accept(nftables);
		nft_end(nftables);
	}

	/* ip6 daddr fe80::/10 accept: neither */
	nft_rule(nftables, "between");
	nft_ip6(nftables);
	nft_ip6_daddr(nftables);
	nft_within(nftables, true, link_local, 10);
	nft_accept(nftables);
	nft_end(nftables);
}

/* ip saddr . ip daddr … return: learnt from DNS, with a port or for all but some */
static void may_reach(struct nftables *nftables, bool six, enum firewall_set set)
{
	nft_rule(nftables, "leave");
	nft_family(nftables, six);
	if (set == FIREWALL_MET) {
		/* th dport != 53 th dport != 853 */
		nft_th_dport(nftables);
		nft_is_not_be16(nftables, 53);
		nft_is_not_be16(nftables, 853);
	}
	nft_saddr(nftables, six);
	nft_daddr(nftables, six);
	if (set == FIREWALL_LEARNT) {
		nft_l4proto(nftables);
		nft_th_dport(nftables);
	}
	in(nftables, set, six);
	nft_return(nftables);
	nft_end(nftables);
}

/* ip saddr vmap @egress4, and so on */
static void put_egress(struct nftables *nftables, const char *chain)
{
	for (enum look how = LOOK_IP; how < LOOKS; how++) {
		nft_rule(nftables, chain);
		nft_family(nftables, how != LOOK_IP);
		nft_saddr(nftables, how != LOOK_IP);
		if (how == LOOK_NET)
			net(nftables, 0);
		nft_vmap(nftables, firewall_set_name(FIREWALL_EGRESS, how != LOOK_IP));
		nft_end(nftables);
	}
}

static void put_leave(struct nftables *nftables)
{
	/* ct state invalid drop */
	nft_rule(nftables, "leave");
	nft_ct_state(nftables, NF_CT_STATE_INVALID_BIT);
	nft_drop(nftables);
	nft_end(nftables);

	for (int six = 0; six < 2; six++) {
		may_reach(nftables, six, FIREWALL_LEARNT);
		may_reach(nftables, six, FIREWALL_MET);
	}
	put_egress(nftables, "leave");

	/* goto common */
	nft_rule(nftables, "leave");
	nft_goto(nftables, "common");
	nft_end(nftables);
}

/* What is closed to all: what tells programs in clouds their credentials. */
static void put_common(struct nftables *nftables)
{
	static const struct {
		bool six;
		unsigned char net[16];
		unsigned int bits;
	} metadata[] = {
		{ false, { 169, 254 }, 16 }, /* all link-local, which nobody forwards */
		{ false, { 100, 100, 100, 200 }, 32 },
		{ false, { 168, 63, 129, 16 }, 32 },
		{ false, { 192, 0, 0, 192 }, 32 },
		{ true, { 0xfd, 0, 0x0e, 0xc2, [14] = 2, [15] = 0x54 }, 128 },
		{ true, { 0xfd, 0x20, 0, 0xce, [14] = 2, [15] = 0x54 }, 128 },
	};

	/* ip daddr … reject with icmpx admin-prohibited */
	for (size_t i = 0; i < ARRAY_SIZE(metadata); i++) {
		nft_rule(nftables, "common");
		nft_family(nftables, metadata[i].six);
		nft_daddr(nftables, metadata[i].six);
		nft_within(nftables, metadata[i].six, metadata[i].net, metadata[i].bits);
		nft_reject(nftables);
		nft_end(nftables);
	}
}

static void put_enter(struct nftables *nftables)
{
	/* ct status dnat accept: by a published port */
	nft_rule(nftables, "enter");
	nft_ct_status(nftables, IPS_DST_NAT);
	nft_accept(nftables);
	nft_end(nftables);

	/* iif @links reject with icmpx admin-prohibited */
	nft_rule(nftables, "enter");
	nft_iif(nftables);
	in(nftables, FIREWALL_LINKS, false);
	nft_reject(nftables);
	nft_end(nftables);

	/* ip daddr @nat4 drop, and so on: its address is nobody's business outside */
	for (enum look how = LOOK_IP; how < LOOKS; how++) {
		nft_rule(nftables, "enter");
		nft_family(nftables, how != LOOK_IP);
		nft_daddr(nftables, how != LOOK_IP);
		look(nftables, how, 0, FIREWALL_NAT);
		nft_drop(nftables);
		nft_end(nftables);
	}
}

/* meta l4proto … return */
static void host_protocol(struct nftables *nftables, uint8_t protocol)
{
	nft_rule(nftables, "host");
	nft_protocol(nftables, protocol);
	nft_return(nftables);
	nft_end(nftables);
}

/* udp dport … return */
static void host_udp(struct nftables *nftables, uint16_t port)
{
	nft_rule(nftables, "host");
	nft_protocol(nftables, IPPROTO_UDP);
	nft_th_dport(nftables);
	nft_is_be16(nftables, port);
	nft_return(nftables);
	nft_end(nftables);
}

static void put_refusal(struct nftables *nftables, const char *chain, uint16_t log_group)
{
	/* meta pkttype { broadcast, multicast } drop: said to everybody, worth no event */
	pkttype(nftables, chain, PACKET_BROADCAST, nft_drop);
	pkttype(nftables, chain, PACKET_MULTICAST, nft_drop);

	/* limit rate 20/second burst 100 packets log prefix "redd" group … snaplen 128 */
	if (log_group > 0) {
		nft_rule(nftables, chain);
		nft_limit(nftables, LOG_PER_SECOND, LOG_BURST);
		nft_log(nftables, log_group, FIREWALL_TABLE, FIREWALL_LOG_BYTES);
		nft_end(nftables);
	}

	/* reject with icmpx admin-prohibited */
	nft_rule(nftables, chain);
	nft_reject(nftables);
	nft_end(nftables);
}

static void put_host(struct nftables *nftables)
{
	accept_established(nftables, "input");

	/* iif @links jump host */
	nft_rule(nftables, "input");
	nft_iif(nftables);
	in(nftables, FIREWALL_LINKS, false);
	nft_jump(nftables, "host");
	nft_end(nftables);

	host_protocol(nftables, IPPROTO_ICMP);
	host_protocol(nftables, IPPROTO_ICMPV6);
	host_udp(nftables, 67);
	host_udp(nftables, 547);

	/* ct status dnat ct original proto-dst 53 return */
	nft_rule(nftables, "host");
	nft_ct_status(nftables, IPS_DST_NAT);
	nft_ct_original_dport(nftables);
	nft_is_be16(nftables, 53);
	nft_return(nftables);
	nft_end(nftables);

	/* ip daddr . meta l4proto . th dport @responders4 reject …, and for IPv6 */
	for (int six = 0; six < 2; six++) {
		nft_rule(nftables, "host");
		nft_family(nftables, six);
		nft_daddr(nftables, six);
		nft_l4proto(nftables);
		nft_th_dport(nftables);
		in(nftables, FIREWALL_RESPONDERS, six);
		nft_reject(nftables);
		nft_end(nftables);
	}

	/* ip6 saddr fe80::/10 iif vmap @unnamed */
	nft_rule(nftables, "host");
	nft_ip6(nftables);
	nft_ip6_saddr(nftables);
	nft_within(nftables, true, link_local, 10);
	nft_iif(nftables);
	nft_vmap(nftables, firewall_set_name(FIREWALL_UNNAMED, false));
	nft_end(nftables);
	put_refusal(nftables, FIREWALL_REFUSED, 0);

	/* goto leave */
	nft_rule(nftables, "host");
	nft_goto(nftables, "leave");
	nft_end(nftables);
}

/* ---- the tables ---- */

static void put_chains(struct nftables *nftables)
{
	/* Those of NAT stand one step behind where everybody's stand, so that an administrator's
	 * own come first. */
	static const struct {
		const char *name;
		struct nftables_hook hook;
	} bases[] = {
		{ "check", { "filter", NF_INET_PRE_ROUTING, -300 } }, /* before conntrack */
		{ "prerouting", { "nat", NF_INET_PRE_ROUTING, -99 } },
		{ "mark", { "filter", NF_INET_PRE_ROUTING, -90 } }, /* behind DNAT */
		{ "input", { "filter", NF_INET_LOCAL_IN, 0 } },
		{ "forward", { "filter", NF_INET_FORWARD, 0 } },
		{ "output", { "nat", NF_INET_LOCAL_OUT, -99 } },
		{ "postrouting", { "nat", NF_INET_POST_ROUTING, 101 } },
	};
	static const char *const others[] = { "source", "publish", "between", "leave",
					      "enter",	"host",	   "common",  FIREWALL_REFUSED };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		nftables_make_chain(nftables, others[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		nftables_make_chain(nftables, bases[i].name, &bases[i].hook);
}

void firewall_inet_put(struct nftables *nftables)
{
	nftables_use(nftables, NFTABLES_INET, FIREWALL_TABLE);
	nftables_make_table(nftables, FIREWALL_VERSION);
	firewall_sets_put(nftables, 0, FIREWALL_INET_LAST);
	put_chains(nftables);
	put_source(nftables);
	put_dns(nftables);
	put_published(nftables);
	put_mark(nftables);
	put_host(nftables);
	put_forward(nftables);
	put_between(nftables);
	put_leave(nftables);
	put_common(nftables);
	put_enter(nftables);
	put_postrouting(nftables);
}

/* ip daddr … [meta l4proto … [th dport …-…]] return */
static void reach(struct nftables *nftables, const char *chain,
		  const struct firewall_target *target, uint8_t protocol)
{
	bool six = target->network.family == AF_INET6;

	nft_rule(nftables, chain);
	nft_family(nftables, six);
	if (target->network.bits > 0) {
		nft_daddr(nftables, six);
		nft_within(nftables, six, target->network.bytes, target->network.bits);
	}
	if (protocol > 0)
		nft_protocol(nftables, protocol);
	if (target->first > 0) {
		nft_th_dport(nftables);
		nft_between_be16(nftables, target->first, target->last);
	}
	nft_return(nftables);
	nft_end(nftables);
}

static void put_target(struct nftables *nftables, const char *chain,
		       const struct firewall_target *target)
{
	if (target->first == 0 || target->protocol > 0) {
		reach(nftables, chain, target, target->protocol);
		return;
	}
	reach(nftables, chain, target, IPPROTO_TCP);
	reach(nftables, chain, target, IPPROTO_UDP);
}

void firewall_inet_put_egress(struct nftables *nftables, const struct firewall_machine *machine)
{
	char chain[FIREWALL_CHAIN_SIZE];

	firewall_sets_chain(chain, machine->link);
	nftables_make_chain(nftables, chain, NULL);
	nftables_flush_chain(nftables, chain);
	for (size_t i = 0; i < machine->target_count; i++)
		put_target(nftables, chain, &machine->targets[i]);
	/* Not told so: who is patient tries again. */
	if (machine->closed) {
		nft_rule(nftables, chain);
		nft_drop(nftables);
		nft_end(nftables);
		return;
	}
	if (machine->restricted) {
		put_refusal(nftables, chain, machine->log_group);
		return;
	}

	/* goto common */
	nft_rule(nftables, chain);
	nft_goto(nftables, "common");
	nft_end(nftables);
}
