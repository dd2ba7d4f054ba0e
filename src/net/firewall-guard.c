#include "net/firewall-guard.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>

#include "base/fail.h"
#include "kernel/link.h"
#include "kernel/nft.h"
#include "kernel/nftables.h"
#include "net/firewall-sets.h"
#include "net/firewall.h"

#define ROOM 2048

static void put_guard(struct nftables *nftables, const char *table, const char *device)
{
	const struct nftables_hook ingress = { "filter", NF_NETDEV_INGRESS, -500, device };
	static const struct nftables_hook input = { "filter", NF_INET_LOCAL_IN, 10, NULL };

	nftables_use(nftables, NFTABLES_NETDEV, table);
	nftables_make_own_table(nftables, "made by redd");
	nftables_make_chain(nftables, "ingress", &ingress);

	/* meta mark set meta mark | DOUBT */
	nft_rule(nftables, "ingress");
	nft_change_mark(nftables, 0, FIREWALL_DOUBT);
	nft_end(nftables);

	nftables_use(nftables, NFTABLES_INET, table);
	nftables_make_own_table(nftables, "made by redd");
	nftables_make_chain(nftables, "input", &input);

	/* meta mark & DOUBT == DOUBT drop */
	nft_rule(nftables, "input");
	nft_has_mark(nftables, FIREWALL_DOUBT);
	nft_drop(nftables);
	nft_end(nftables);
}

int firewall_guard(struct firewall *firewall, const struct firewall_machine *machine)
{
	struct nftables nftables;
	unsigned char room[ROOM];
	char table[32], device[LINK_NAME_SIZE];
	int r;

	r = link_name(device, machine->link);
	if (r < 0)
		return fail(r, "cannot guard the machine's interface");
	snprintf(table, sizeof(table), FIREWALL_TABLE "-%u", machine->link);
	nftables_begin(&nftables, room, sizeof(room), 0);
	put_guard(&nftables, table, device);
	r = nftables_commit(&nftables, &firewall->filter);
	/* It is ours, or of a supervisor that has not ended yet and whose work we go on with. */
	if (r == -EEXIST || r == -EPERM)
		return 0;
	return r < 0 ? fail(r, "cannot guard the machine's interface") : 0;
}
