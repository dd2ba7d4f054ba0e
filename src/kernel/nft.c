#include "kernel/nft.h"

#include <assert.h>
#include <endian.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_log.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "kernel/nftables.h"

#define MESSAGE(type) (NFNL_SUBSYS_NFTABLES << 8 | (type))
#define SLOT_BYTES 4
#define SLOTS 16

/* ---- rules and expressions ---- */

void nft_rule(struct nftables *nftables, const char *chain)
{
	struct nfgenmsg body = { .nfgen_family = (uint8_t)nftables->family,
				 .version = NFNETLINK_V0 };
	struct netlink_request *request = &nftables->request;

	netlink_begin(request, MESSAGE(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND, &body,
		      sizeof(body));
	netlink_put_text(request, NFTA_RULE_TABLE, nftables->table);
	netlink_put_text(request, NFTA_RULE_CHAIN, chain);
	nftables->rule = netlink_nest(request, NFTA_RULE_EXPRESSIONS);
	nftables->slot = 0;
	nftables->used = false;
}

void nft_end(struct nftables *nftables)
{
	netlink_nest_end(&nftables->request, nftables->rule);
	nftables->rule = 0;
}

struct expression {
	size_t element, data;
};

static struct expression begin(struct nftables *nftables, const char *name)
{
	struct expression expression = {
		.element = netlink_nest(&nftables->request, NFTA_LIST_ELEM),
	};

	netlink_put_text(&nftables->request, NFTA_EXPR_NAME, name);
	expression.data = netlink_nest(&nftables->request, NFTA_EXPR_DATA);
	return expression;
}

static void end(struct nftables *nftables, struct expression expression)
{
	netlink_nest_end(&nftables->request, expression.data);
	netlink_nest_end(&nftables->request, expression.element);
}

/* The register of the SLOTth four bytes. */
static uint32_t at(unsigned int slot)
{
	return NFT_REG32_00 + slot;
}

/* Registers for the next value of SIZE bytes. */
static uint32_t next(struct nftables *nftables, size_t size)
{
	unsigned int slot;

	if (nftables->used)
		nftables->slot = 0;
	nftables->used = false;
	slot = nftables->slot;
	nftables->slot += (unsigned int)((size + SLOT_BYTES - 1) / SLOT_BYTES);
	assert(nftables->slot <= SLOTS);
	return at(slot);
}

static void put_data(struct nftables *nftables, unsigned int type, const void *data, size_t size)
{
	size_t nest = netlink_nest(&nftables->request, type);

	netlink_put(&nftables->request, NFTA_DATA_VALUE, data, size);
	netlink_nest_end(&nftables->request, nest);
}

/* ---- values ---- */

static void meta(struct nftables *nftables, uint32_t key)
{
	struct expression expression = begin(nftables, "meta");

	netlink_put_be32(&nftables->request, NFTA_META_KEY, key);
	netlink_put_be32(&nftables->request, NFTA_META_DREG, next(nftables, 4));
	end(nftables, expression);
}

static void payload(struct nftables *nftables, uint32_t base, uint32_t offset, uint32_t size)
{
	struct expression expression = begin(nftables, "payload");

	netlink_put_be32(&nftables->request, NFTA_PAYLOAD_DREG, next(nftables, size));
	netlink_put_be32(&nftables->request, NFTA_PAYLOAD_BASE, base);
	netlink_put_be32(&nftables->request, NFTA_PAYLOAD_OFFSET, offset);
	netlink_put_be32(&nftables->request, NFTA_PAYLOAD_LEN, size);
	end(nftables, expression);
}

void nft_iif(struct nftables *nftables)
{
	meta(nftables, NFT_META_IIF);
}

void nft_oif(struct nftables *nftables)
{
	meta(nftables, NFT_META_OIF);
}

void nft_mark(struct nftables *nftables)
{
	meta(nftables, NFT_META_MARK);
}

void nft_l4proto(struct nftables *nftables)
{
	meta(nftables, NFT_META_L4PROTO);
}

void nft_pkttype(struct nftables *nftables)
{
	meta(nftables, NFT_META_PKTTYPE);
}

void nft_ip_saddr(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_NETWORK_HEADER, 12, 4);
}

void nft_ip_daddr(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
}

void nft_ip6_saddr(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_NETWORK_HEADER, 8, 16);
}

void nft_ip6_daddr(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_NETWORK_HEADER, 24, 16);
}

void nft_saddr(struct nftables *nftables, bool six)
{
	six ? nft_ip6_saddr(nftables) : nft_ip_saddr(nftables);
}

void nft_daddr(struct nftables *nftables, bool six)
{
	six ? nft_ip6_daddr(nftables) : nft_ip_daddr(nftables);
}

void nft_th_sport(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2);
}

void nft_th_dport(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
}

void nft_tcp_flags(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
}

void nft_icmp_type(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
}

void nft_nd_target(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 16);
}

void nft_ether_saddr(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_LL_HEADER, 6, ETH_ALEN);
}

void nft_ether_type(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_LL_HEADER, 12, 2);
}

void nft_vlan_id(struct nftables *nftables)
{
	static const unsigned char id[2] = { 0x0f, 0xff };

	payload(nftables, NFT_PAYLOAD_LL_HEADER, 14, 2);
	nft_and(nftables, 0, id, sizeof(id));
}

void nft_arp_saddr_ether(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_NETWORK_HEADER, 8, ETH_ALEN);
}

void nft_arp_saddr_ip(struct nftables *nftables)
{
	payload(nftables, NFT_PAYLOAD_NETWORK_HEADER, 14, 4);
}

static void ct(struct nftables *nftables, uint32_t key, int direction)
{
	struct expression expression = begin(nftables, "ct");

	netlink_put_be32(&nftables->request, NFTA_CT_KEY, key);
	netlink_put_be32(&nftables->request, NFTA_CT_DREG, next(nftables, 4));
	if (direction >= 0)
		netlink_put_u8(&nftables->request, NFTA_CT_DIRECTION, (uint8_t)direction);
	end(nftables, expression);
}

void nft_ct_original_dport(struct nftables *nftables)
{
	ct(nftables, NFT_CT_PROTO_DST, IP_CT_DIR_ORIGINAL);
}

/* (register & MASK) ^ XOR */
static void bitwise(struct nftables *nftables, uint32_t reg, const void *mask, const void *flip,
		    size_t size)
{
	struct expression expression = begin(nftables, "bitwise");

	netlink_put_be32(&nftables->request, NFTA_BITWISE_SREG, reg);
	netlink_put_be32(&nftables->request, NFTA_BITWISE_DREG, reg);
	netlink_put_be32(&nftables->request, NFTA_BITWISE_LEN, (uint32_t)size);
	put_data(nftables, NFTA_BITWISE_MASK, mask, size);
	put_data(nftables, NFTA_BITWISE_XOR, flip, size);
	end(nftables, expression);
}

void nft_and(struct nftables *nftables, size_t first, const void *mask, size_t size)
{
	static const unsigned char nothing[SLOTS * SLOT_BYTES];

	assert(first % SLOT_BYTES == 0 && first + size <= sizeof(nothing));
	bitwise(nftables, at((unsigned int)first / SLOT_BYTES), mask, nothing, size);
}

/* ---- questions ---- */

static void compare(struct nftables *nftables, uint32_t how, const void *data, size_t size)
{
	struct expression expression = begin(nftables, "cmp");

	netlink_put_be32(&nftables->request, NFTA_CMP_SREG, at(0));
	netlink_put_be32(&nftables->request, NFTA_CMP_OP, how);
	put_data(nftables, NFTA_CMP_DATA, data, size);
	end(nftables, expression);
	nftables->used = true;
}

void nft_is(struct nftables *nftables, const void *data, size_t size)
{
	compare(nftables, NFT_CMP_EQ, data, size);
}

void nft_is_not(struct nftables *nftables, const void *data, size_t size)
{
	compare(nftables, NFT_CMP_NEQ, data, size);
}

void nft_is_u8(struct nftables *nftables, uint8_t number)
{
	nft_is(nftables, &number, sizeof(number));
}

void nft_is_be16(struct nftables *nftables, uint16_t number)
{
	number = htobe16(number);
	nft_is(nftables, &number, sizeof(number));
}

void nft_is_not_be16(struct nftables *nftables, uint16_t number)
{
	number = htobe16(number);
	nft_is_not(nftables, &number, sizeof(number));
}

void nft_between_be16(struct nftables *nftables, uint16_t first, uint16_t last)
{
	first = htobe16(first);
	last = htobe16(last);
	compare(nftables, NFT_CMP_GTE, &first, sizeof(first));
	compare(nftables, NFT_CMP_LTE, &last, sizeof(last));
}

void nft_within(struct nftables *nftables, bool six, const void *net, unsigned int bits)
{
	unsigned char mask[16] = {};
	size_t size = six ? 16 : 4;

	assert(bits <= size * 8);
	for (unsigned int i = 0; i < bits; i++)
		mask[i / 8] |= (unsigned char)(0x80 >> i % 8);
	if (bits < size * 8)
		nft_and(nftables, 0, mask, size);
	nft_is(nftables, net, size);
}

static void lookup(struct nftables *nftables, const char *set, uint32_t flags, int into)
{
	struct expression expression = begin(nftables, "lookup");

	netlink_put_text(&nftables->request, NFTA_LOOKUP_SET, set);
	netlink_put_be32(&nftables->request, NFTA_LOOKUP_SREG, at(0));
	if (flags != 0)
		netlink_put_be32(&nftables->request, NFTA_LOOKUP_FLAGS, flags);
	if (into >= 0)
		netlink_put_be32(&nftables->request, NFTA_LOOKUP_DREG, (uint32_t)into);
	end(nftables, expression);
	nftables->used = true;
}

void nft_in(struct nftables *nftables, const char *set)
{
	lookup(nftables, set, 0, -1);
}

void nft_not_in(struct nftables *nftables, const char *set)
{
	lookup(nftables, set, NFT_LOOKUP_F_INV, -1);
}

void nft_map(struct nftables *nftables, const char *map)
{
	lookup(nftables, map, 0, (int)at(0));
}

void nft_vmap(struct nftables *nftables, const char *map)
{
	lookup(nftables, map, 0, NFT_REG_VERDICT);
}

void nft_ip(struct nftables *nftables)
{
	meta(nftables, NFT_META_NFPROTO);
	nft_is_u8(nftables, NFPROTO_IPV4);
}

void nft_ip6(struct nftables *nftables)
{
	meta(nftables, NFT_META_NFPROTO);
	nft_is_u8(nftables, NFPROTO_IPV6);
}

void nft_family(struct nftables *nftables, bool six)
{
	six ? nft_ip6(nftables) : nft_ip(nftables);
}

void nft_protocol(struct nftables *nftables, uint8_t protocol)
{
	nft_l4proto(nftables);
	nft_is_u8(nftables, protocol);
}

void nft_type(struct nftables *nftables, uint16_t ether_type)
{
	nft_ether_type(nftables);
	nft_is_be16(nftables, ether_type);
}

/* Is one of the bits set in the value, which is alone? */
static void has_any(struct nftables *nftables, uint32_t bits)
{
	static const uint32_t none = 0;

	nft_and(nftables, 0, &bits, sizeof(bits));
	nft_is_not(nftables, &none, sizeof(none));
}

void nft_ct_state(struct nftables *nftables, uint32_t any)
{
	ct(nftables, NFT_CT_STATE, -1);
	has_any(nftables, any);
}

void nft_ct_status(struct nftables *nftables, uint32_t any)
{
	ct(nftables, NFT_CT_STATUS, -1);
	has_any(nftables, any);
}

void nft_has_mark(struct nftables *nftables, uint32_t bits)
{
	nft_mark(nftables);
	nft_and(nftables, 0, &bits, sizeof(bits));
	nft_is(nftables, &bits, sizeof(bits));
}

void nft_fib_daddr_local(struct nftables *nftables)
{
	static const uint32_t local = RTN_LOCAL;
	struct expression expression = begin(nftables, "fib");

	netlink_put_be32(&nftables->request, NFTA_FIB_DREG, next(nftables, 4));
	netlink_put_be32(&nftables->request, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	netlink_put_be32(&nftables->request, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	end(nftables, expression);
	nft_is(nftables, &local, sizeof(local));
}

void nft_limit(struct nftables *nftables, uint32_t per_second, uint32_t burst)
{
	struct expression expression = begin(nftables, "limit");

	netlink_put_be64(&nftables->request, NFTA_LIMIT_RATE, per_second);
	netlink_put_be64(&nftables->request, NFTA_LIMIT_UNIT, 1);
	netlink_put_be32(&nftables->request, NFTA_LIMIT_BURST, burst);
	netlink_put_be32(&nftables->request, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	end(nftables, expression);
}

/* ---- what to do ---- */

static void verdict(struct nftables *nftables, int code, const char *chain)
{
	struct netlink_request *request = &nftables->request;
	struct expression expression = begin(nftables, "immediate");
	size_t data, nest;

	netlink_put_be32(request, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = netlink_nest(request, NFTA_IMMEDIATE_DATA);
	nest = netlink_nest(request, NFTA_DATA_VERDICT);
	netlink_put_be32(request, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		netlink_put_text(request, NFTA_VERDICT_CHAIN, chain);
	netlink_nest_end(request, nest);
	netlink_nest_end(request, data);
	end(nftables, expression);
}

void nft_accept(struct nftables *nftables)
{
	verdict(nftables, NF_ACCEPT, NULL);
}

void nft_drop(struct nftables *nftables)
{
	verdict(nftables, NF_DROP, NULL);
}

void nft_return(struct nftables *nftables)
{
	verdict(nftables, NFT_RETURN, NULL);
}

void nft_jump(struct nftables *nftables, const char *chain)
{
	verdict(nftables, NFT_JUMP, chain);
}

void nft_goto(struct nftables *nftables, const char *chain)
{
	verdict(nftables, NFT_GOTO, chain);
}

void nft_reject(struct nftables *nftables)
{
	struct expression expression = begin(nftables, "reject");

	netlink_put_be32(&nftables->request, NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
	netlink_put_u8(&nftables->request, NFTA_REJECT_ICMP_CODE,
		       NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
	end(nftables, expression);
}

void nft_log(struct nftables *nftables, uint16_t group, const char *prefix, uint32_t bytes)
{
	struct expression expression = begin(nftables, "log");

	netlink_put_be16(&nftables->request, NFTA_LOG_GROUP, group);
	netlink_put_text(&nftables->request, NFTA_LOG_PREFIX, prefix);
	netlink_put_be32(&nftables->request, NFTA_LOG_SNAPLEN, bytes);
	/* Told at once, not when a buffer is full. */
	netlink_put_be16(&nftables->request, NFTA_LOG_QTHRESHOLD, 1);
	end(nftables, expression);
}

void nft_change_mark(struct nftables *nftables, uint32_t clear, uint32_t set)
{
	uint32_t keep = ~(clear | set);
	struct expression expression;

	nft_mark(nftables);
	bitwise(nftables, at(0), &keep, &set, sizeof(keep));
	expression = begin(nftables, "meta");
	netlink_put_be32(&nftables->request, NFTA_META_KEY, NFT_META_MARK);
	netlink_put_be32(&nftables->request, NFTA_META_SREG, at(0));
	end(nftables, expression);
	nftables->used = true;
}

static void dnat(struct nftables *nftables, uint32_t family, unsigned int port_slot)
{
	struct expression expression = begin(nftables, "nat");

	netlink_put_be32(&nftables->request, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	netlink_put_be32(&nftables->request, NFTA_NAT_FAMILY, family);
	netlink_put_be32(&nftables->request, NFTA_NAT_REG_ADDR_MIN, at(0));
	if (port_slot > 0)
		netlink_put_be32(&nftables->request, NFTA_NAT_REG_PROTO_MIN, at(port_slot));
	end(nftables, expression);
}

void nft_dnat_ip(struct nftables *nftables, bool port)
{
	dnat(nftables, NFPROTO_IPV4, port ? 1 : 0);
}

void nft_dnat_ip6(struct nftables *nftables, bool port)
{
	dnat(nftables, NFPROTO_IPV6, port ? 4 : 0);
}

void nft_masquerade(struct nftables *nftables)
{
	end(nftables, begin(nftables, "masq"));
}
