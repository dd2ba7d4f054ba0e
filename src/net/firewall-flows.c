#include "net/firewall-flows.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/macros.h"
#include "format/ip.h"
#include "kernel/netlink.h"
#include "net/firewall.h"

#define MESSAGE(type) (NFNL_SUBSYS_CTNETLINK << 8 | (type))
#define TUPLE_MAX 128
#define FLOWS_MAX 64 /* that are forgotten at one go */
#define TURNS_MAX 64

struct flows {
	const struct firewall_machine *machine;
	const struct firewall_port *ports;
	size_t port_count;
	bool ending;
	bool own; /* that the machine has begun, whatever the port */
	bool with_tcp, with_others;
	struct tuple {
		uint8_t bytes[TUPLE_MAX];
		size_t size;
		uint8_t family;
	} * tuples;
	size_t count, room;
};

/* ---- one flow ---- */

static bool find(struct netlink_reader body, unsigned int type, struct netlink_attribute *ret)
{
	while (netlink_next(&body, ret))
		if (ret->type == type)
			return true;
	return false;
}

static bool has_source(struct netlink_reader tuple, const struct firewall_address *address)
{
	unsigned int type = address->family == AF_INET6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC;
	size_t size = address->family == AF_INET6 ? 16 : 4;
	struct netlink_attribute at;

	return find(tuple, CTA_TUPLE_IP, &at) && find(at.value, type, &at) &&
	       at.value.size == size && memcmp(at.value.bytes, address->bytes, size) == 0;
}

static bool has_port(struct netlink_reader tuple, const struct firewall_port *wanted)
{
	struct netlink_attribute protocol, number, port;

	return find(tuple, CTA_TUPLE_PROTO, &protocol) &&
	       find(protocol.value, CTA_PROTO_NUM, &number) &&
	       netlink_u8(&number) == wanted->protocol && wanted->protocol == IPPROTO_UDP &&
	       find(protocol.value, CTA_PROTO_DST_PORT, &port) &&
	       netlink_be16(&port) >= wanted->first && netlink_be16(&port) <= wanted->last;
}

static bool is_for_port(struct netlink_reader flow, const struct flows *flows)
{
	struct netlink_attribute original;

	if (!find(flow, CTA_TUPLE_ORIG, &original))
		return false;
	for (size_t i = 0; i < flows->port_count; i++)
		if (has_port(original.value, &flows->ports[i]))
			return true;
	return false;
}

static bool leads_to(struct netlink_reader flow, const struct firewall_machine *machine)
{
	struct netlink_attribute reply;

	if (!find(flow, CTA_TUPLE_REPLY, &reply))
		return false;
	for (size_t i = 0; i < machine->address_count; i++)
		if (has_source(reply.value, &machine->addresses[i]))
			return true;
	return false;
}

static bool is_tcp(struct netlink_reader tuple)
{
	struct netlink_attribute protocol, number;

	return find(tuple, CTA_TUPLE_PROTO, &protocol) &&
	       find(protocol.value, CTA_PROTO_NUM, &number) && netlink_u8(&number) == IPPROTO_TCP;
}

/* Guests make up link-local addresses, so they may be anybody's; of others they are decided anew
 * just the same. */
static bool is_unnamed(struct netlink_reader tuple)
{
	struct netlink_attribute at;

	return find(tuple, CTA_TUPLE_IP, &at) && find(at.value, CTA_IP_V6_SRC, &at) &&
	       at.value.size == 16 && at.value.bytes[0] == 0xfe &&
	       (at.value.bytes[1] & 0xc0) == 0x80;
}

static bool leads_into(struct netlink_reader tuple, const struct firewall_target *target)
{
	bool six = target->network.family == AF_INET6;
	struct ip_prefix network = { .ip = { .family = target->network.family },
				     .length = target->network.bits };
	struct ip ip = { .family = target->network.family };
	struct netlink_attribute at, port;

	memcpy(network.ip.bytes, target->network.bytes, sizeof(network.ip.bytes));
	if (!find(tuple, CTA_TUPLE_IP, &at) ||
	    !find(at.value, six ? CTA_IP_V6_DST : CTA_IP_V4_DST, &at) ||
	    at.value.size != (six ? 16 : 4))
		return false;
	memcpy(ip.bytes, at.value.bytes, at.value.size);
	if (!ip_is_in(&ip, &network) || (target->protocol != 0 && target->protocol != IPPROTO_TCP))
		return false;
	return target->first == 0 ||
	       (find(tuple, CTA_TUPLE_PROTO, &at) && find(at.value, CTA_PROTO_DST_PORT, &port) &&
		netlink_be16(&port) >= target->first && netlink_be16(&port) <= target->last);
}

/* Of TCP, and where it was sent to: it would be decided so again. */
static bool is_listed(struct netlink_reader flow, struct netlink_reader tuple,
		      const struct firewall_machine *machine)
{
	struct netlink_attribute status;
	bool listed = false;

	for (size_t i = 0; i < machine->target_count && !listed; i++)
		listed = leads_into(tuple, &machine->targets[i]);
	return listed && is_tcp(tuple) && find(flow, CTA_STATUS, &status) &&
	       (netlink_be32(&status) & IPS_DST_NAT) == 0;
}

static bool is_own(struct netlink_reader flow, const struct flows *flows)
{
	struct netlink_attribute original;

	if (!find(flow, CTA_TUPLE_ORIG, &original) || (!flows->with_tcp && is_tcp(original.value)))
		return false;
	/* Its next segment may be the other end's, which begins nothing. */
	if (is_listed(flow, original.value, flows->machine))
		return false;
	if (flows->with_tcp && is_unnamed(original.value))
		return true;
	for (size_t i = 0; i < flows->machine->address_count; i++)
		if (has_source(original.value, &flows->machine->addresses[i]))
			return true;
	return false;
}

/* Of those that lead elsewhere, such of others than machines are left alone: they are answered, and
 * by whom they were sent to. */
static bool is_wanted(struct netlink_reader flow, const struct flows *flows)
{
	struct netlink_attribute attribute;
	uint32_t status;

	if (flows->own)
		return is_own(flow, flows) ||
		       (flows->with_others && leads_to(flow, flows->machine));
	if (!is_for_port(flow, flows) || !find(flow, CTA_STATUS, &attribute))
		return false;
	if (leads_to(flow, flows->machine) || flows->ending)
		return leads_to(flow, flows->machine) && flows->ending;
	status = netlink_be32(&attribute);
	return (status & IPS_SEEN_REPLY) == 0 || status & IPS_DST_NAT;
}

static int look(const struct netlink_answer *answer, void *context)
{
	struct netlink_reader body = answer->body;
	struct flows *flows = context;
	struct netlink_attribute tuple;
	struct nfgenmsg head;

	if (answer->type != MESSAGE(IPCTNL_MSG_CT_NEW) || flows->count == flows->room ||
	    netlink_take(&body, &head, sizeof(head)) < 0 || !is_wanted(body, flows) ||
	    !find(body, CTA_TUPLE_ORIG, &tuple) || tuple.value.size > TUPLE_MAX)
		return 0;
	memcpy(flows->tuples[flows->count].bytes, tuple.value.bytes, tuple.value.size);
	flows->tuples[flows->count].size = tuple.value.size;
	flows->tuples[flows->count++].family = head.nfgen_family;
	return 0;
}

/* ---- all of them ---- */

static struct netlink_request begin(void *room, size_t size, unsigned int type, uint8_t family)
{
	struct netlink_request request = netlink_request(room, size);
	struct nfgenmsg body = { .nfgen_family = family, .version = NFNETLINK_V0 };

	netlink_begin(&request, MESSAGE(type), NLM_F_ACK, &body, sizeof(body));
	return request;
}

/* 1: there may be more. What ends by itself meanwhile is no failure. */
static int forget_some(struct netlink *filter, struct flows *flows)
{
	unsigned char room[TUPLE_MAX + 64];
	struct netlink_request request = begin(room, sizeof(room), IPCTNL_MSG_CT_GET, AF_UNSPEC);
	int r;

	flows->count = 0;
	r = netlink_dump(filter, &request, look, flows);
	if (r < 0 && r != -EAGAIN)
		return r;
	for (size_t i = 0; i < flows->count; i++) {
		request = begin(room, sizeof(room), IPCTNL_MSG_CT_DELETE, flows->tuples[i].family);
		netlink_put(&request, CTA_TUPLE_ORIG | NLA_F_NESTED, flows->tuples[i].bytes,
			    flows->tuples[i].size);
		(void)netlink_call(filter, &request, NULL, NULL);
	}
	return r == -EAGAIN || flows->count == flows->room;
}

static int forget(struct netlink *filter, struct flows *flows)
{
	int r = 1;

	for (unsigned int i = 0; i < TURNS_MAX && r > 0; i++)
		r = forget_some(filter, flows);
	return r;
}

/* Of TCP none is sent elsewhere than to who has answered. */
static void forget_udp(struct netlink *filter, struct flows *flows)
{
	struct tuple room[FLOWS_MAX];
	bool needed = false;

	for (size_t i = 0; i < flows->port_count; i++)
		needed = needed || flows->ports[i].protocol == IPPROTO_UDP;
	flows->tuples = room;
	flows->room = ARRAY_SIZE(room);
	if (needed)
		(void)forget(filter, flows);
}

void firewall_flows_turn(struct netlink *filter, const struct firewall_machine *machine,
			 const struct firewall_port *ports, size_t count)
{
	struct flows flows = { .machine = machine, .ports = ports, .port_count = count };

	forget_udp(filter, &flows);
}

void firewall_flows_end(struct netlink *filter, const struct firewall_machine *machine,
			const struct firewall_port *ports, size_t count)
{
	struct flows flows = {
		.machine = machine, .ports = ports, .port_count = count, .ending = true
	};

	forget_udp(filter, &flows);
}

static int forget_own(struct netlink *filter, struct flows *flows)
{
	autoarena struct arena arena = { 0 };
	int r;

	flows->own = true;
	flows->tuples = arena_take_array(&arena, FIREWALL_FLOWS_OWN, sizeof(struct tuple));
	flows->room = FIREWALL_FLOWS_OWN;
	r = forget(filter, flows);
	return r > 0 ? -EBUSY : r;
}

int firewall_flows_again(struct netlink *filter, const struct firewall_machine *machine,
			 bool with_tcp)
{
	struct flows flows = { .machine = machine, .with_tcp = with_tcp };

	return forget_own(filter, &flows);
}

int firewall_flows_forget(struct netlink *filter, const struct firewall_machine *machine)
{
	struct flows flows = { .machine = machine, .with_tcp = true, .with_others = true };

	return forget_own(filter, &flows);
}
