#include "net/facts.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/link-names.h"
#include "format/uplink.h"

#define MADE_WORDS 4 /* and the zone, or identity */

const char *const facts_kind_names[FACTS_KINDS] = {
	[FACTS_VETH] = "veth",
	[FACTS_MACVLAN] = "macvlan",
	[FACTS_IPVLAN] = "ipvlan",
	[FACTS_INTERFACE] = "interface",
};

/* ---- lists ---- */

int facts_add_prefix(struct arena *arena, struct ip_prefix **list, size_t *count,
		     const struct ip_prefix *prefix)
{
	struct ip_prefix *added;

	if (*count == FACTS_LIST_MAX)
		return -E2BIG;
	added = list_grow(arena, (void **)list, count, sizeof(*added));
	*added = *prefix;
	return 0;
}

int facts_add_port(struct arena *arena, struct facts *facts, const struct port *port)
{
	struct port *added;

	if (facts->port_count == FACTS_PORTS_MAX)
		return -E2BIG;
	added = list_grow(arena, (void **)&facts->ports, &facts->port_count, sizeof(*added));
	*added = *port;
	return 0;
}

int facts_add_interface(struct arena *arena, struct facts *facts, uint32_t index)
{
	uint32_t *added;

	if (facts->interface_count == FACTS_LIST_MAX)
		return -E2BIG;
	added = list_grow(arena, (void **)&facts->interfaces, &facts->interface_count,
			  sizeof(*added));
	*added = index;
	return 0;
}

int facts_add_pooled(struct arena *arena, struct facts *facts, const struct facts_pooled *pooled)
{
	struct facts_pooled *added;

	if (facts->pooled_count == FACTS_LIST_MAX)
		return -E2BIG;
	added = list_grow(arena, (void **)&facts->pooled, &facts->pooled_count, sizeof(*added));
	*added = *pooled;
	return 0;
}

struct facts_made *facts_add_made(struct arena *arena, struct facts *facts)
{
	if (facts->made_count == FACTS_LIST_MAX)
		return NULL;
	return list_grow(arena, (void **)&facts->made, &facts->made_count, sizeof(*facts->made));
}

struct facts *facts_add_part(struct arena *arena, struct facts *facts)
{
	if (facts->part_count == FACTS_PARTS_MAX)
		return NULL;
	return list_grow(arena, (void **)&facts->parts, &facts->part_count, sizeof(*facts->parts));
}

void facts_remove_made(struct facts *facts, struct facts_made *made)
{
	size_t after = (size_t)(&facts->made[facts->made_count] - made) - 1;

	memmove(made, made + 1, after * sizeof(*made));
	facts->made_count--;
}

void facts_remove_part(struct facts *facts, struct facts *part)
{
	size_t after = (size_t)(&facts->parts[facts->part_count] - part) - 1;

	memmove(part, part + 1, after * sizeof(*part));
	facts->part_count--;
}

struct facts_made *facts_find_made(const struct facts *facts, uint32_t inside)
{
	for (size_t i = 0; i < facts->made_count && inside != 0; i++)
		if (facts->made[i].inside == inside)
			return &facts->made[i];
	return NULL;
}

struct facts *facts_find_part(struct facts *facts, uint32_t link)
{
	if (link == 0)
		return NULL;
	if (facts->link == link)
		return facts;
	for (size_t i = 0; i < facts->part_count; i++)
		if (facts->parts[i].link == link)
			return &facts->parts[i];
	return NULL;
}

size_t facts_interfaces(const struct facts *facts, uint32_t ret[FACTS_LIST_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < facts->interface_count; i++) {
		bool known = false;

		for (size_t j = 0; j < count && !known; j++)
			known = ret[j] == facts->interfaces[i];
		if (!known)
			ret[count++] = facts->interfaces[i];
	}
	return count;
}

void facts_remove_interface(struct facts *facts, uint32_t index)
{
	size_t kept = 0;
	bool removed = false;

	/* Two ports of one bridge tell it twice. */
	for (size_t i = 0; i < facts->interface_count; i++) {
		if (facts->interfaces[i] == index && !removed)
			removed = true;
		else
			facts->interfaces[kept++] = facts->interfaces[i];
	}
	facts->interface_count = kept;
}

/* ---- printing ---- */

static void put_number(struct arena *arena, char **text, const char *key, uint32_t number)
{
	if (number != 0)
		*text = arena_format(arena, "%s%s=%u\n", *text, key, number);
}

static void put_text(struct arena *arena, char **text, const char *key, const char *value)
{
	if (value != NULL)
		*text = arena_format(arena, "%s%s=%s\n", *text, key, value);
}

/* Zeroes are no hardware address: it is not known. */
static void put_mac(struct arena *arena, char **text, const char *key, const uint8_t mac[6])
{
	static const uint8_t none[6];
	char value[LINK_NAMES_MAC_ROOM];

	link_names_mac_text(value, mac);
	put_text(arena, text, key, memcmp(mac, none, sizeof(none)) == 0 ? NULL : value);
}

static void put_prefixes(struct arena *arena, char **text, const char *key,
			 const struct ip_prefix *list, size_t count)
{
	char room[IP_TEXT_ROOM];

	for (size_t i = 0; i < count; i++)
		put_text(arena, text, key, ip_text_prefix(room, &list[i]));
}

static void put_made(struct arena *arena, char **text, const struct facts_made *made)
{
	const char *more = made->kind == FACTS_INTERFACE ? made->identity : made->zone;

	*text = arena_format(arena, "%s%s=%s %u %u %s%s%s\n", *text,
			     made->attached ? "attached" : "made", facts_kind_names[made->kind],
			     made->inside, made->outside, made->name, more ? " " : "",
			     more ? more : "");
}

static void put_pooled(struct arena *arena, char **text, const struct facts_pooled *pooled)
{
	char guest[IP_TEXT_ROOM], host[IP_TEXT_ROOM];

	*text = arena_format(arena, "%spooled=%u %s %s\n", *text, pooled->link,
			     ip_text_prefix(guest, &pooled->guest),
			     ip_text_prefix(host, &pooled->host));
}

static char *print_part(struct arena *arena, const struct facts *facts)
{
	char *text = arena_text(arena, ""), port[PORT_TEXT_ROOM], address[IP_TEXT_ROOM];

	put_text(arena, &text, "tag", facts->tag);
	put_text(arena, &text, "zone", facts->zone);
	put_text(arena, &text, "egress", facts->egress);
	put_number(arena, &text, "leader", facts->leader);
	put_number(arena, &text, "namespace", facts->namespace);
	put_number(arena, &text, "inside", facts->inside);
	put_number(arena, &text, "link", facts->link);
	put_number(arena, &text, "bridge", facts->bridge);
	put_mac(arena, &text, "mac", facts->mac);
	put_mac(arena, &text, "gateway-mac", facts->gateway_mac);
	put_number(arena, &text, "fixed", facts->fixed);
	put_number(arena, &text, "nat", facts->nat);
	put_number(arena, &text, "chosen", facts->chosen);
	put_number(arena, &text, "no-router", facts->no_router);
	for (size_t i = 0; i < ARRAY_SIZE(facts->router); i++)
		if (facts->router[i].family != 0)
			put_text(arena, &text, "router", ip_text(address, &facts->router[i]));
	if (facts->names != FACTS_NAMES_STARTED)
		put_text(arena, &text, "names", facts->names == FACTS_NAMES_YES ? "1" : "0");
	put_number(arena, &text, "turning", facts->turning);
	put_number(arena, &text, "dns", facts->dns_port);
	put_number(arena, &text, "log", facts->log_group);
	put_prefixes(arena, &text, "address", facts->addresses, facts->address_count);
	put_prefixes(arena, &text, "gateway", facts->gateways, facts->gateway_count);
	put_prefixes(arena, &text, "pool", facts->pools, facts->pool_count);
	for (size_t i = 0; i < facts->port_count; i++)
		put_text(arena, &text, "port", port_text(port, &facts->ports[i]));
	for (size_t i = 0; i < facts->interface_count; i++)
		put_number(arena, &text, "interface", facts->interfaces[i]);
	for (size_t i = 0; i < facts->leases.count; i++)
		put_text(arena, &text, "lease", facts->leases.items[i]);
	return text;
}

char *facts_print(struct arena *arena, const struct facts *facts)
{
	char *text = print_part(arena, facts);

	for (size_t i = 0; i < facts->made_count; i++)
		put_made(arena, &text, &facts->made[i]);
	for (size_t i = 0; i < facts->pooled_count; i++)
		put_pooled(arena, &text, &facts->pooled[i]);
	if (facts->middle != 0)
		text = arena_format(arena, "%smiddle=%" PRIu64 " %" PRIu32 "\n", text,
				    facts->middle, facts->slot);
	for (size_t i = 0; i < facts->further.count; i++)
		put_text(arena, &text, "further", facts->further.items[i]);
	if (facts->helper != 0)
		text = arena_format(arena, "%shelper=%u %" PRIu64 "\n", text, facts->helper,
				    facts->helper_start);
	for (size_t i = 0; i < facts->part_count; i++)
		text = arena_format(arena, "%spart=%zu\n%s", text, i + 1,
				    print_part(arena, &facts->parts[i]));
	return text;
}

/* ---- parsing ---- */

static int take_u32(uint32_t *ret, const char *value)
{
	return parse_u32(ret, value) < 0 ? -EBADMSG : 0;
}

static int take_u16(uint16_t *ret, const char *value)
{
	return parse_port(ret, value) < 0 ? -EBADMSG : 0;
}

static int take_prefix(struct arena *arena, struct ip_prefix **list, size_t *count,
		       const char *value)
{
	struct ip_prefix prefix;

	if (ip_parse_prefix(&prefix, value) < 0)
		return -EBADMSG;
	return facts_add_prefix(arena, list, count, &prefix) < 0 ? -EBADMSG : 0;
}

static int take_router(struct facts *facts, const char *value)
{
	struct ip ip;

	if (ip_parse(&ip, value) < 0)
		return -EBADMSG;
	facts->router[ip.family == AF_INET6] = ip;
	return 0;
}

static int take_port(struct arena *arena, struct facts *facts, const char *value)
{
	struct port port;
	const char *why;

	if (port_parse(&port, value, &why) < 0)
		return -EBADMSG;
	return facts_add_port(arena, facts, &port) < 0 ? -EBADMSG : 0;
}

static int take_interface(struct arena *arena, struct facts *facts, const char *value)
{
	uint32_t index;

	if (parse_u32(&index, value) < 0)
		return -EBADMSG;
	return facts_add_interface(arena, facts, index) < 0 ? -EBADMSG : 0;
}

static int take_made(struct arena *arena, struct facts *facts, const char *value, bool attached)
{
	struct text_list words = { 0 };
	struct facts_made *made, parsed = { .kind = FACTS_KINDS, .attached = attached };

	text_split(arena, &words, value, " ");
	if (words.count < MADE_WORDS || words.count > MADE_WORDS + 1)
		return -EBADMSG;
	for (size_t i = 0; i < FACTS_KINDS; i++)
		if (text_equal(words.items[0], facts_kind_names[i]))
			parsed.kind = (enum facts_kind)i;
	if (parsed.kind == FACTS_KINDS || parse_u32(&parsed.inside, words.items[1]) < 0 ||
	    parse_u32(&parsed.outside, words.items[2]) < 0)
		return -EBADMSG;
	parsed.name = words.items[3];
	if (words.count > MADE_WORDS && parsed.kind == FACTS_INTERFACE)
		parsed.identity = words.items[MADE_WORDS];
	else if (words.count > MADE_WORDS)
		parsed.zone = words.items[MADE_WORDS];
	if ((parsed.kind != FACTS_VETH && !name_is_interface(parsed.name)) ||
	    (parsed.zone != NULL && !name_is_interface(parsed.zone)))
		return -EBADMSG;
	made = facts_add_made(arena, facts);
	if (made == NULL)
		return -EBADMSG;
	*made = parsed;
	return 0;
}

static int take_lease(struct arena *arena, struct facts *facts, const char *value)
{
	if (facts->leases.count == FACTS_LIST_MAX)
		return -EBADMSG;
	text_list_add(arena, &facts->leases, arena_text(arena, value));
	return 0;
}

static int take_pooled(struct arena *arena, struct facts *facts, const char *value)
{
	struct text_list words = { 0 };
	struct facts_pooled pooled;

	text_split(arena, &words, value, " ");
	if (words.count != 3 || parse_u32(&pooled.link, words.items[0]) < 0 ||
	    ip_parse_prefix(&pooled.guest, words.items[1]) < 0 ||
	    ip_parse_prefix(&pooled.host, words.items[2]) < 0)
		return -EBADMSG;
	return facts_add_pooled(arena, facts, &pooled) < 0 ? -EBADMSG : 0;
}

static int take_helper(struct arena *arena, struct facts *facts, const char *value)
{
	struct text_list words = { 0 };

	text_split(arena, &words, value, " ");
	if (words.count != 2 || parse_u32(&facts->helper, words.items[0]) < 0 ||
	    facts->helper == 0 || facts->helper > INT32_MAX ||
	    parse_u64(&facts->helper_start, words.items[1]) < 0)
		return -EBADMSG;
	return 0;
}

static int take(struct arena *arena, struct facts *facts, const char *key, const char *value)
{
	if (text_equal(key, "tag"))
		facts->tag = arena_text(arena, value);
	else if (text_equal(key, "zone"))
		facts->zone = arena_text(arena, value);
	else if (text_equal(key, "egress"))
		facts->egress = arena_text(arena, value);
	else if (text_equal(key, "leader"))
		return take_u32(&facts->leader, value);
	else if (text_equal(key, "namespace"))
		return take_u32(&facts->namespace, value);
	else if (text_equal(key, "inside"))
		return take_u32(&facts->inside, value);
	else if (text_equal(key, "link"))
		return take_u32(&facts->link, value);
	else if (text_equal(key, "bridge"))
		return take_u32(&facts->bridge, value);
	else if (text_equal(key, "mac"))
		return ip_parse_mac(facts->mac, value) < 0 ? -EBADMSG : 0;
	else if (text_equal(key, "gateway-mac"))
		return ip_parse_mac(facts->gateway_mac, value) < 0 ? -EBADMSG : 0;
	else if (text_equal(key, "fixed"))
		facts->fixed = text_equal(value, "1");
	else if (text_equal(key, "nat"))
		facts->nat = text_equal(value, "1");
	else if (text_equal(key, "chosen"))
		facts->chosen = text_equal(value, "1");
	else if (text_equal(key, "no-router"))
		facts->no_router = text_equal(value, "1");
	else if (text_equal(key, "names"))
		facts->names = text_equal(value, "1") ? FACTS_NAMES_YES : FACTS_NAMES_NO;
	else if (text_equal(key, "turning"))
		facts->turning = text_equal(value, "1");
	else if (text_equal(key, "router"))
		return take_router(facts, value);
	else if (text_equal(key, "dns"))
		return take_u16(&facts->dns_port, value);
	else if (text_equal(key, "log"))
		return take_u16(&facts->log_group, value);
	else if (text_equal(key, "address"))
		return take_prefix(arena, &facts->addresses, &facts->address_count, value);
	else if (text_equal(key, "gateway"))
		return take_prefix(arena, &facts->gateways, &facts->gateway_count, value);
	else if (text_equal(key, "pool"))
		return take_prefix(arena, &facts->pools, &facts->pool_count, value);
	else if (text_equal(key, "port"))
		return take_port(arena, facts, value);
	else if (text_equal(key, "interface"))
		return take_interface(arena, facts, value);
	else if (text_equal(key, "lease"))
		return take_lease(arena, facts, value);
	return 0;
}

static int take_middle(struct arena *arena, struct facts *facts, const char *value)
{
	struct text_list words = { 0 };

	text_split(arena, &words, value, " ");
	if (words.count != 2 || parse_u64(&facts->middle, words.items[0]) < 0 ||
	    facts->middle == 0 || parse_u32(&facts->slot, words.items[1]) < 0 ||
	    facts->slot >= UPLINK_SLOTS)
		return -EBADMSG;
	return 0;
}

static int take_further(struct arena *arena, struct facts *facts, const char *value)
{
	char name[NAME_MAX_LENGTH + 1];

	if (!name_further(name, value) || facts->further.count == FACTS_LIST_MAX)
		return -EBADMSG;
	text_list_add(arena, &facts->further, arena_text(arena, name));
	return 0;
}

static int take_line(struct arena *arena, struct facts *facts, struct facts *part, const char *key,
		     const char *value)
{
	if (text_equal(key, "made") || text_equal(key, "attached"))
		return take_made(arena, facts, value, *key == 'a');
	if (text_equal(key, "pooled"))
		return take_pooled(arena, facts, value);
	if (text_equal(key, "middle"))
		return take_middle(arena, facts, value);
	if (text_equal(key, "further"))
		return take_further(arena, facts, value);
	if (text_equal(key, "helper"))
		return take_helper(arena, facts, value);
	return take(arena, part, key, value);
}

int facts_parse(struct arena *arena, struct facts *ret, const char *text, size_t size)
{
	struct facts facts = { 0 }, *part = &facts;
	const char *end = text + size;

	if (size > FACTS_SIZE_MAX || memchr(text, '\0', size) != NULL)
		return -EBADMSG;
	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));
		const char *equal, *key, *value;
		int r;

		if (line_end == NULL)
			return -EBADMSG;
		equal = memchr(text, '=', (size_t)(line_end - text));
		if (equal == NULL)
			return -EBADMSG;
		key = arena_text_n(arena, text, (size_t)(equal - text));
		value = arena_text_n(arena, equal + 1, (size_t)(line_end - equal - 1));
		if (text_equal(key, "part"))
			part = facts_add_part(arena, &facts);
		if (part == NULL)
			return -EBADMSG;
		r = take_line(arena, &facts, part, key, value);
		if (r < 0)
			return r;
		text = line_end + 1;
	}
	*ret = facts;
	return 0;
}
