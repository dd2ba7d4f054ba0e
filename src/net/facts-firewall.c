#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "format/egress.h"
#include "net/facts.h"
#include "net/firewall.h"

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

bool facts_has_rules(const struct facts *part)
{
	return part->link != 0 && (part->address_count > 0 || part->bridge != 0);
}

int facts_machine(struct arena *arena, struct firewall_machine *ret, const struct facts *part)
{
	struct firewall_machine machine = {
		.link = part->link,
		.bridge = part->bridge,
		.fixed = part->fixed,
		.nat = part->nat,
		.dns_port = part->dns_port,
		.log_group = part->log_group,
		.addresses = addresses_of(arena, part->addresses, part->address_count,
					  part->bridge == 0 && part->egress == NULL ? BITS_ONE_OR_64
										    : BITS_ONE),
		.gateways = addresses_of(arena, part->gateways, part->gateway_count, BITS_ONE),
		.pools = addresses_of(arena, part->pools, part->pool_count, BITS_NETWORK),
		.ports = ports_of(arena, part),
		.address_count = part->address_count,
		.gateway_count = part->gateway_count,
		.pool_count = part->pool_count,
		.port_count = part->port_count,
	};
	int r = 0;

	memcpy(machine.mac, part->mac, sizeof(machine.mac));
	memcpy(machine.gateway_mac, part->gateway_mac, sizeof(machine.gateway_mac));
	if (part->egress != NULL)
		r = add_targets(arena, &machine, part->egress);
	if (r >= 0)
		*ret = machine;
	return r;
}

static int add_rules(struct arena *arena, struct firewall_machine *machines, size_t *count,
		     const struct facts *part)
{
	int r;

	if (!facts_has_rules(part))
		return 0;
	r = facts_machine(arena, &machines[*count], part);
	if (r >= 0)
		++*count;
	return r;
}

int facts_machines(struct arena *arena, struct firewall_machine **ret, size_t *ret_count,
		   const struct facts *facts)
{
	struct firewall_machine *machines = arena_take_array(arena, facts->part_count + 1,
							     sizeof(*machines));
	size_t count = 0;
	int r = add_rules(arena, machines, &count, facts);

	for (size_t i = 0; i < facts->part_count && r >= 0; i++)
		r = add_rules(arena, machines, &count, &facts->parts[i]);
	if (r < 0)
		return r;
	*ret = machines;
	*ret_count = count;
	return 0;
}

/* Restricted or not, and hidden: an element that is not there is no failure. */
static int add_traces(struct arena *arena, struct firewall_machine *machines, size_t *count,
		      const struct facts *part)
{
	struct facts free = *part, bound = *part;
	int r;

	free.nat = bound.nat = true;
	free.egress = NULL;
	bound.egress = "";
	r = add_rules(arena, machines, count, &free);
	if (r >= 0 && part->fixed && (part->bridge == 0 || part->gateway_count > 0))
		r = add_rules(arena, machines, count, &bound);
	return r;
}

int facts_traces(struct arena *arena, struct firewall_machine **ret, size_t *ret_count,
		 const struct facts *facts)
{
	struct firewall_machine *machines = arena_take_array(arena, 2 * (facts->part_count + 1),
							     sizeof(*machines));
	size_t count = 0;
	int r;

	if (!facts->turning)
		return facts_machines(arena, ret, ret_count, facts);
	r = add_traces(arena, machines, &count, facts);
	for (size_t i = 0; i < facts->part_count && r >= 0; i++)
		r = add_traces(arena, machines, &count, &facts->parts[i]);
	if (r < 0)
		return r;
	*ret = machines;
	*ret_count = count;
	return 0;
}
