/* net/firewall-xtables - the kernel's older packet filter, which the program iptables-legacy fills.
 * Quiet. */
#pragma once
#include <stdbool.h>

struct firewall_xtables {
	bool forward_drops, input_drops; /* what no rule decided */
	bool docker;			 /* a chain for rules like ours is there */
	bool remedied;			 /* and a rule with our name as well */
};

/* FAMILY is AF_INET or AF_INET6. -ENOENT: nobody uses it. */
int firewall_xtables_read(struct firewall_xtables *ret, int family);
