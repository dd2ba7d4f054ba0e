#include "kernel/route.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/netlink.h"

#define REQUEST_ROOM 256

static size_t size_of(const struct route_prefix *prefix)
{
	return prefix->family == AF_INET ? 4 : prefix->family == AF_INET6 ? 16 : 0;
}

static void put_prefix(struct netlink_request *request, unsigned int type,
		       const struct route_prefix *prefix)
{
	size_t size = size_of(prefix);

	if (size > 0)
		netlink_put(request, type, prefix->bytes, size);
}

static void read_prefix(struct route_prefix *ret, const struct netlink_attribute *at, int family,
			unsigned int length)
{
	struct route_prefix prefix = { .family = family, .length = length };

	if (at->value.size != size_of(&prefix))
		return;
	memcpy(prefix.bytes, at->value.bytes, at->value.size);
	*ret = prefix;
}

/* ---- addresses ---- */

static void begin_address(struct netlink_request *request, const struct route_address *address,
			  unsigned int type, unsigned int flags)
{
	bool has_peer = size_of(&address->peer) > 0;
	struct ifaddrmsg body = {
		.ifa_family = (uint8_t)address->local.family,
		.ifa_prefixlen = (uint8_t)(has_peer ? address->peer : address->local).length,
		.ifa_scope = (uint8_t)address->scope,
		.ifa_index = (uint32_t)address->link,
	};

	netlink_begin(request, type, flags, &body, sizeof(body));
	put_prefix(request, IFA_LOCAL, &address->local);
	put_prefix(request, IFA_ADDRESS, has_peer ? &address->peer : &address->local);
}

void route_put_address(struct netlink_request *request, const struct route_address *address,
		       unsigned int flags)
{
	begin_address(request, address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | flags);
	if (address->flags != 0)
		netlink_put_u32(request, IFA_FLAGS, address->flags);
	if (address->metric != 0)
		netlink_put_u32(request, IFA_RT_PRIORITY, address->metric);
}

int route_add_address(struct netlink *netlink, const struct route_address *address)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));

	route_put_address(&request, address, NLM_F_ACK);
	return netlink_call(netlink, &request, NULL, NULL);
}

int route_delete_address(struct netlink *netlink, const struct route_address *address)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));

	begin_address(&request, address, RTM_DELADDR, NLM_F_ACK);
	return netlink_call(netlink, &request, NULL, NULL);
}

/* Of a point-to-point link IFA_ADDRESS is the other end's; IPv6 tells IFA_LOCAL only of those. */
bool route_address_from_answer(struct route_address *ret, const struct netlink_answer *answer)
{
	struct netlink_reader reader = answer->body;
	struct route_address address = {};
	struct route_prefix other = {};
	struct netlink_attribute at;
	struct ifaddrmsg body;

	if (answer->type != RTM_NEWADDR || netlink_take(&reader, &body, sizeof(body)) < 0)
		return false;
	address.link = (int)body.ifa_index;
	address.scope = body.ifa_scope;
	address.flags = body.ifa_flags;
	while (netlink_next(&reader, &at)) {
		switch (at.type) {
		case IFA_LOCAL:
			read_prefix(&address.local, &at, body.ifa_family, body.ifa_prefixlen);
			break;
		case IFA_ADDRESS:
			read_prefix(&other, &at, body.ifa_family, body.ifa_prefixlen);
			break;
		case IFA_FLAGS: address.flags = netlink_u32(&at); break;
		case IFA_RT_PRIORITY: address.metric = netlink_u32(&at); break;
		}
	}
	if (size_of(&address.local) == 0)
		address.local = other;
	else if (size_of(&other) > 0 && memcmp(other.bytes, address.local.bytes, 16) != 0)
		address.peer = other;
	*ret = address;
	return size_of(&address.local) > 0;
}

struct list {
	route_address_fn *address_fn;
	route_fn *route_fn;
	route_rule_fn *rule_fn;
	uint32_t table;
	uint8_t protocol;
	void *context;
};

static int take_address(const struct netlink_answer *answer, void *context)
{
	const struct list *list = context;
	struct route_address address;

	if (!route_address_from_answer(&address, answer))
		return 0;
	return list->address_fn(&address, list->context);
}

int route_list_addresses(struct netlink *netlink, int link, route_address_fn *fn, void *context)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct ifaddrmsg body = { .ifa_family = AF_UNSPEC, .ifa_index = (uint32_t)link };
	struct list list = { .address_fn = fn, .context = context };

	netlink_begin(&request, RTM_GETADDR, 0, &body, sizeof(body));
	return netlink_dump(netlink, &request, take_address, &list);
}

/* ---- routes ---- */

static void begin_route(struct netlink_request *request, const struct route *route,
			unsigned int type, unsigned int flags)
{
	uint32_t table = route->table != 0 ? route->table : RT_TABLE_MAIN;
	struct rtmsg body = {
		.rtm_family = (uint8_t)route->to.family,
		.rtm_dst_len = (uint8_t)route->to.length,
		.rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_type = (uint8_t)(route->type != 0 ? route->type : RTN_UNICAST),
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_flags = route->onlink ? RTNH_F_ONLINK : 0,
	};

	/* The kernel looks for a gateway only among what is nearer than the route itself. */
	if (body.rtm_type == RTN_UNICAST && size_of(&route->gateway) == 0)
		body.rtm_scope = RT_SCOPE_LINK;
	if (type == RTM_DELROUTE) {
		body.rtm_scope = RT_SCOPE_NOWHERE; /* any */
		body.rtm_protocol = RTPROT_UNSPEC;
	}
	netlink_begin(request, type, flags, &body, sizeof(body));
	netlink_put_u32(request, RTA_TABLE, table);
	if (route->to.length > 0)
		put_prefix(request, RTA_DST, &route->to);
	put_prefix(request, RTA_GATEWAY, &route->gateway);
	put_prefix(request, RTA_PREFSRC, &route->source);
	if (route->link > 0)
		netlink_put_u32(request, RTA_OIF, (uint32_t)route->link);
	if (route->metric != 0)
		netlink_put_u32(request, RTA_PRIORITY, route->metric);
}

void route_put(struct netlink_request *request, const struct route *route, unsigned int flags)
{
	begin_route(request, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | flags);
}

int route_add(struct netlink *netlink, const struct route *route)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));

	route_put(&request, route, NLM_F_ACK);
	return netlink_call(netlink, &request, NULL, NULL);
}

int route_delete(struct netlink *netlink, const struct route *route)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));

	begin_route(&request, route, RTM_DELROUTE, NLM_F_ACK);
	return netlink_call(netlink, &request, NULL, NULL);
}

bool route_from_answer(struct route *ret, const struct netlink_answer *answer)
{
	struct netlink_reader reader = answer->body;
	struct netlink_attribute at;
	struct rtmsg body;
	int family;

	if (answer->type != RTM_NEWROUTE || netlink_take(&reader, &body, sizeof(body)) < 0 ||
	    (body.rtm_family != AF_INET && body.rtm_family != AF_INET6) ||
	    body.rtm_flags & RTM_F_CLONED)
		return false;
	family = body.rtm_family;
	*ret = (struct route){ .to = { .family = family, .length = body.rtm_dst_len },
			       .type = body.rtm_type,
			       .table = body.rtm_table,
			       .onlink = (body.rtm_flags & RTNH_F_ONLINK) != 0 };
	while (netlink_next(&reader, &at)) {
		switch (at.type) {
		case RTA_DST: read_prefix(&ret->to, &at, family, body.rtm_dst_len); break;
		case RTA_GATEWAY: read_prefix(&ret->gateway, &at, family, 0); break;
		case RTA_PREFSRC: read_prefix(&ret->source, &at, family, 0); break;
		case RTA_OIF: ret->link = (int)netlink_u32(&at); break;
		case RTA_TABLE: ret->table = netlink_u32(&at); break;
		case RTA_PRIORITY: ret->metric = netlink_u32(&at); break;
		}
	}
	return true;
}

static int take_found(const struct netlink_answer *answer, void *context)
{
	(void)route_from_answer(context, answer);
	return 0;
}

int route_get(struct netlink *netlink, struct route *ret, const struct route_prefix *address)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct rtmsg body = { .rtm_family = (uint8_t)address->family,
			      .rtm_dst_len = (uint8_t)(8 * size_of(address)),
			      .rtm_flags = RTM_F_FIB_MATCH };
	struct route route = {};
	int r;

	netlink_begin(&request, RTM_GETROUTE, NLM_F_ACK, &body, sizeof(body));
	put_prefix(&request, RTA_DST, address);
	r = netlink_call(netlink, &request, take_found, &route);
	if (r < 0)
		return r;
	if (route.to.family == AF_UNSPEC)
		return -ENETUNREACH;
	*ret = route;
	return 0;
}

static int take_route(const struct netlink_answer *answer, void *context)
{
	const struct list *list = context;
	struct route route;

	if (!route_from_answer(&route, answer) || (list->table != 0 && route.table != list->table))
		return 0;
	return list->route_fn(&route, list->context);
}

/* The kernel could leave out the other tables, but fails if there is no such table. */
int route_list(struct netlink *netlink, int family, uint32_t table, route_fn *fn, void *context)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct rtmsg body = { .rtm_family = (uint8_t)family };
	struct list list = { .route_fn = fn, .table = table, .context = context };

	netlink_begin(&request, RTM_GETROUTE, 0, &body, sizeof(body));
	return netlink_dump(netlink, &request, take_route, &list);
}

/* ---- policy rules ---- */

static void begin_rule(struct netlink_request *request, const struct route_rule *rule,
		       unsigned int type, unsigned int flags)
{
	struct fib_rule_hdr body = {
		.family = (uint8_t)rule->family,
		.dst_len = (uint8_t)rule->to.length,
		.src_len = (uint8_t)rule->from.length,
		.action = (uint8_t)rule->action,
	};

	netlink_begin(request, type, flags, &body, sizeof(body));
	netlink_put_u32(request, FRA_PRIORITY, rule->priority);
	put_prefix(request, FRA_DST, &rule->to);
	put_prefix(request, FRA_SRC, &rule->from);
	if (rule->from_link)
		netlink_put_text(request, FRA_IIFNAME, rule->from_link);
	if (rule->mask != 0) {
		netlink_put_u32(request, FRA_FWMARK, rule->mark);
		netlink_put_u32(request, FRA_FWMASK, rule->mask);
	}
	if (rule->action == FR_ACT_TO_TBL)
		netlink_put_u32(request, FRA_TABLE, rule->table);
	if (rule->action == FR_ACT_GOTO)
		netlink_put_u32(request, FRA_GOTO, rule->go_to);
	if (rule->protocol != 0)
		netlink_put_u8(request, FRA_PROTOCOL, rule->protocol);
}

void route_put_rule(struct netlink_request *request, const struct route_rule *rule,
		    unsigned int flags)
{
	begin_rule(request, rule, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL | flags);
}

int route_add_rule(struct netlink *netlink, const struct route_rule *rule)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));

	route_put_rule(&request, rule, NLM_F_ACK);
	return netlink_call(netlink, &request, NULL, NULL);
}

int route_delete_rule(struct netlink *netlink, const struct route_rule *rule)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));

	begin_rule(&request, rule, RTM_DELRULE, NLM_F_ACK);
	return netlink_call(netlink, &request, NULL, NULL);
}

static int take_rule(const struct netlink_answer *answer, void *context)
{
	const struct list *list = context;
	struct netlink_reader reader = answer->body;
	struct netlink_attribute at;
	struct fib_rule_hdr body;
	struct route_rule rule;
	char name[IFNAMSIZ];

	if (answer->type != RTM_NEWRULE || netlink_take(&reader, &body, sizeof(body)) < 0)
		return 0;
	rule = (struct route_rule){ .family = body.family,
				    .action = body.action,
				    .table = body.table };
	while (netlink_next(&reader, &at)) {
		switch (at.type) {
		case FRA_PRIORITY: rule.priority = netlink_u32(&at); break;
		case FRA_DST: read_prefix(&rule.to, &at, body.family, body.dst_len); break;
		case FRA_SRC: read_prefix(&rule.from, &at, body.family, body.src_len); break;
		case FRA_FWMARK: rule.mark = netlink_u32(&at); break;
		case FRA_FWMASK: rule.mask = netlink_u32(&at); break;
		case FRA_TABLE: rule.table = netlink_u32(&at); break;
		case FRA_GOTO: rule.go_to = netlink_u32(&at); break;
		case FRA_PROTOCOL: rule.protocol = netlink_u8(&at); break;
		case FRA_IIFNAME:
			if (netlink_text(&at, name, sizeof(name)))
				rule.from_link = name;
			break;
		}
	}
	if (list->protocol != 0 && rule.protocol != list->protocol)
		return 0;
	return list->rule_fn(&rule, list->context);
}

int route_list_rules(struct netlink *netlink, int family, uint8_t protocol, route_rule_fn *fn,
		     void *context)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct fib_rule_hdr body = { .family = (uint8_t)family };
	struct list list = { .rule_fn = fn, .protocol = protocol, .context = context };

	netlink_begin(&request, RTM_GETRULE, 0, &body, sizeof(body));
	return netlink_dump(netlink, &request, take_rule, &list);
}
