#include "net/firewall-build.h"

#include <linux/netfilter/nf_tables.h>

#include "net/firewall-bridge.h"
#include "net/firewall-inet.h"
#include "net/firewall.h"

/* Upper bounds of what a request takes. */
#define RULES_ROOM ((size_t)48 * 1024) /* the tables without elements */
#define ELEMENT_ROOM ((size_t)512)     /* one, put and taken out */
#define TARGET_ROOM ((size_t)1024)     /* the rules of one target */
#define CHAIN_ROOM ((size_t)2048)      /* the rest of an own chain */

static void count(const struct firewall_element *element, void *context)
{
	(void)element;
	(*(size_t *)context)++;
}

size_t firewall_build_room(const struct firewall_machine *machines, size_t machine_count)
{
	size_t room = RULES_ROOM, elements = 0;

	for (size_t i = 0; i < machine_count; i++) {
		firewall_elements(&machines[i], count, &elements);
		if (firewall_elements_egress(&machines[i]))
			room += CHAIN_ROOM + machines[i].target_count * TARGET_ROOM;
	}
	return room + elements * ELEMENT_ROOM;
}

void firewall_build_begin(struct firewall_build *build, enum firewall_deed deed, void *room,
			  size_t size, uint32_t generation)
{
	nftables_begin(&build->nftables, room, size, generation);
	build->deed = deed;
	build->count = 0;
	build->hit = false;
}

void firewall_build_tables(struct firewall_build *build, bool inet, bool bridges)
{
	struct nftables *nftables = &build->nftables;

	if (inet)
		firewall_inet_put(nftables);
	if (bridges)
		firewall_bridge_put(nftables);
	nftables_use(nftables, NFTABLES_INET, FIREWALL_TABLE);
	if (inet && !bridges)
		nftables_make_chain(nftables, FIREWALL_UNBRIDGED, NULL);
	else if (!inet && bridges)
		nftables_delete_chain(nftables, FIREWALL_UNBRIDGED);
}

void firewall_build_use(struct nftables *nftables, enum firewall_set set)
{
	nftables_use(nftables, set <= FIREWALL_INET_LAST ? NFTABLES_INET : NFTABLES_BRIDGE,
		     FIREWALL_TABLE);
}

static bool is_left_out(const struct firewall_build *build, unsigned int number)
{
	for (size_t i = 0; i < build->left_out_count; i++)
		if (build->left_out[i] == number)
			return true;
	return false;
}

/* An element that is put for sure can be taken out without a failure. And putting fails if it leads
 * elsewhere: then it is not ours to take out. */
void firewall_build_element(const struct firewall_element *element, void *context)
{
	struct firewall_build *build = context;
	struct nftables *nftables = &build->nftables;
	const char *set = firewall_set_name(element->set, element->six);
	unsigned int number = build->count++;

	if ((build->deed == FIREWALL_TAKE_OUT && element->shared && !build->shared) ||
	    is_left_out(build, number))
		return;
	if (nftables->request.count == build->watched) {
		build->hit = true;
		build->hit_number = number;
		build->hit_element = *element;
		build->hit_element.element.chain = NULL;
	}
	firewall_build_use(nftables, element->set);
	nftables_add_element(nftables, set, &element->element);
	if (build->deed != FIREWALL_PUT)
		nftables_delete_element(nftables, set, &element->element);
	if (build->deed == FIREWALL_RENEW)
		nftables_add_element(nftables, set, &element->element);
}

void firewall_build_machine(struct firewall_build *build, const struct firewall_machine *machine)
{
	struct nftables *nftables = &build->nftables;
	bool egress = firewall_elements_egress(machine);
	char chain[FIREWALL_CHAIN_SIZE];

	firewall_sets_chain(chain, machine->link);
	firewall_build_use(nftables, FIREWALL_EGRESS);
	if (egress && build->deed == FIREWALL_TAKE_OUT)
		nftables_make_chain(nftables, chain, NULL); /* its elements need it */
	else if (egress)
		firewall_inet_put_egress(nftables, machine);
	firewall_elements(machine, firewall_build_element, build);
	if (egress && build->deed == FIREWALL_TAKE_OUT) {
		firewall_build_use(nftables, FIREWALL_EGRESS);
		nftables_delete_chain(nftables, chain);
	}
}
