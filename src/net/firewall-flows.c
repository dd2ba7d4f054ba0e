#include "net/firewall-flows.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/netlink.h"
#include "net/firewall.h"

#define MESSAGE(type) (NFNL_SUBSYS_CTNETLINK << 8 | (type))
#define TUPLE_MAX 128
#define FLOWS_MAX 64 /* that are forgotten at one go */
#define TURNS_MAX 64

/* What the kernel is to compare (CTA_FILTER_*_FLAGS); it has no header with names for them. */
enum { FILTER_SOURCE = 1 << 0, FILTER_PROTOCOL = 1 << 3, FILTER_PORT = 1 << 5 };

/* Which flows: all with this address as the source of what they began with, or of what answers; or
 * to this port, and answered by this machine or by nobody. */
struct wanted {
	uint8_t family;
	const struct firewall_address *address; /* NULL: by port */
	unsigned int tuple;			/* CTA_TUPLE_ORIG, CTA_TUPLE_REPLY */
	const struct firewall_port *port;
	const struct firewall_machine *machine;
};

struct flows {
	const struct wanted *wanted;
	size_t count;
	struct {
		uint8_t bytes[TUPLE_MAX];
		size_t size;
		uint8_t family;
	} tuples[FLOWS_MAX];
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
	       netlink_u8(&number) == wanted->protocol &&
	       find(protocol.value, CTA_PROTO_DST_PORT, &port) &&
	       netlink_be16(&port) >= wanted->first && netlink_be16(&port) <= wanted->last;
}

static bool is_answered(struct netlink_reader flow)
{
	struct netlink_attribute status;

	return find(flow, CTA_STATUS, &status) && netlink_be32(&status) & IPS_SEEN_REPLY;
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

static bool is_wanted(struct netlink_reader flow, const struct wanted *wanted)
{
	struct netlink_attribute tuple;

	if (!find(flow, wanted->tuple, &tuple))
		return false;
	if (wanted->address)
		return has_source(tuple.value, wanted->address);
	if (!has_port(tuple.value, wanted->port))
		return false;
	return wanted->machine ? leads_to(flow, wanted->machine) : !is_answered(flow);
}

static int look(const struct netlink_answer *answer, void *context)
{
	struct netlink_reader body = answer->body;
	struct flows *flows = context;
	struct netlink_attribute tuple;
	struct nfgenmsg head;

	if (answer->type != MESSAGE(IPCTNL_MSG_CT_NEW) || flows->count == FLOWS_MAX ||
	    netlink_take(&body, &head, sizeof(head)) < 0 || !is_wanted(body, flows->wanted) ||
	    !find(body, CTA_TUPLE_ORIG, &tuple) || tuple.value.size > TUPLE_MAX)
		return 0;
	memcpy(flows->tuples[flows->count].bytes, tuple.value.bytes, tuple.value.size);
	flows->tuples[flows->count].size = tuple.value.size;
	flows->tuples[flows->count++].family = head.nfgen_family;
	return 0;
}

/* ---- all of them ---- */

static void put_tuple(struct netlink_request *request, const struct wanted *wanted)
{
	size_t tuple = netlink_nest(request, wanted->tuple), nest;

	if (wanted->address) {
		nest = netlink_nest(request, CTA_TUPLE_IP);
		netlink_put(request, CTA_IP_V4_SRC, wanted->address->bytes, 4);
	} else {
		nest = netlink_nest(request, CTA_TUPLE_PROTO);
		netlink_put_u8(request, CTA_PROTO_NUM, wanted->port->protocol);
		netlink_put_be16(request, CTA_PROTO_DST_PORT, wanted->port->first);
	}
	netlink_nest_end(request, nest);
	netlink_nest_end(request, tuple);
}

/* The kernel leaves out others where it can. Of a range only we know; and addresses of IPv6 it
 * compares the wrong way round, so that it would leave out what is wanted. */
static void put_filter(struct netlink_request *request, const struct wanted *wanted)
{
	bool original = wanted->tuple == CTA_TUPLE_ORIG;
	uint32_t flags = wanted->address ? FILTER_SOURCE : FILTER_PROTOCOL | FILTER_PORT;
	size_t nest;

	if (wanted->address ? wanted->family == AF_INET6
			    : wanted->port->first != wanted->port->last)
		return;
	put_tuple(request, wanted);
	nest = netlink_nest(request, CTA_FILTER);
	netlink_put_u32(request, CTA_FILTER_ORIG_FLAGS, original ? flags : 0);
	netlink_put_u32(request, CTA_FILTER_REPLY_FLAGS, original ? 0 : flags);
	netlink_nest_end(request, nest);
}

static struct netlink_request begin(void *room, size_t size, unsigned int type, uint8_t family)
{
	struct netlink_request request = netlink_request(room, size);
	struct nfgenmsg body = { .nfgen_family = family, .version = NFNETLINK_V0 };

	netlink_begin(&request, MESSAGE(type), NLM_F_ACK, &body, sizeof(body));
	return request;
}

/* 1: there may be more. */
static int forget_some(struct netlink *filter, const struct wanted *wanted)
{
	struct flows flows = { .wanted = wanted };
	unsigned char room[TUPLE_MAX + 128];
	struct netlink_request request = begin(room, sizeof(room), IPCTNL_MSG_CT_GET,
					       wanted->family);
	int r;

	put_filter(&request, wanted);
	r = netlink_dump(filter, &request, look, &flows);
	if (r < 0 && r != -EAGAIN)
		return r;
	for (size_t i = 0; i < flows.count; i++) {
		request = begin(room, sizeof(room), IPCTNL_MSG_CT_DELETE, flows.tuples[i].family);
		netlink_put(&request, CTA_TUPLE_ORIG | NLA_F_NESTED, flows.tuples[i].bytes,
			    flows.tuples[i].size);
		(void)netlink_call(filter, &request, NULL, NULL);
	}
	return flows.count == FLOWS_MAX;
}

static void forget(struct netlink *filter, const struct wanted *wanted)
{
	for (unsigned int i = 0; i < TURNS_MAX && forget_some(filter, wanted) > 0; i++)
		;
}

void firewall_flows_forget(struct netlink *filter, const struct firewall_machine *machine)
{
	static const unsigned int tuples[] = { CTA_TUPLE_ORIG, CTA_TUPLE_REPLY };

	for (size_t i = 0; i < machine->address_count; i++) {
		const struct firewall_address *address = &machine->addresses[i];

		for (size_t j = 0; j < ARRAY_SIZE(tuples); j++)
			forget(filter, &(struct wanted){ .family = address->family,
							 .address = address,
							 .tuple = tuples[j] });
	}
}

static void forget_port(struct netlink *filter, const struct firewall_machine *machine,
			const struct firewall_port *port)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; port->protocol == IPPROTO_UDP && i < ARRAY_SIZE(families); i++)
		forget(filter, &(struct wanted){ .family = families[i],
						 .tuple = CTA_TUPLE_ORIG,
						 .port = port,
						 .machine = machine });
}

void firewall_flows_forget_unanswered(struct netlink *filter, const struct firewall_port *port)
{
	forget_port(filter, NULL, port);
}

void firewall_flows_forget_port(struct netlink *filter, const struct firewall_machine *machine,
				const struct firewall_port *port)
{
	forget_port(filter, machine, port);
}
