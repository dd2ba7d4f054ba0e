#include "net/choice.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "kernel/netlink.h"
#include "kernel/route.h"

/* Not usable yet, or not for long. */
#define UNFIT (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED | IFA_F_TEMPORARY)

/* ---- what the machine has ---- */

struct candidate {
	struct ip ip;
	bool leads_here, is_router;
};

struct candidates {
	struct candidate items[CHOICE_LOOKS_MAX];
	size_t count;
};

static int collect(const struct route_address *address, void *context)
{
	struct candidates *candidates = context;
	struct ip ip = { .family = address->local.family };

	memcpy(ip.bytes, address->local.bytes, sizeof(ip.bytes));
	/* Of IPv4 a second address in a net has the flag of a temporary one. */
	if (address->scope >= RT_SCOPE_LINK || !ip_is_unicast(&ip) ||
	    (ip.family == AF_INET6 && (address->flags & UNFIT) != 0))
		return 0;
	if (candidates->count == ARRAY_SIZE(candidates->items))
		return 1;
	candidates->items[candidates->count++].ip = ip;
	return 0;
}

/* ---- what the host makes of it ---- */

static bool leads_here(const struct choice_request *request, const struct ip *ip)
{
	struct route_prefix to = { .family = ip->family,
				   .length = (unsigned int)ip_length(ip->family) };
	struct route route;

	memcpy(to.bytes, ip->bytes, sizeof(to.bytes));
	return route_get(request->host, &route, &to) >= 0 && route.type == RTN_UNICAST &&
	       route.gateway.family == AF_UNSPEC && route.link == request->link;
}

static int mark_router(const struct route *route, void *context)
{
	struct candidates *candidates = context;

	for (size_t i = 0; i < candidates->count; i++) {
		struct candidate *candidate = &candidates->items[i];

		if (route->gateway.family == candidate->ip.family &&
		    memcmp(route->gateway.bytes, candidate->ip.bytes,
			   (size_t)ip_size(candidate->ip.family)) == 0)
			candidate->is_router = true;
	}
	return 0;
}

static int look(const struct choice_request *request, struct candidates *candidates)
{
	bool any = false;

	for (size_t i = 0; i < candidates->count; i++) {
		struct candidate *candidate = &candidates->items[i];

		candidate->leads_here = leads_here(request, &candidate->ip);
		any = any || candidate->leads_here;
	}
	return any ? route_list(request->host, AF_UNSPEC, RT_TABLE_MAIN, mark_router, candidates)
		   : 0;
}

static const struct ip *first(const struct choice_request *request,
			      const struct candidates *candidates, int family)
{
	for (size_t i = 0; i < candidates->count; i++) {
		const struct candidate *candidate = &candidates->items[i];

		if (candidate->ip.family == family && candidate->leads_here &&
		    !candidate->is_router && !request->is_taken(request->context, &candidate->ip))
			return &candidate->ip;
	}
	return NULL;
}

int choice_make(struct ip_prefix ret[CHOICE_MAX], const struct choice_request *request)
{
	static const int families[CHOICE_MAX] = { AF_INET, AF_INET6 };
	struct candidates candidates = { .count = 0 };
	int r, count = 0;

	r = route_list_addresses(request->guest, 0, collect, &candidates);
	if (r >= 0)
		r = look(request, &candidates);
	for (size_t i = 0; i < ARRAY_SIZE(families) && r >= 0; i++) {
		const struct ip *ip = first(request, &candidates, families[i]);

		if (ip != NULL)
			ret[count++] = (struct ip_prefix){
				.ip = *ip,
				.length = (uint8_t)ip_length(ip->family),
			};
	}
	return r < 0 ? r : count;
}
