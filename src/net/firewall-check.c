#include "net/firewall-check.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "base/macros.h"
#include "net/firewall.h"

/* ---- a machine ---- */

static bool is_address(const struct firewall_address *address)
{
	if (address->family == AF_INET)
		return address->bits == 32;
	return address->family == AF_INET6 && address->bits == 128;
}

static bool is_own(const struct firewall_address *address, bool restricted)
{
	return is_address(address) ||
	       (address->family == AF_INET6 && address->bits == 64 && !restricted);
}

static bool is_net(const struct firewall_address *address)
{
	if (address->family == AF_INET)
		return address->bits <= 32;
	return address->family == AF_INET6 && address->bits <= 128;
}

static bool is_port(const struct firewall_port *port)
{
	unsigned int length = (unsigned int)port->last - port->first;

	return (port->protocol == IPPROTO_TCP || port->protocol == IPPROTO_UDP) &&
	       (port->host.family == 0 || is_address(&port->host)) && port->first > 0 &&
	       port->first <= port->last && port->container > 0 &&
	       port->container + length <= UINT16_MAX &&
	       (port->container == port->first || length < FIREWALL_SHIFTED_MAX);
}

static bool is_target(const struct firewall_target *target)
{
	return is_net(&target->network) && target->first <= target->last &&
	       (target->first > 0 || target->last == 0);
}

static bool addresses_are_good(const struct firewall_machine *machine)
{
	if (machine->address_count > FIREWALL_ADDRESSES_MAX ||
	    machine->gateway_count > FIREWALL_ADDRESSES_MAX ||
	    machine->pool_count > FIREWALL_ADDRESSES_MAX)
		return false;
	for (size_t i = 0; i < machine->address_count; i++)
		if (!is_own(&machine->addresses[i], machine->restricted))
			return false;
	for (size_t i = 0; i < machine->gateway_count; i++)
		if (!is_address(&machine->gateways[i]))
			return false;
	for (size_t i = 0; i < machine->pool_count; i++)
		if (!is_net(&machine->pools[i]))
			return false;
	return true;
}

static bool ports_are_good(const struct firewall_machine *machine)
{
	if (machine->port_count > FIREWALL_PORTS_MAX ||
	    machine->target_count > FIREWALL_TARGETS_MAX)
		return false;
	for (size_t i = 0; i < machine->port_count; i++)
		if (!is_port(&machine->ports[i]))
			return false;
	for (size_t i = 0; i < machine->target_count; i++)
		if (!is_target(&machine->targets[i]))
			return false;
	return true;
}

int firewall_check(const struct firewall_machine *machine)
{
	if (machine->link == 0 || !addresses_are_good(machine) || !ports_are_good(machine))
		return fail_input("these addresses and ports cannot be protected");
	if (machine->restricted && !machine->fixed)
		return fail_input("egress can only be restricted where the machine's addresses are "
				  "given to it");
	if (machine->restricted && machine->bridge > 0 && machine->gateway_count == 0)
		return fail_input("egress cannot be restricted on a bridge that is not our own "
				  "(try a zone)");
	return 0;
}

/* ---- what a name may lead to ---- */

struct net {
	unsigned char bytes[16];
	unsigned int bits;
};

static bool is_in(const unsigned char *address, const struct net *net)
{
	unsigned int whole = net->bits / 8, rest = net->bits % 8;
	unsigned char mask = (unsigned char)(0xff00 >> rest);

	return memcmp(address, net->bytes, whole) == 0 &&
	       ((address[whole] ^ net->bytes[whole]) & (rest > 0 ? mask : 0)) == 0;
}

/* Private, of this host or link, of no single machine; and of clouds, for their machines. */
static bool is_open4(const unsigned char *address)
{
	static const struct net closed[] = {
		{ { 0 }, 8 },
		{ { 10 }, 8 },
		{ { 100, 64 }, 10 },
		{ { 127 }, 8 },
		{ { 169, 254 }, 16 },
		{ { 172, 16 }, 12 },
		{ { 168, 63, 129, 16 }, 32 },
		{ { 192, 0, 0 }, 24 },
		{ { 192, 168 }, 16 },
		{ { 198, 18 }, 15 },
		{ { 224 }, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		if (is_in(address, &closed[i]))
			return false;
	return true;
}

static bool is_open6(const unsigned char *address)
{
	static const struct net closed[] = {
		{ { 0xfc }, 7 },
		{ { 0xfe, 0x80 }, 9 },
		{ { 0xff }, 8 },
	};
	static const struct net low = { { 0 }, 32 }; /* ::, ::1, mapped IPv4, … */
	/* Those lead to an IPv4 address that is in them. */
	static const struct net translated = { { 0, 0x64, 0xff, 0x9b }, 32 };
	static const struct net six_to_four = { { 0x20, 0x02 }, 16 };

	if (is_in(address, &low))
		return false;
	if (is_in(address, &translated))
		return is_open4(address + 12);
	if (is_in(address, &six_to_four))
		return is_open4(address + 2);
	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		if (is_in(address, &closed[i]))
			return false;
	return true;
}

static bool covers(const struct firewall_address *network, const struct firewall_address *address)
{
	struct net net = { .bits = network->bits };

	memcpy(net.bytes, network->bytes, sizeof(net.bytes));
	return network->family == address->family && is_in(address->bytes, &net);
}

bool firewall_check_learnt(const struct firewall_machine *machine,
			   const struct firewall_address *address)
{
	if (!is_address(address))
		return false;
	for (size_t i = 0; i < machine->target_count; i++)
		if (covers(&machine->targets[i].network, address))
			return true;
	for (size_t i = 0; i < machine->pool_count; i++)
		if (covers(&machine->pools[i], address))
			return false;
	return address->family == AF_INET ? is_open4(address->bytes) : is_open6(address->bytes);
}
