#include "net/firewall-guard.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "kernel/link.h"
#include "kernel/nft.h"
#include "kernel/nftables.h"
#include "net/firewall-sets.h"
#include "net/firewall.h"

#define ROOM 4096
#define ADDRESS_ROOM 2048 /* of what is said of one */
#define TABLE_ROOM 32

/* Whose flow was ended, because the machine may not have it any more, may speak first, and for the
 * kernel that begins one, from outside, by which all that the machine says is an answer. What
 * siblings say is not looked at.
 * meta iif != … ip daddr … ct state new tcp flags & (fin|syn|rst|ack) != syn drop, or oif == */
static void put_ended(struct nftables *nftables, bool out, const struct firewall_machine *machine,
		      const struct firewall_address *address)
{
	static const uint8_t flags = TH_FIN | TH_SYN | TH_RST | TH_ACK, syn = TH_SYN;
	uint32_t link = machine->bridge > 0 ? machine->bridge : machine->link;
	bool six = address->family == AF_INET6;

	nft_rule(nftables, out ? "output" : "forward");
	out ? nft_oif(nftables) : nft_iif(nftables);
	out ? nft_is(nftables, &link, sizeof(link)) : nft_is_not(nftables, &link, sizeof(link));
	nft_family(nftables, six);
	nft_daddr(nftables, six);
	nft_within(nftables, six, address->bytes, address->bits);
	nft_ct_state(nftables, NF_CT_STATE_BIT(IP_CT_NEW));
	nft_protocol(nftables, IPPROTO_TCP);
	nft_tcp_flags(nftables);
	nft_and(nftables, 0, &flags, sizeof(flags));
	nft_is_not(nftables, &syn, sizeof(syn));
	nft_drop(nftables);
	nft_end(nftables);
}

static void put_all_ended(struct nftables *nftables, const struct firewall_machine *machine)
{
	static const struct nftables_hook forward = { "filter", NF_INET_FORWARD, -10, NULL };
	static const struct nftables_hook output = { "filter", NF_INET_LOCAL_OUT, -10, NULL };
	static const struct firewall_address local = { .family = AF_INET6,
						       .bits = 10,
						       .bytes = { 0xfe, 0x80 } };

	nftables_make_chain(nftables, "forward", &forward);
	nftables_make_chain(nftables, "output", &output);
	put_ended(nftables, true, machine, &local);
	for (size_t i = 0; i < machine->address_count; i++) {
		put_ended(nftables, false, machine, &machine->addresses[i]);
		put_ended(nftables, true, machine, &machine->addresses[i]);
	}
}

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

static void name_table(char ret[TABLE_ROOM], const struct firewall_machine *machine)
{
	snprintf(ret, TABLE_ROOM, FIREWALL_TABLE "-%u", machine->link);
}

int firewall_guard(struct firewall *firewall, const struct firewall_machine *machine)
{
	struct nftables nftables;
	autoarena struct arena arena = {};
	size_t size = ROOM + machine->address_count * ADDRESS_ROOM;
	char table[TABLE_ROOM], device[LINK_NAME_SIZE];
	int r;

	r = link_name(device, machine->link);
	if (r < 0)
		return fail(r, "cannot guard the machine's interface");
	name_table(table, machine);
	nftables_begin(&nftables, arena_take(&arena, size), size, 0);
	put_guard(&nftables, table, device);
	put_all_ended(&nftables, machine);
	r = nftables_commit(&nftables, &firewall->filter);
	/* It is ours, or of a supervisor that has not ended yet and whose work we go on with. */
	if (r == -EEXIST || r == -EPERM)
		return 0;
	return r < 0 ? fail(r, "cannot guard the machine's interface") : 0;
}

int firewall_unguard(struct firewall *firewall, const struct firewall_machine *machine)
{
	struct nftables nftables;
	unsigned char room[ROOM];
	char table[TABLE_ROOM];
	int r;

	name_table(table, machine);
	nftables_begin(&nftables, room, sizeof(room), 0);
	nftables_use(&nftables, NFTABLES_NETDEV, table);
	nftables_delete_table(&nftables);
	nftables_use(&nftables, NFTABLES_INET, table);
	nftables_delete_table(&nftables);
	r = nftables_commit(&nftables, &firewall->filter);
	return r < 0 && r != -ENOENT ? fail(r, "cannot stop guarding the machine's interface") : 0;
}
