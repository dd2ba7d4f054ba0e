#include "net/facts.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/egress.h"
#include "net/firewall.h"
#include "net/names.h"

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

int facts_add_moved(struct arena *arena, struct facts *facts, uint32_t index, const char *name)
{
	struct facts_moved *added;

	if (facts->moved_count == FACTS_LIST_MAX)
		return -E2BIG;
	added = list_grow(arena, (void **)&facts->moved, &facts->moved_count, sizeof(*added));
	added->index = index;
	added->name = arena_text(arena, name);
	return 0;
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
	char value[NAMES_MAC_ROOM];

	names_mac_text(value, mac);
	put_text(arena, text, key, memcmp(mac, none, sizeof(none)) == 0 ? NULL : value);
}

static void put_prefixes(struct arena *arena, char **text, const char *key,
			 const struct ip_prefix *list, size_t count)
{
	char room[IP_TEXT_ROOM];

	for (size_t i = 0; i < count; i++)
		put_text(arena, text, key, ip_text_prefix(room, &list[i]));
}

char *facts_print(struct arena *arena, const struct facts *facts)
{
	char *text = arena_text(arena, ""), port[PORT_TEXT_ROOM];

	put_text(arena, &text, "tag", facts->tag);
	put_text(arena, &text, "zone", facts->zone);
	put_text(arena, &text, "egress", facts->egress);
	put_number(arena, &text, "leader", facts->leader);
	put_number(arena, &text, "link", facts->link);
	put_number(arena, &text, "bridge", facts->bridge);
	put_mac(arena, &text, "mac", facts->mac);
	put_mac(arena, &text, "gateway-mac", facts->gateway_mac);
	put_number(arena, &text, "fixed", facts->fixed);
	put_number(arena, &text, "nat", facts->nat);
	put_number(arena, &text, "dns", facts->dns_port);
	put_number(arena, &text, "log", facts->log_group);
	put_prefixes(arena, &text, "address", facts->addresses, facts->address_count);
	put_prefixes(arena, &text, "gateway", facts->gateways, facts->gateway_count);
	put_prefixes(arena, &text, "pool", facts->pools, facts->pool_count);
	for (size_t i = 0; i < facts->port_count; i++)
		put_text(arena, &text, "port", port_text(port, &facts->ports[i]));
	for (size_t i = 0; i < facts->interface_count; i++)
		put_number(arena, &text, "interface", facts->interfaces[i]);
	put_number(arena, &text, "links", facts->links);
	for (size_t i = 0; i < facts->moved_count; i++)
		put_text(arena, &text, "moved",
			 arena_format(arena, "%u %s", facts->moved[i].index, facts->moved[i].name));
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

/* "INDEX NAME" */
static int take_moved(struct arena *arena, struct facts *facts, const char *value)
{
	const char *blank = strchr(value, ' ');
	uint32_t index;

	if (blank == NULL || !name_is_interface(blank + 1) ||
	    parse_u32(&index, arena_text_n(arena, value, (size_t)(blank - value))) < 0)
		return -EBADMSG;
	return facts_add_moved(arena, facts, index, blank + 1) < 0 ? -EBADMSG : 0;
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
	else if (text_equal(key, "links"))
		return take_u32(&facts->links, value);
	else if (text_equal(key, "moved"))
		return take_moved(arena, facts, value);
	return 0;
}

int facts_parse(struct arena *arena, struct facts *ret, const char *text, size_t size)
{
	struct facts facts = { 0 };
	const char *end = text + size;

	if (size > FACTS_SIZE_MAX || memchr(text, '\0', size) != NULL)
		return -EBADMSG;
	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));
		const char *equal;
		int r;

		if (line_end == NULL)
			return -EBADMSG;
		equal = memchr(text, '=', (size_t)(line_end - text));
		if (equal == NULL)
			return -EBADMSG;
		r = take(arena, &facts, arena_text_n(arena, text, (size_t)(equal - text)),
			 arena_text_n(arena, equal + 1, (size_t)(line_end - equal - 1)));
		if (r < 0)
			return r;
		text = line_end + 1;
	}
	*ret = facts;
	return 0;
}

/* ---- for the firewall ---- */

static struct firewall_address address_of(int family, const uint8_t *bytes, unsigned int bits)
{
	struct firewall_address address = { .family = (uint8_t)family, .bits = (uint8_t)bits };

	memcpy(address.bytes, bytes, (size_t)ip_size(family));
	return address;
}

/* With a link of its own a machine may choose its address in the IPv6 net, as hosts do. */
enum bits { BITS_NETWORK, BITS_ONE, BITS_ONE_OR_64 };

static struct firewall_address *addresses_of(struct arena *arena, const struct ip_prefix *list,
					     size_t count, enum bits which)
{
	struct firewall_address *addresses = arena_take_array(arena, count, sizeof(*addresses));

	for (size_t i = 0; i < count; i++) {
		int family = list[i].ip.family;
		unsigned int bits = (unsigned)ip_length(family);

		if (which == BITS_NETWORK ||
		    (which == BITS_ONE_OR_64 && family == AF_INET6 && list[i].length == 64))
			bits = list[i].length;
		addresses[i] = address_of(family, list[i].ip.bytes, bits);
	}
	return addresses;
}

static struct firewall_port *ports_of(struct arena *arena, const struct facts *facts)
{
	struct firewall_port *ports = arena_take_array(arena, facts->port_count, sizeof(*ports));

	for (size_t i = 0; i < facts->port_count; i++) {
		const struct port *port = &facts->ports[i];

		ports[i] = (struct firewall_port){
			.protocol = (uint8_t)port->protocol,
			.first = port->host,
			.last = (uint16_t)(port->host + port->count - 1),
			.container = port->container,
		};
		if (port->address.family != 0)
			ports[i].host = address_of(port->address.family, port->address.bytes,
						   (unsigned)ip_length(port->address.family));
	}
	return ports;
}

static int add_targets(struct arena *arena, struct firewall_machine *machine, const char *text)
{
	struct firewall_target *targets;
	const struct egress_entry *entry;
	struct egress egress;
	const char *bad;
	size_t at = 0;
	int r = egress_parse(arena, &egress, text, &bad);

	if (r < 0)
		return r;
	targets = arena_take_array(arena, egress.count, sizeof(*targets));
	while ((entry = egress_next_prefix(&egress, &at)) != NULL)
		targets[machine->target_count++] = (struct firewall_target){
			.network = address_of(entry->family, entry->bytes, entry->prefix_length),
			.protocol = (uint8_t)entry->protocol,
			.first = entry->port_first,
			.last = entry->port_first == 0 ? 0 : entry->port_last,
		};
	machine->targets = targets;
	machine->restricted = true;
	return 0;
}

int facts_machine(struct arena *arena, struct firewall_machine *ret, const struct facts *facts)
{
	struct firewall_machine machine = {
		.link = facts->link,
		.bridge = facts->bridge,
		.fixed = facts->fixed,
		.nat = facts->nat,
		.dns_port = facts->dns_port,
		.log_group = facts->log_group,
		.addresses = addresses_of(arena, facts->addresses, facts->address_count,
					  facts->bridge == 0 ? BITS_ONE_OR_64 : BITS_ONE),
		.gateways = addresses_of(arena, facts->gateways, facts->gateway_count, BITS_ONE),
		.pools = addresses_of(arena, facts->pools, facts->pool_count, BITS_NETWORK),
		.ports = ports_of(arena, facts),
		.address_count = facts->address_count,
		.gateway_count = facts->gateway_count,
		.pool_count = facts->pool_count,
		.port_count = facts->port_count,
	};
	int r = 0;

	memcpy(machine.mac, facts->mac, sizeof(machine.mac));
	if (facts->egress != NULL)
		r = add_targets(arena, &machine, facts->egress);
	if (r >= 0)
		*ret = machine;
	return r;
}
