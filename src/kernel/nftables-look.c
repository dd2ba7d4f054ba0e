/* What is there: the half of kernel/nftables that reads. */
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/nftables.h"

#define MESSAGE(type) (NFNL_SUBSYS_NFTABLES << 8 | (type))

/* A question with up to two names fits. */
#define ROOM 512

static struct netlink_request ask(unsigned char room[ROOM], unsigned int type, unsigned int family)
{
	struct netlink_request request = netlink_request(room, ROOM);
	struct nfgenmsg body = { .nfgen_family = (uint8_t)family, .version = NFNETLINK_V0 };

	netlink_begin(&request, MESSAGE(type), NLM_F_ACK, &body, sizeof(body));
	return request;
}

/* The attributes behind the answer's own header, if it is of that type. */
static bool answers(const struct netlink_answer *answer, unsigned int type,
		    unsigned int *ret_family, struct netlink_reader *ret)
{
	struct nfgenmsg head;

	*ret = answer->body;
	if (answer->type != MESSAGE(type) || netlink_take(ret, &head, sizeof(head)) < 0)
		return false;
	*ret_family = head.nfgen_family;
	return true;
}

/* As much of it as there is room for. */
static void copy_name(const struct netlink_attribute *attribute, char ret[NFTABLES_NAME_SIZE])
{
	size_t size = MIN(attribute->value.size, (size_t)NFTABLES_NAME_SIZE - 1);

	memset(ret, 0, NFTABLES_NAME_SIZE);
	memcpy(ret, attribute->value.bytes, size);
}

/* ---- the generation ---- */

static int take_generation(const struct netlink_answer *answer, void *context)
{
	struct netlink_attribute attribute;
	struct netlink_reader body;
	unsigned int family;

	if (!answers(answer, NFT_MSG_NEWGEN, &family, &body))
		return 0;
	while (netlink_next(&body, &attribute))
		if (attribute.type == NFTA_GEN_ID)
			*(uint32_t *)context = netlink_be32(&attribute);
	return 0;
}

int nftables_generation(struct netlink *netlink, uint32_t *ret)
{
	unsigned char room[ROOM];
	struct netlink_request request = ask(room, NFT_MSG_GETGEN, AF_UNSPEC);
	uint32_t generation = 0;
	int r;

	r = netlink_call(netlink, &request, take_generation, &generation);
	if (r < 0)
		return r;
	if (generation == 0)
		return -EBADMSG;
	*ret = generation;
	return 0;
}

/* ---- a table ---- */

static void take_comment(struct netlink_reader user, struct nftables_table *ret)
{
	/* The first of the pieces is the one that is written with it, if it was us. */
	if (user.size < 2 || user.bytes[0] != 0 || user.bytes[1] > user.size - 2)
		return;
	memcpy(ret->comment, user.bytes + 2, MIN(user.bytes[1], sizeof(ret->comment) - 1));
}

static int take_table(const struct netlink_answer *answer, void *context)
{
	struct nftables_table *ret = context;
	struct netlink_attribute attribute;
	struct netlink_reader body;
	unsigned int family;

	if (!answers(answer, NFT_MSG_NEWTABLE, &family, &body))
		return 0;
	while (netlink_next(&body, &attribute)) {
		if (attribute.type == NFTA_TABLE_USERDATA)
			take_comment(attribute.value, ret);
		else if (attribute.type == NFTA_TABLE_FLAGS)
			ret->own = netlink_be32(&attribute) & NFT_TABLE_F_OWNER;
	}
	return 0;
}

int nftables_read_table(struct netlink *netlink, struct nftables_table *ret, unsigned int family,
			const char *name)
{
	unsigned char room[ROOM];
	struct netlink_request request = ask(room, NFT_MSG_GETTABLE, family);
	struct nftables_table table = {};
	int r;

	netlink_put_text(&request, NFTA_TABLE_NAME, name);
	r = netlink_call(netlink, &request, take_table, &table);
	if (r >= 0)
		*ret = table;
	return r;
}

int nftables_has_chain(struct netlink *netlink, unsigned int family, const char *table,
		       const char *name)
{
	unsigned char room[ROOM];
	struct netlink_request request = ask(room, NFT_MSG_GETCHAIN, family);
	int r;

	netlink_put_text(&request, NFTA_CHAIN_TABLE, table);
	netlink_put_text(&request, NFTA_CHAIN_NAME, name);
	r = netlink_call(netlink, &request, NULL, NULL);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* ---- lists ---- */

struct list {
	union {
		nftables_chain_fn *chain;
		nftables_rule_fn *rule;
		nftables_key_fn *key;
	} fn;
	void *context;
};

static void take_hook(struct netlink_reader body, struct nftables_chain *ret)
{
	struct netlink_attribute attribute;

	ret->base = true;
	while (netlink_next(&body, &attribute)) {
		if (attribute.type == NFTA_HOOK_HOOKNUM)
			ret->hook = netlink_be32(&attribute);
		else if (attribute.type == NFTA_HOOK_PRIORITY)
			ret->priority = (int)netlink_be32(&attribute);
	}
}

static int take_chain(const struct netlink_answer *answer, void *context)
{
	struct nftables_chain chain = {};
	struct netlink_attribute attribute;
	struct list *list = context;
	struct netlink_reader body;

	if (!answers(answer, NFT_MSG_NEWCHAIN, &chain.family, &body))
		return 0;
	while (netlink_next(&body, &attribute)) {
		switch (attribute.type) {
		case NFTA_CHAIN_TABLE: copy_name(&attribute, chain.table); break;
		case NFTA_CHAIN_NAME: copy_name(&attribute, chain.name); break;
		case NFTA_CHAIN_HOOK: take_hook(attribute.value, &chain); break;
		case NFTA_CHAIN_POLICY: chain.drops = netlink_be32(&attribute) == NF_DROP; break;
		}
	}
	return list->fn.chain(&chain, list->context);
}

int nftables_list_chains(struct netlink *netlink, nftables_chain_fn *fn, void *context)
{
	unsigned char room[ROOM];
	struct netlink_request request = ask(room, NFT_MSG_GETCHAIN, AF_UNSPEC);
	struct list list = { .fn.chain = fn, .context = context };

	return netlink_dump(netlink, &request, take_chain, &list);
}

static int take_rule(const struct netlink_answer *answer, void *context)
{
	struct nftables_rule rule = {};
	struct netlink_attribute attribute;
	struct list *list = context;
	struct netlink_reader body;
	unsigned int family;

	if (!answers(answer, NFT_MSG_NEWRULE, &family, &body))
		return 0;
	while (netlink_next(&body, &attribute)) {
		if (attribute.type == NFTA_RULE_CHAIN)
			copy_name(&attribute, rule.chain);
		else if (attribute.type == NFTA_RULE_EXPRESSIONS)
			rule.expressions = attribute.value;
		else if (attribute.type == NFTA_RULE_USERDATA)
			rule.user = attribute.value;
	}
	return list->fn.rule(&rule, list->context);
}

int nftables_list_rules(struct netlink *netlink, unsigned int family, const char *table,
			nftables_rule_fn *fn, void *context)
{
	unsigned char room[ROOM];
	struct netlink_request request = ask(room, NFT_MSG_GETRULE, family);
	struct list list = { .fn.rule = fn, .context = context };

	netlink_put_text(&request, NFTA_RULE_TABLE, table);
	return netlink_dump(netlink, &request, take_rule, &list);
}

/* The attribute TYPE in BODY. */
static bool find(struct netlink_reader body, unsigned int type, struct netlink_reader *ret)
{
	struct netlink_attribute attribute;

	while (netlink_next(&body, &attribute)) {
		if (attribute.type != type)
			continue;
		*ret = attribute.value;
		return true;
	}
	return false;
}

static int take_element(struct netlink_reader element, struct list *list)
{
	struct nftables_value key = {};
	struct netlink_reader value;

	if (!find(element, NFTA_SET_ELEM_KEY, &value) || !find(value, NFTA_DATA_VALUE, &value) ||
	    value.size > sizeof(key.bytes))
		return 0;
	nftables_value_add(&key, value.bytes, value.size);
	return list->fn.key(&key, list->context);
}

static int take_elements(const struct netlink_answer *answer, void *context)
{
	struct netlink_attribute attribute;
	struct netlink_reader body;
	unsigned int family;
	int r = 0;

	if (!answers(answer, NFT_MSG_NEWSETELEM, &family, &body) ||
	    !find(body, NFTA_SET_ELEM_LIST_ELEMENTS, &body))
		return 0;
	while (r == 0 && netlink_next(&body, &attribute))
		r = take_element(attribute.value, context);
	return r;
}

int nftables_list_keys(struct netlink *netlink, unsigned int family, const char *table,
		       const char *set, nftables_key_fn *fn, void *context)
{
	unsigned char room[ROOM];
	struct netlink_request request = ask(room, NFT_MSG_GETSETELEM, family);
	struct list list = { .fn.key = fn, .context = context };

	netlink_put_text(&request, NFTA_SET_ELEM_LIST_TABLE, table);
	netlink_put_text(&request, NFTA_SET_ELEM_LIST_SET, set);
	return netlink_dump(netlink, &request, take_elements, &list);
}
