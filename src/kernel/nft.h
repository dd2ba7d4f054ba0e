/* kernel/nft - rules of kernel/nftables, word by word. Quiet; any process.
 *
 * A rule reads like the text that nft(8) would print:
 *
 *	// ip daddr . tcp dport @open accept
 *	nft_rule(nftables, "input");
 *	nft_ip(nftables);
 *	nft_ip_daddr(nftables);
 *	nft_tcp_dport(nftables);
 *	nft_in(nftables, "open");
 *	nft_accept(nftables);
 *	nft_end(nftables);
 *
 * Values go into registers, one behind the other; nft_is(), nft_in() and so on look at all that
 * were put there, from the first, and the next value begins anew. A rule ends where a value is not
 * to be had (no such header) or a question is answered with no.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nftables;

void nft_rule(struct nftables *nftables, const char *chain);
void nft_end(struct nftables *nftables);

/* ---- values ---- */

void nft_iif(struct nftables *nftables); /* by index */
void nft_oif(struct nftables *nftables);
void nft_mark(struct nftables *nftables);
void nft_l4proto(struct nftables *nftables);
void nft_pkttype(struct nftables *nftables);

/* In the family inet behind nft_ip() or nft_ip6(), in bridge behind nft_ether_type(). */
void nft_ip_saddr(struct nftables *nftables);
void nft_ip_daddr(struct nftables *nftables);
void nft_ip6_saddr(struct nftables *nftables);
void nft_ip6_daddr(struct nftables *nftables);

/* The same for either family. */
void nft_saddr(struct nftables *nftables, bool six);
void nft_daddr(struct nftables *nftables, bool six);

/* Behind a question about nft_l4proto(), or with it in one. */
void nft_th_sport(struct nftables *nftables);
void nft_th_dport(struct nftables *nftables);
void nft_tcp_flags(struct nftables *nftables);
void nft_icmp_type(struct nftables *nftables); /* of icmpv6 as well */
void nft_nd_target(struct nftables *nftables); /* of neighbour solicitations and advertisements */

void nft_ether_saddr(struct nftables *nftables);
void nft_ether_type(struct nftables *nftables); /* as it stands in the frame: tags are seen */
void nft_vlan_id(struct nftables *nftables);	/* behind a question about nft_ether_type() */
void nft_arp_saddr_ether(struct nftables *nftables);
void nft_arp_saddr_ip(struct nftables *nftables);
void nft_ct_original_dport(struct nftables *nftables);

/* Of the values in the registers only the bits in MASK count, from byte FIRST on. */
void nft_and(struct nftables *nftables, size_t first, const void *mask, size_t size);

/* ---- questions ---- */

void nft_is(struct nftables *nftables, const void *data, size_t size);
void nft_is_not(struct nftables *nftables, const void *data, size_t size);
void nft_is_u8(struct nftables *nftables, uint8_t number);
void nft_is_be16(struct nftables *nftables, uint16_t number);
void nft_is_not_be16(struct nftables *nftables,
		     uint16_t number); /* several may follow each other */
void nft_between_be16(struct nftables *nftables, uint16_t first, uint16_t last);
void nft_in(struct nftables *nftables, const char *set);
void nft_not_in(struct nftables *nftables, const char *set);

/* The first BITS of the address in the registers, which is alone, are those of NET. */
void nft_within(struct nftables *nftables, bool six, const void *net, unsigned int bits);

/* What the map gives takes the place of the values; no answer, no. */
void nft_map(struct nftables *nftables, const char *map);

void nft_ip(struct nftables *nftables); /* meta nfproto */
void nft_ip6(struct nftables *nftables);
void nft_family(struct nftables *nftables, bool six);
void nft_protocol(struct nftables *nftables, uint8_t protocol); /* meta l4proto */
void nft_type(struct nftables *nftables, uint16_t ether_type);	/* ether type */
void nft_ct_state(struct nftables *nftables, uint32_t any);	/* NF_CT_STATE_BIT() */
void nft_ct_status(struct nftables *nftables, uint32_t any);	/* IPS_* */
void nft_has_mark(struct nftables *nftables, uint32_t bits);	/* all of them */
void nft_fib_daddr_local(struct nftables *nftables);		/* an address of the host */
void nft_limit(struct nftables *nftables, uint32_t per_second, uint32_t burst);

/* ---- what to do ---- */

void nft_accept(struct nftables *nftables);
void nft_drop(struct nftables *nftables);
void nft_return(struct nftables *nftables);
void nft_jump(struct nftables *nftables, const char *chain);
void nft_goto(struct nftables *nftables, const char *chain);
void nft_vmap(struct nftables *nftables, const char *map); /* what it gives for the values */
void nft_reject(struct nftables *nftables);		   /* icmpx admin-prohibited */

void nft_log(struct nftables *nftables, uint16_t group, const char *prefix, uint32_t bytes);
void nft_change_mark(struct nftables *nftables, uint32_t clear, uint32_t set); /* bits of it */

/* To the address, or address and port, that the registers hold; behind nft_map(). */
void nft_dnat_ip(struct nftables *nftables, bool port);
void nft_dnat_ip6(struct nftables *nftables, bool port);
void nft_masquerade(struct nftables *nftables);
