#include "net/firewall-sets.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/nftables.h"

#define FIELDS_MAX NFTABLES_FIELDS_MAX
#define OWN_CHAIN "egress-"

/* An address of either family stands as IP here. */
static const struct {
	const char *name[2];
	enum nftables_type key[FIELDS_MAX], data[FIELDS_MAX];
	bool interval, timeout;
} sets[FIREWALL_SETS] = {
	[FIREWALL_MACHINES] = { { "machines" }, { NFTABLES_LINK } },
	[FIREWALL_LINKS] = { { "links" }, { NFTABLES_LINK } },
	[FIREWALL_OWN] = { { "own4", "own6" }, { NFTABLES_LINK, NFTABLES_IP } },
	[FIREWALL_INSIDE] = { { "inside4", "inside6" }, { NFTABLES_IP } },
	[FIREWALL_NAT] = { { "nat4", "nat6" }, { NFTABLES_IP } },
	[FIREWALL_DNS] = { { "dns4", "dns6" },
			   { NFTABLES_IP, NFTABLES_IP, NFTABLES_PROTOCOL },
			   { NFTABLES_IP, NFTABLES_PORT } },
	[FIREWALL_RESPONDERS] = { { "responders4", "responders6" },
				  { NFTABLES_IP, NFTABLES_PROTOCOL, NFTABLES_PORT } },
	[FIREWALL_PORT] = { { "port4", "port6" },
			    { NFTABLES_PROTOCOL, NFTABLES_PORT },
			    { NFTABLES_IP, NFTABLES_PORT } },
	[FIREWALL_PORT_AT] = { { "port_at4", "port_at6" },
			       { NFTABLES_IP, NFTABLES_PROTOCOL, NFTABLES_PORT },
			       { NFTABLES_IP, NFTABLES_PORT } },
	[FIREWALL_PORT_RANGE] = { { "port_range4", "port_range6" },
				  { NFTABLES_IP, NFTABLES_PROTOCOL, NFTABLES_PORT },
				  { NFTABLES_IP },
				  .interval = true },
	[FIREWALL_LEARNT] = { { "learnt4", "learnt6" },
			      { NFTABLES_IP, NFTABLES_IP, NFTABLES_PROTOCOL, NFTABLES_PORT },
			      .timeout = true },
	[FIREWALL_MET] = { { "met4", "met6" }, { NFTABLES_IP, NFTABLES_IP }, .timeout = true },
	[FIREWALL_EGRESS] = { { "egress4", "egress6" }, { NFTABLES_IP }, { NFTABLES_VERDICT } },
	[FIREWALL_UNNAMED] = { { "unnamed" }, { NFTABLES_LINK }, { NFTABLES_VERDICT } },
	[FIREWALL_PORTS] = { { "ports" }, { NFTABLES_LINK }, { NFTABLES_VERDICT } },
	[FIREWALL_MAC] = { { "mac" }, { NFTABLES_LINK, NFTABLES_ETHER } },
	[FIREWALL_SELF] = { { "self" }, { NFTABLES_LINK, NFTABLES_LINK } },
	[FIREWALL_PORT_OWN] = { { "own4", "own6" }, { NFTABLES_LINK, NFTABLES_IP } },
	[FIREWALL_TAKEN] = { { "taken4", "taken6" }, { NFTABLES_IP } },
};

const char *firewall_set_name(enum firewall_set set, bool six)
{
	return sets[set].name[six && sets[set].name[1] ? 1 : 0];
}

static void put_set(struct nftables *nftables, enum firewall_set number, bool six)
{
	struct nftables_set set = { .name = firewall_set_name(number, six),
				    .interval = sets[number].interval,
				    .timeout = sets[number].timeout };

	for (size_t i = 0; i < FIELDS_MAX; i++) {
		set.key[i] = sets[number].key[i];
		if (set.key[i] == NFTABLES_IP && six)
			set.key[i] = NFTABLES_IP6;
		set.data[i] = sets[number].data[i];
		if (set.data[i] == NFTABLES_IP && six)
			set.data[i] = NFTABLES_IP6;
	}
	nftables_make_set(nftables, &set);
}

void firewall_sets_put(struct nftables *nftables, enum firewall_set first, enum firewall_set last)
{
	for (enum firewall_set set = first; set <= last; set++) {
		put_set(nftables, set, false);
		if (sets[set].name[1])
			put_set(nftables, set, true);
	}
}

void firewall_sets_chain(char ret[FIREWALL_CHAIN_SIZE], uint32_t port)
{
	snprintf(ret, FIREWALL_CHAIN_SIZE, OWN_CHAIN "%u", port);
}

uint32_t firewall_sets_chain_port(const char *chain)
{
	size_t length = strlen(OWN_CHAIN);

	return strncmp(chain, OWN_CHAIN, length) == 0 ? (uint32_t)strtoul(chain + length, NULL, 10)
						      : 0;
}
