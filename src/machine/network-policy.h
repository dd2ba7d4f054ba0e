/* machine/network-policy - what the host does for the first link of a running machine: whether it
 * is hidden behind the host's addresses, what it may reach, whom it asks for names.
 *
 * Noted first; then the machine's supervisor makes it so. On failure it is noted as not done, and
 * is done with the next change or by the next supervisor; but a list of what may be reached holds,
 * the one before or the one after, or nothing may be reached. Last comes the machine's
 * /etc/resolv.conf. Done twice is done once, also after an interruption. Until the machine ends, or
 * starts again. Speaking. As machine/network-change.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct ip;
struct machine;

enum network_policy_nat { NETWORK_POLICY_NAT_POOL, NETWORK_POLICY_NAT_YES, NETWORK_POLICY_NAT_NO };

struct network_policy {
	enum network_policy_nat nat; /* POOL: if its addresses are of the pool */
	const char *egress;	     /* for format/egress; NULL: everything */
	bool dns;		     /* its supervisor answers, where it has gateways */
	bool resolv_conf;	     /* its /etc/resolv.conf tells so, or SERVER */
	const struct ip *server;     /* NULL: none */
};

/* -EOPNOTSUPP: its links are not such that it can. -ENXIO: it has no supervisor, or has ended. */
int network_policy_set(struct arena *arena, const struct machine *machine,
		       const struct network_policy *policy);
