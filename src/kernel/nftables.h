/* kernel/nftables - the kernel's packet filter (nf_tables), over nfnetlink. Quiet; any process.
 *
 * What is to change is put into a transaction, which the kernel does as a whole or not at all.
 * Rules are made with kernel/nft. The socket is one of NETLINK_NETFILTER; all happens in its
 * network namespace. Names of tables, chains and sets are the caller's own words.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/netlink.h"

#define NFTABLES_NAME_SIZE 32 /* that the functions that look can tell; longer ones are cut */

/* As NFPROTO_*, whose header does not go together with <netinet/in.h>. */
enum nftables_family {
	NFTABLES_INET = 1,
	NFTABLES_IPV4 = 2,
	NFTABLES_NETDEV = 5,
	NFTABLES_BRIDGE = 7,
	NFTABLES_IPV6 = 10,
};

struct nftables {
	struct netlink_request request;
	unsigned int family; /* of what follows */
	const char *table;
	uint32_t set_ids; /* numbers of sets within the transaction */
	/* the rule that is being made, for kernel/nft */
	size_t rule, expressions;
	unsigned int slot; /* of the registers: where the next value goes */
	bool used;	   /* what the registers hold was looked at: the next value begins anew */
};

/* ---- a transaction ---- */

/* In SIZE bytes at ROOM. GENERATION (0: any): the kernel refuses if the rulesets have changed
 * since they had it. What follows until the next one is about that table. */
void nftables_begin(struct nftables *nftables, void *room, size_t size, uint32_t generation);
void nftables_use(struct nftables *nftables, unsigned int family, const char *table);

/* -ERESTART: other generation. -EAFNOSUPPORT, -EOPNOTSUPP: the kernel cannot (a family, a kind of
 * expression). -EBUSY: still in use. -EEXIST, -ENOENT as ever.
 * -EMSGSIZE: not enough room. netlink->failed: which message, from 1. */
int nftables_commit(struct nftables *nftables, struct netlink *netlink);

/* Wait until no packet is under way any more that began by rules of before the last commit. Takes
 * some milliseconds; where the kernel cannot tell, nothing. */
void nftables_settle(void);

/* ---- tables and chains ---- */

/* COMMENT (may be NULL) is for who lists rulesets. Must not be there: -EEXIST. */
void nftables_make_table(struct nftables *nftables, const char *comment);

/* As above, but it is the socket's own: nobody else can change it, and it ends with the socket. */
void nftables_make_own_table(struct nftables *nftables, const char *comment);
void nftables_delete_table(struct nftables *nftables); /* with all in it */

struct nftables_hook {
	const char *type; /* "filter", "nat", "route" */
	unsigned int number;
	int priority;
	const char *device; /* of the family netdev: the interface's name */
};

/* HOOK may be NULL. No failure if it is there. */
void nftables_make_chain(struct nftables *nftables, const char *name,
			 const struct nftables_hook *hook);
void nftables_flush_chain(struct nftables *nftables, const char *name);
void nftables_delete_chain(struct nftables *nftables, const char *name); /* with its rules */

/* ---- sets and maps ---- */

enum nftables_type {
	NFTABLES_NOTHING,
	NFTABLES_VERDICT, /* only what a map gives */
	NFTABLES_LINK,	  /* 4 bytes in the host's order; all others in the network's */
	NFTABLES_IP,
	NFTABLES_IP6,
	NFTABLES_ETHER,
	NFTABLES_PROTOCOL,
	NFTABLES_PORT,
	NFTABLES_TYPES
};

#define NFTABLES_FIELDS_MAX 4

struct nftables_set {
	const char *name;
	enum nftables_type key[NFTABLES_FIELDS_MAX];  /* ends with NFTABLES_NOTHING */
	enum nftables_type data[NFTABLES_FIELDS_MAX]; /* of a map */
	bool interval;				      /* elements are ranges, in each field */
	bool timeout;				      /* elements may go by themselves */
};

void nftables_make_set(struct nftables *nftables, const struct nftables_set *set);

/* Several values in a row, as the kernel keeps them: each filled up to four bytes. */
struct nftables_value {
	unsigned char bytes[64];
	size_t size;
};
void nftables_value_add(struct nftables_value *value, const void *data, size_t size);
void nftables_value_add_u8(struct nftables_value *value, uint8_t number);
void nftables_value_add_be16(struct nftables_value *value, uint16_t number);
void nftables_value_add_u32(struct nftables_value *value, uint32_t number); /* host's order */

struct nftables_element {
	struct nftables_value key;
	struct nftables_value last; /* of an interval; both ends belong to it */
	struct nftables_value data; /* of a map */
	const char *chain;	    /* of a verdict map: to jump to; or where to go, for good */
	bool go;
	uint64_t timeout_ms; /* 0: none */
};

/* No failure if the very same is there; -EEXIST (-EBUSY): it leads elsewhere. */
void nftables_add_element(struct nftables *nftables, const char *set,
			  const struct nftables_element *element);

/* Only key and last count. -ENOENT: it is not there. */
void nftables_delete_element(struct nftables *nftables, const char *set,
			     const struct nftables_element *element);

/* ---- looking ---- */

/* It changes with every transaction in the namespace. */
int nftables_generation(struct netlink *netlink, uint32_t *ret);

struct nftables_table {
	char comment[64]; /* "": none */
	bool own;	  /* it belongs to somebody's socket */
};
int nftables_read_table(struct netlink *netlink, struct nftables_table *ret, unsigned int family,
			const char *name); /* -ENOENT */

/* 0: there is no such chain, or not the table. */
int nftables_has_chain(struct netlink *netlink, unsigned int family, const char *table,
		       const char *name);

struct nftables_chain {
	unsigned int family;
	char table[NFTABLES_NAME_SIZE], name[NFTABLES_NAME_SIZE];
	bool base; /* the rest is about such */
	unsigned int hook;
	int priority;
	bool drops; /* what no rule decided */
};

/* 0: go on. < 0: the list ends with it. > 0: enough. The lists may fail with -EAGAIN: something
 * changed meanwhile. */
typedef int nftables_chain_fn(const struct nftables_chain *chain, void *context);
int nftables_list_chains(struct netlink *netlink, nftables_chain_fn *fn, void *context);

struct nftables_rule {
	char chain[NFTABLES_NAME_SIZE];
	struct netlink_reader expressions; /* as the kernel encodes them */
	struct netlink_reader user;	   /* a comment is in there */
};
typedef int nftables_rule_fn(const struct nftables_rule *rule, void *context);
int nftables_list_rules(struct netlink *netlink, unsigned int family, const char *table,
			nftables_rule_fn *fn, void *context);

typedef int nftables_key_fn(const struct nftables_value *key, void *context);
int nftables_list_keys(struct netlink *netlink, unsigned int family, const char *table,
		       const char *set, nftables_key_fn *fn, void *context);
