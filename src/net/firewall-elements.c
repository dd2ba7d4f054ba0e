#include "net/firewall-elements.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "format/ip.h"
#include "net/firewall-bridge.h"

struct walk {
	const struct firewall_machine *machine;
	uint32_t link; /* where its packets come in by */
	firewall_element_fn *fn;
	void *context;
};

static struct walk walk(const struct firewall_machine *machine, firewall_element_fn *fn,
			void *context)
{
	return (struct walk){ .machine = machine,
			      .link = machine->bridge > 0 ? machine->bridge : machine->link,
			      .fn = fn,
			      .context = context };
}

static void give(struct walk *walk, const struct firewall_element *element)
{
	walk->fn(element, walk->context);
}

static struct firewall_element in(enum firewall_set set, const struct firewall_address *address)
{
	return (struct firewall_element){ .set = set, .six = address->family == AF_INET6 };
}

static size_t size_of(const struct firewall_address *address)
{
	return address->family == AF_INET6 ? 16 : 4;
}

/* With the bits that do not count cleared, or (LAST) set. */
static void add_address(struct nftables_value *value, const struct firewall_address *address,
			bool last)
{
	unsigned char bytes[16];
	size_t size = size_of(address);

	memcpy(bytes, address->bytes, size);
	for (size_t i = address->bits; i < size * 8; i++) {
		unsigned char bit = (unsigned char)(0x80 >> i % 8);

		bytes[i / 8] = (unsigned char)(last ? bytes[i / 8] | bit : bytes[i / 8] & ~bit);
	}
	nftables_value_add(value, bytes, size);
}

/* ---- who it is ---- */

/* The set is of interfaces. */
static void give_link(struct walk *walk, enum firewall_set set, uint32_t index, bool shared)
{
	struct firewall_element element = { .set = set, .shared = shared };

	nftables_value_add_u32(&element.element.key, index);
	give(walk, &element);
}

/* The set is of addresses. */
static void give_address(struct walk *walk, enum firewall_set set,
			 const struct firewall_address *address, bool shared)
{
	struct firewall_element element = in(set, address);

	element.shared = shared;
	add_address(&element.element.key, address, false);
	give(walk, &element);
}

/* The set is of interfaces and addresses. */
static void give_pair(struct walk *walk, enum firewall_set set, uint32_t index,
		      const struct firewall_address *address)
{
	struct firewall_element element = in(set, address);

	nftables_value_add_u32(&element.element.key, index);
	add_address(&element.element.key, address, false);
	give(walk, &element);
}

static void give_chain(struct walk *walk, const struct firewall_address *address)
{
	struct firewall_element element = in(FIREWALL_EGRESS, address);
	char chain[FIREWALL_CHAIN_SIZE];

	firewall_sets_chain(chain, walk->machine->link);
	element.element.chain = chain;
	element.element.go = true;
	add_address(&element.element.key, address, false);
	give(walk, &element);
}

/* Guests make up link-local addresses, so those are known by where they come in. On a bridge they
 * are siblings' as well, who lose little. */
static void give_unnamed(struct walk *walk)
{
	struct firewall_element element = { .set = FIREWALL_UNNAMED,
					    .shared = walk->machine->bridge > 0 };
	char chain[FIREWALL_CHAIN_SIZE];

	firewall_sets_chain(chain, walk->machine->link);
	element.element.chain = walk->machine->bridge > 0 ? FIREWALL_REFUSED : chain;
	element.element.go = true;
	nftables_value_add_u32(&element.element.key, walk->link);
	give(walk, &element);
}

bool firewall_elements_egress(const struct firewall_machine *machine)
{
	return machine->restricted || machine->target_count > 0;
}

static void give_identity(struct walk *walk)
{
	const struct firewall_machine *machine = walk->machine;

	give_link(walk, FIREWALL_MACHINES, machine->link, false);
	if (machine->fixed)
		give_link(walk, FIREWALL_LINKS, walk->link, machine->bridge > 0);
	if (machine->restricted)
		give_unnamed(walk);
	for (size_t i = 0; i < machine->address_count; i++) {
		const struct firewall_address *address = &machine->addresses[i];

		give_pair(walk, FIREWALL_OWN, walk->link, address);
		give_address(walk, FIREWALL_INSIDE, address, false);
		if (machine->nat)
			give_address(walk, FIREWALL_NAT, address, false);
		if (firewall_elements_egress(machine))
			give_chain(walk, address);
	}
}

/* ---- on a bridge ---- */

/* The one that it makes of its MAC when it is told nothing else. */
static struct firewall_address link_local(const unsigned char mac[6])
{
	return (struct firewall_address){ .family = AF_INET6,
					  .bits = 128,
					  .bytes = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2,
						     mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4],
						     mac[5] } };
}

/* Siblings take the router's link-local address for their default route. */
static void give_gateways(struct walk *walk)
{
	static const unsigned char none[6];
	const struct firewall_machine *machine = walk->machine;
	struct firewall_address local = link_local(machine->gateway_mac);

	if (memcmp(machine->gateway_mac, none, sizeof(none)) != 0)
		give_address(walk, FIREWALL_TAKEN, &local, true);
	for (size_t i = 0; i < machine->gateway_count; i++)
		give_address(walk, FIREWALL_TAKEN, &machine->gateways[i], true);
}

static void give_bridge(struct walk *walk)
{
	const struct firewall_machine *machine = walk->machine;
	struct firewall_address local = link_local(machine->mac);
	struct firewall_element port = { .set = FIREWALL_PORTS }, mac = { .set = FIREWALL_MAC };
	struct firewall_element self = { .set = FIREWALL_SELF };

	nftables_value_add_u32(&port.element.key, machine->link);
	port.element.chain = machine->fixed ? FIREWALL_BRIDGE_FIXED : FIREWALL_BRIDGE_LOOSE;
	give(walk, &port);
	nftables_value_add_u32(&mac.element.key, machine->link);
	nftables_value_add(&mac.element.key, machine->mac, sizeof(machine->mac));
	give(walk, &mac);
	nftables_value_add_u32(&self.element.key, machine->link);
	nftables_value_add_u32(&self.element.key, machine->link);
	give(walk, &self);
	give_pair(walk, FIREWALL_PORT_OWN, machine->link, &local);
	give_address(walk, FIREWALL_TAKEN, &local, false);
	for (size_t i = 0; i < machine->address_count; i++) {
		give_pair(walk, FIREWALL_PORT_OWN, machine->link, &machine->addresses[i]);
		give_address(walk, FIREWALL_TAKEN, &machine->addresses[i], false);
	}
	give_gateways(walk);
}

/* ---- DNS ---- */

static const uint8_t dns_protocols[] = { IPPROTO_UDP, IPPROTO_TCP };

static void give_responder(struct walk *walk, const struct firewall_address *gateway,
			   uint8_t protocol)
{
	struct firewall_element element = in(FIREWALL_RESPONDERS, gateway);

	add_address(&element.element.key, gateway, false);
	nftables_value_add_u8(&element.element.key, protocol);
	nftables_value_add_be16(&element.element.key, walk->machine->dns_port);
	give(walk, &element);
}

static void give_question(struct walk *walk, const struct firewall_address *address,
			  const struct firewall_address *gateway, uint8_t protocol)
{
	struct firewall_element element = in(FIREWALL_DNS, address);

	add_address(&element.element.key, address, false);
	add_address(&element.element.key, gateway, false);
	nftables_value_add_u8(&element.element.key, protocol);
	add_address(&element.element.data, gateway, false);
	nftables_value_add_be16(&element.element.data, walk->machine->dns_port);
	give(walk, &element);
}

static void give_dns(struct walk *walk, const struct firewall_address *gateway)
{
	const struct firewall_machine *machine = walk->machine;

	if (gateway->family == AF_INET6 &&
	    gateway->bytes[0] == 0xfe) /* link-local: it only is one's */
		return;
	for (size_t i = 0; i < ARRAY_SIZE(dns_protocols); i++) {
		give_responder(walk, gateway, dns_protocols[i]);
		for (size_t j = 0; j < machine->address_count; j++)
			if (machine->addresses[j].family == gateway->family)
				give_question(walk, &machine->addresses[j], gateway,
					      dns_protocols[i]);
	}
}

/* ---- ports ---- */

bool firewall_is_loopback(const struct firewall_address *address)
{
	struct ip ip = { .family = address->family };

	memcpy(ip.bytes, address->bytes, sizeof(ip.bytes));
	return ip_is_loopback(&ip);
}

static void give_port(struct walk *walk, const struct firewall_address *address,
		      const struct firewall_port *port, uint16_t offset)
{
	bool at = port->host.family != 0;
	struct firewall_element element = in(at ? FIREWALL_PORT_AT : FIREWALL_PORT, address);

	if (at)
		add_address(&element.element.key, &port->host, false);
	nftables_value_add_u8(&element.element.key, port->protocol);
	nftables_value_add_be16(&element.element.key, (uint16_t)(port->first + offset));
	nftables_value_add(&element.element.data, address->bytes, size_of(address));
	nftables_value_add_be16(&element.element.data, (uint16_t)(port->container + offset));
	give(walk, &element);
}

/* One element for all that keep their numbers. */
static void give_range(struct walk *walk, const struct firewall_address *address,
		       const struct firewall_port *port)
{
	struct firewall_element element = in(FIREWALL_PORT_RANGE, address);
	struct firewall_address host = port->host;

	if (host.family == 0)
		host = (struct firewall_address){ .family = address->family };
	add_address(&element.element.key, &host, false);
	nftables_value_add_u8(&element.element.key, port->protocol);
	nftables_value_add_be16(&element.element.key, port->first);
	add_address(&element.element.last, &host, true);
	nftables_value_add_u8(&element.element.last, port->protocol);
	nftables_value_add_be16(&element.element.last, port->last);
	nftables_value_add(&element.element.data, address->bytes, size_of(address));
	give(walk, &element);
}

static void give_port_to(struct walk *walk, const struct firewall_address *address,
			 const struct firewall_port *port)
{
	if (port->container == port->first && port->last > port->first) {
		give_range(walk, address, port);
		return;
	}
	for (uint16_t offset = 0; offset <= port->last - port->first; offset++)
		give_port(walk, address, port, offset);
}

/* The first of FAMILY. A net's is the gateway's. */
static const struct firewall_address *first(const struct firewall_machine *machine, int family)
{
	for (size_t i = 0; i < machine->address_count; i++)
		if (machine->addresses[i].family == family)
			return &machine->addresses[i];
	return NULL;
}

static void give_ports(struct walk *walk, const struct firewall_port *port)
{
	static const int families[] = { AF_INET, AF_INET6 };

	if (firewall_is_loopback(&port->host)) /* net/forward alone */
		return;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct firewall_address *address = first(walk->machine, families[i]);

		if (address && (port->host.family == 0 || port->host.family == families[i]))
			give_port_to(walk, address, port);
	}
}

void firewall_elements_port(const struct firewall_machine *machine,
			    const struct firewall_port *port, firewall_element_fn *fn,
			    void *context)
{
	struct walk to = walk(machine, fn, context);

	give_ports(&to, port);
}

/* ---- all ---- */

void firewall_elements(const struct firewall_machine *machine, firewall_element_fn *fn,
		       void *context)
{
	struct walk to = walk(machine, fn, context);

	give_identity(&to);
	if (machine->bridge > 0)
		give_bridge(&to);
	for (size_t i = 0; machine->dns_port > 0 && i < machine->gateway_count; i++)
		give_dns(&to, &machine->gateways[i]);
	for (size_t i = 0; i < machine->port_count; i++)
		give_ports(&to, &machine->ports[i]);
}

/* ---- what DNS told ---- */

static void give_learnt(struct walk *walk, const struct firewall_address *source,
			const struct firewall_address *address, uint16_t port, uint8_t protocol,
			uint32_t seconds)
{
	struct firewall_element element = in(port > 0 ? FIREWALL_LEARNT : FIREWALL_MET, address);

	add_address(&element.element.key, source, false);
	add_address(&element.element.key, address, false);
	if (port > 0) {
		nftables_value_add_u8(&element.element.key, protocol);
		nftables_value_add_be16(&element.element.key, port);
	}
	element.element.timeout_ms = (uint64_t)seconds * 1000;
	give(walk, &element);
}

void firewall_elements_allow(const struct firewall_machine *machine,
			     const struct firewall_address *address, uint16_t port,
			     uint8_t protocol, uint32_t seconds, firewall_element_fn *fn,
			     void *context)
{
	struct walk to = walk(machine, fn, context);

	for (size_t i = 0; i < machine->address_count; i++) {
		const struct firewall_address *source = &machine->addresses[i];

		if (source->family != address->family)
			continue;
		if (port == 0 || protocol != 0) {
			give_learnt(&to, source, address, port, protocol, seconds);
			continue;
		}
		give_learnt(&to, source, address, port, IPPROTO_TCP, seconds);
		give_learnt(&to, source, address, port, IPPROTO_UDP, seconds);
	}
}
