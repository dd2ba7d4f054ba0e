/* kernel/route - addresses of interfaces, routes and policy rules, over rtnetlink. Quiet; any
 * process.
 *
 * Each function takes a socket of NETLINK_ROUTE and acts in the namespace the socket belongs to.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct netlink;
struct netlink_answer;
struct netlink_request;

/* An address, or a net. */
struct route_prefix {
	int family; /* AF_INET, AF_INET6; AF_UNSPEC: not given */
	unsigned int length;
	unsigned char bytes[16];
};

/* ---- addresses ---- */

struct route_address {
	int link;
	struct route_prefix local; /* with the length of the net that is reached over it */
	struct route_prefix peer;  /* if given: what is reached over it instead */
	unsigned int scope;	   /* RT_SCOPE_*; 0 is what others can reach */
	uint32_t flags;		   /* IFA_F_*: NODAD, NOPREFIXROUTE, … */
	uint32_t metric;	   /* of the route that comes with it; 0: the kernel's */
};

/* -EEXIST: it is there. -ENODEV: the interface is not. -EACCES, -EPERM: without IPv6 there. */
int route_add_address(struct netlink *netlink, const struct route_address *address);

/* Of the address, only interface, bytes and lengths count. -EADDRNOTAVAIL: it is not there. */
int route_delete_address(struct netlink *netlink, const struct route_address *address);

/* 0: go on. < 0: the list ends with it. > 0: enough. */
typedef int route_address_fn(const struct route_address *address, void *context);

/* Of one interface (0: of all). -EAGAIN: something changed meanwhile (netlink_dump). */
int route_list_addresses(struct netlink *netlink, int link, route_address_fn *fn, void *context);

/* ---- routes ---- */

struct route {
	struct route_prefix to;	     /* length 0: the default route */
	struct route_prefix gateway; /* not given: those addresses are on the link itself */
	struct route_prefix source;  /* if given: the address that packets leave with */
	int link;		     /* 0: follows from the gateway, or none (for type) */
	unsigned int type;	     /* RTN_*; 0: RTN_UNICAST */
	uint32_t table;		     /* 0: main */
	uint32_t metric;	     /* 0: the kernel's */
	bool onlink;		     /* the gateway is on the link, whatever addresses say */
};

/* -EEXIST: there is one to the same net with that metric. -ENETUNREACH: no way to the gateway. */
int route_add(struct netlink *netlink, const struct route *route);

/* -ESRCH: there is none. */
int route_delete(struct netlink *netlink, const struct route *route);

/* The route that ADDRESS's packets would take: `to` is the net it was found by.
 * -ENETUNREACH, -EHOSTUNREACH: none, or one that says so. -EACCES: it is prohibited. */
int route_get(struct netlink *netlink, struct route *ret, const struct route_prefix *address);

typedef int route_fn(const struct route *route, void *context);

/* Of FAMILY (AF_UNSPEC: all) and TABLE (0: all), without clones that the kernel caches. One over
 * several links at once has no `link` and no `gateway`. */
int route_list(struct netlink *netlink, int family, uint32_t table, route_fn *fn, void *context);

/* ---- policy rules ---- */

struct route_rule {
	int family;
	uint32_t priority;	      /* lower ones are asked first; needed */
	struct route_prefix from, to; /* not given: any */
	const char *from_link;	      /* the name of the interface it came in by; NULL: any */
	uint32_t mark, mask;	      /* mask 0: any */
	unsigned int action; /* FR_ACT_*: TO_TBL, GOTO, NOP, PROHIBIT, UNREACHABLE, BLACKHOLE */
	uint32_t table;	     /* of FR_ACT_TO_TBL */
	uint32_t go_to;	  /* of FR_ACT_GOTO: the priority where it goes on, higher than its own */
	uint8_t protocol; /* RTPROT_*: who made it; 0: not said */
};

/* -EEXIST: there is the very same. */
int route_add_rule(struct netlink *netlink, const struct route_rule *rule);

/* -ENOENT: there is none. */
int route_delete_rule(struct netlink *netlink, const struct route_rule *rule);

typedef int route_rule_fn(const struct route_rule *rule, void *context);

/* Of FAMILY (AF_INET, AF_INET6), made by PROTOCOL (0: by anybody). */
int route_list_rules(struct netlink *netlink, int family, uint8_t protocol, route_rule_fn *fn,
		     void *context);

/* ---- many at once ---- */

/* The messages that add, put into a request of kernel/netlink; the last one with NLM_F_ACK as
 * FLAGS, others with 0. */
void route_put_address(struct netlink_request *request, const struct route_address *address,
		       unsigned int flags);
void route_put(struct netlink_request *request, const struct route *route, unsigned int flags);
void route_put_rule(struct netlink_request *request, const struct route_rule *rule,
		    unsigned int flags);

/* ---- what the kernel says ---- */

/* An answer, or a notification; false: it is not about such a thing. */
bool route_address_from_answer(struct route_address *ret, const struct netlink_answer *answer);
bool route_from_answer(struct route *ret, const struct netlink_answer *answer);
