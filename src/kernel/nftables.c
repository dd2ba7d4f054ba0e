#include "kernel/nftables.h"

#include <assert.h>
#include <endian.h>
#include <linux/membarrier.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/syscall.h"

#define MESSAGE(type) (NFNL_SUBSYS_NFTABLES << 8 | (type))

/* Of all that nf_tables keeps for those who list it, beside the kernel's own use: see
 * "userdata" in libnftnl's headers. Each is a type byte, a length byte, and the value. */
enum { TABLE_COMMENT = 0, SET_KEY_ORDER = 0, SET_DATA_ORDER = 1 };
enum { ORDER_HOST = 1, ORDER_NETWORK = 2 };

/* ---- a transaction ---- */

static void begin(struct netlink_request *request, unsigned int type, unsigned int flags,
		  unsigned int family, unsigned int resource)
{
	struct nfgenmsg body = { .nfgen_family = (uint8_t)family,
				 .version = NFNETLINK_V0,
				 .res_id = htobe16((uint16_t)resource) };

	netlink_begin(request, type, flags, &body, sizeof(body));
}

void nftables_begin(struct nftables *nftables, void *room, size_t size, uint32_t generation)
{
	*nftables = (struct nftables){ .request = netlink_request(room, size) };
	begin(&nftables->request, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	if (generation != 0)
		netlink_put_be32(&nftables->request, NFNL_BATCH_GENID, generation);
}

void nftables_use(struct nftables *nftables, unsigned int family, const char *table)
{
	nftables->family = family;
	nftables->table = table;
}

static void acknowledge_last(struct netlink_request *request)
{
	struct nlmsghdr header;

	if (request->overflow)
		return;
	memcpy(&header, request->bytes + request->message, sizeof(header));
	header.nlmsg_flags |= NLM_F_ACK;
	memcpy(request->bytes + request->message, &header, sizeof(header));
}

int nftables_commit(struct nftables *nftables, struct netlink *netlink)
{
	assert(nftables->rule == 0);
	/* One answer is enough, and all are given only after the whole was done. */
	acknowledge_last(&nftables->request);
	begin(&nftables->request, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	return netlink_call(netlink, &nftables->request, NULL, NULL);
}

/* Packets walk the rules under RCU, and this waits for a grace period of it (membarrier(2)). */
void nftables_settle(void)
{
	(void)sys_membarrier(MEMBARRIER_CMD_GLOBAL, 0);
}

/* ---- tables and chains ---- */

static void put_message(struct nftables *nftables, unsigned int type, unsigned int flags)
{
	begin(&nftables->request, MESSAGE(type), flags, nftables->family, 0);
}

static void make_table(struct nftables *nftables, const char *comment, uint32_t flags)
{
	struct netlink_request *request = &nftables->request;
	unsigned char user[64] = { TABLE_COMMENT };
	size_t size = comment ? strlen(comment) + 1 : 0;

	assert(size <= sizeof(user) - 2);
	put_message(nftables, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	netlink_put_text(request, NFTA_TABLE_NAME, nftables->table);
	netlink_put_be32(request, NFTA_TABLE_FLAGS, flags);
	if (size == 0)
		return;
	user[1] = (unsigned char)size;
	memcpy(user + 2, comment, size);
	netlink_put(request, NFTA_TABLE_USERDATA, user, size + 2);
}

void nftables_make_table(struct nftables *nftables, const char *comment)
{
	make_table(nftables, comment, 0);
}

void nftables_make_own_table(struct nftables *nftables, const char *comment)
{
	make_table(nftables, comment, NFT_TABLE_F_OWNER);
}

void nftables_delete_table(struct nftables *nftables)
{
	put_message(nftables, NFT_MSG_DELTABLE, 0);
	netlink_put_text(&nftables->request, NFTA_TABLE_NAME, nftables->table);
}

void nftables_make_chain(struct nftables *nftables, const char *name,
			 const struct nftables_hook *hook)
{
	struct netlink_request *request = &nftables->request;
	size_t nest;

	put_message(nftables, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	netlink_put_text(request, NFTA_CHAIN_TABLE, nftables->table);
	netlink_put_text(request, NFTA_CHAIN_NAME, name);
	if (!hook)
		return;
	nest = netlink_nest(request, NFTA_CHAIN_HOOK);
	netlink_put_be32(request, NFTA_HOOK_HOOKNUM, hook->number);
	netlink_put_be32(request, NFTA_HOOK_PRIORITY, (uint32_t)hook->priority);
	if (hook->device)
		netlink_put_text(request, NFTA_HOOK_DEV, hook->device);
	netlink_nest_end(request, nest);
	netlink_put_be32(request, NFTA_CHAIN_POLICY, NF_ACCEPT);
	netlink_put_text(request, NFTA_CHAIN_TYPE, hook->type);
}

void nftables_flush_chain(struct nftables *nftables, const char *name)
{
	put_message(nftables, NFT_MSG_DELRULE, 0);
	netlink_put_text(&nftables->request, NFTA_RULE_TABLE, nftables->table);
	netlink_put_text(&nftables->request, NFTA_RULE_CHAIN, name);
}

void nftables_delete_chain(struct nftables *nftables, const char *name)
{
	put_message(nftables, NFT_MSG_DELCHAIN, 0);
	netlink_put_text(&nftables->request, NFTA_CHAIN_TABLE, nftables->table);
	netlink_put_text(&nftables->request, NFTA_CHAIN_NAME, name);
}

/* ---- sets and maps ---- */

#define TYPE_BITS 6 /* of the numbers by which nft(8) knows types; a row of them is one number */

static const struct {
	uint32_t size, number;
} types[NFTABLES_TYPES] = {
	[NFTABLES_VERDICT] = { 0, NFT_DATA_VERDICT },
	[NFTABLES_LINK] = { 4, 20 },
	[NFTABLES_IP] = { 4, 7 },
	[NFTABLES_IP6] = { 16, 8 },
	[NFTABLES_ETHER] = { 6, 9 },
	[NFTABLES_PROTOCOL] = { 1, 12 },
	[NFTABLES_PORT] = { 2, 13 },
};

struct row {
	uint32_t size, number, fields;
};

static struct row measure(const enum nftables_type fields[NFTABLES_FIELDS_MAX])
{
	struct row row = {};

	while (row.fields < NFTABLES_FIELDS_MAX && fields[row.fields] != NFTABLES_NOTHING) {
		enum nftables_type type = fields[row.fields++];

		row.size += (types[type].size + 3) & ~3U;
		row.number = row.number << TYPE_BITS | types[type].number;
	}
	if (row.fields == 1) /* one alone is not filled up */
		row.size = types[fields[0]].size;
	if (fields[0] == NFTABLES_VERDICT)
		row.number = NFT_DATA_VERDICT;
	return row;
}

static void put_fields(struct netlink_request *request, const struct nftables_set *set,
		       uint32_t fields)
{
	size_t description = netlink_nest(request, NFTA_SET_DESC);
	size_t concatenation = netlink_nest(request, NFTA_SET_DESC_CONCAT);

	for (uint32_t i = 0; i < fields; i++) {
		size_t field = netlink_nest(request, NFTA_LIST_ELEM);

		netlink_put_be32(request, NFTA_SET_FIELD_LEN, types[set->key[i]].size);
		netlink_nest_end(request, field);
	}
	netlink_nest_end(request, concatenation);
	netlink_nest_end(request, description);
}

/* How numbers are to be shown by who lists them. */
static void put_orders(struct netlink_request *request, const struct nftables_set *set)
{
	uint32_t key = set->key[0] == NFTABLES_LINK ? ORDER_HOST : ORDER_NETWORK;
	uint32_t data = set->data[0] == NFTABLES_LINK ? ORDER_HOST : ORDER_NETWORK;
	unsigned char user[12] = { SET_KEY_ORDER, sizeof(key) };

	memcpy(user + 2, &key, sizeof(key));
	user[6] = SET_DATA_ORDER;
	user[7] = sizeof(data);
	memcpy(user + 8, &data, sizeof(data));
	netlink_put(request, NFTA_SET_USERDATA, user,
		    set->data[0] == NFTABLES_NOTHING ? sizeof(user) / 2 : sizeof(user));
}

void nftables_make_set(struct nftables *nftables, const struct nftables_set *set)
{
	struct netlink_request *request = &nftables->request;
	struct row key = measure(set->key), data = measure(set->data);
	uint32_t flags = 0;

	/* The kernel keeps ranges of one field in another form, which nobody needs yet. */
	assert(!set->interval || key.fields > 1);
	flags |= key.fields > 1 ? NFT_SET_CONCAT : 0;
	flags |= data.fields > 0 ? NFT_SET_MAP : 0;
	flags |= set->interval ? NFT_SET_INTERVAL : 0;
	flags |= set->timeout ? NFT_SET_TIMEOUT : 0;
	put_message(nftables, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
	netlink_put_text(request, NFTA_SET_TABLE, nftables->table);
	netlink_put_text(request, NFTA_SET_NAME, set->name);
	netlink_put_be32(request, NFTA_SET_FLAGS, flags);
	netlink_put_be32(request, NFTA_SET_KEY_TYPE, key.number);
	netlink_put_be32(request, NFTA_SET_KEY_LEN, key.size);
	if (data.fields > 0) {
		netlink_put_be32(request, NFTA_SET_DATA_TYPE, data.number);
		netlink_put_be32(request, NFTA_SET_DATA_LEN, data.size);
	}
	netlink_put_be32(request, NFTA_SET_ID, ++nftables->set_ids);
	if (key.fields > 1)
		put_fields(request, set, key.fields);
	put_orders(request, set);
}

void nftables_value_add(struct nftables_value *value, const void *data, size_t size)
{
	size_t whole = (size + 3) & ~(size_t)3;

	assert(whole <= sizeof(value->bytes) - value->size);
	memset(value->bytes + value->size, 0, whole);
	memcpy(value->bytes + value->size, data, size);
	value->size += whole;
}

void nftables_value_add_u8(struct nftables_value *value, uint8_t number)
{
	nftables_value_add(value, &number, sizeof(number));
}

void nftables_value_add_be16(struct nftables_value *value, uint16_t number)
{
	number = htobe16(number);
	nftables_value_add(value, &number, sizeof(number));
}

void nftables_value_add_u32(struct nftables_value *value, uint32_t number)
{
	nftables_value_add(value, &number, sizeof(number));
}

static void put_value(struct netlink_request *request, unsigned int type,
		      const struct nftables_value *value)
{
	size_t nest = netlink_nest(request, type);

	netlink_put(request, NFTA_DATA_VALUE, value->bytes, value->size);
	netlink_nest_end(request, nest);
}

static void put_verdict(struct netlink_request *request, const struct nftables_element *element)
{
	size_t data = netlink_nest(request, NFTA_SET_ELEM_DATA);
	size_t verdict = netlink_nest(request, NFTA_DATA_VERDICT);

	netlink_put_be32(request, NFTA_VERDICT_CODE, (uint32_t)(element->go ? NFT_GOTO : NFT_JUMP));
	netlink_put_text(request, NFTA_VERDICT_CHAIN, element->chain);
	netlink_nest_end(request, verdict);
	netlink_nest_end(request, data);
}

static void put_element(struct nftables *nftables, const char *set,
			const struct nftables_element *element, bool whole)
{
	struct netlink_request *request = &nftables->request;
	size_t list, one;

	netlink_put_text(request, NFTA_SET_ELEM_LIST_TABLE, nftables->table);
	netlink_put_text(request, NFTA_SET_ELEM_LIST_SET, set);
	list = netlink_nest(request, NFTA_SET_ELEM_LIST_ELEMENTS);
	one = netlink_nest(request, NFTA_LIST_ELEM);
	put_value(request, NFTA_SET_ELEM_KEY, &element->key);
	if (element->last.size > 0)
		put_value(request, NFTA_SET_ELEM_KEY_END, &element->last);
	if (whole && element->data.size > 0)
		put_value(request, NFTA_SET_ELEM_DATA, &element->data);
	if (whole && element->chain)
		put_verdict(request, element);
	if (whole && element->timeout_ms > 0)
		netlink_put_be64(request, NFTA_SET_ELEM_TIMEOUT, element->timeout_ms);
	netlink_nest_end(request, one);
	netlink_nest_end(request, list);
}

void nftables_add_element(struct nftables *nftables, const char *set,
			  const struct nftables_element *element)
{
	put_message(nftables, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
	put_element(nftables, set, element, true);
}

void nftables_delete_element(struct nftables *nftables, const char *set,
			     const struct nftables_element *element)
{
	put_message(nftables, NFT_MSG_DELSETELEM, 0);
	put_element(nftables, set, element, false);
}
