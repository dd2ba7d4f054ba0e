/* net/choice - which of the addresses that a machine has given itself is believed.
 *
 * Its root chooses them, and ports of the host are to lead there. So one counts only if what the
 * host sends to it goes out by the machine's own link, or the bridge that this is a port of, and to
 * nobody in between: it is neither the host's own nor reached elsewhere. Nor may it be that of a
 * router of the host's, or of another machine. Whoever else is on its bridge the machine reaches
 * anyway. Quiet; any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "format/ip.h"

struct netlink;

#define CHOICE_MAX 2	    /* one of IPv4, one of IPv6 */
#define CHOICE_LOOKS_MAX 64 /* addresses of the machine; those beyond are not looked at */

struct choice_request {
	struct netlink *host, *guest; /* of NETLINK_ROUTE. GUEST: good for nothing else later */
	int link;		      /* of the host */
	/* Has another machine got it? */
	bool (*is_taken)(void *context, const struct ip *ip);
	void *context;
};

/* The first of each family, as single addresses; returns how many. -EAGAIN: they change. */
int choice_make(struct ip_prefix ret[CHOICE_MAX], const struct choice_request *request);
