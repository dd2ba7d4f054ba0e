#include "net/firewall-build.h"

#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
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

void firewall_build_chain(struct firewall_build *build, const struct firewall_machine *machine)
{
	firewall_build_use(&build->nftables, FIREWALL_EGRESS);
	firewall_inet_put_egress(&build->nftables, machine);
}

/* Its elements need it, even to be taken out. */
static void make_chain(struct firewall_build *build, const char *name)
{
	firewall_build_use(&build->nftables, FIREWALL_EGRESS);
	nftables_make_chain(&build->nftables, name, NULL);
}

static void delete_chain(struct firewall_build *build, const char *name)
{
	firewall_build_use(&build->nftables, FIREWALL_EGRESS);
	nftables_delete_chain(&build->nftables, name);
}

void firewall_build_machine(struct firewall_build *build, const struct firewall_machine *machine)
{
	bool egress = firewall_elements_egress(machine);
	char chain[FIREWALL_CHAIN_SIZE];

	firewall_sets_chain(chain, machine->link);
	if (egress && build->deed == FIREWALL_TAKE_OUT)
		make_chain(build, chain);
	else if (egress)
		firewall_build_chain(build, machine);
	firewall_elements(machine, firewall_build_element, build);
	if (egress && build->deed == FIREWALL_TAKE_OUT)
		delete_chain(build, chain);
}

/* ---- one in the place of another ---- */

/* An element as it is compared: all of it, and nothing beside. */
struct item {
	enum firewall_set set;
	bool six, go;
	struct nftables_value key, last, data;
	char chain[FIREWALL_CHAIN_SIZE];
};

struct items {
	struct item *items; /* sorted */
	size_t count;
	struct firewall_build *build;
};

static struct item item_of(const struct firewall_element *element)
{
	struct item item;

	memset(&item, 0, sizeof(item)); /* padding counts */
	item.set = element->set;
	item.six = element->six;
	item.go = element->element.go;
	item.key = element->element.key;
	item.last = element->element.last;
	item.data = element->element.data;
	if (element->element.chain != NULL)
		snprintf(item.chain, sizeof(item.chain), "%s", element->element.chain);
	return item;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct item));
}

static void note(const struct firewall_element *element, void *context)
{
	struct items *after = context;

	after->items[after->count++] = item_of(element);
}

static void take_out_rest(const struct firewall_element *element, void *context)
{
	struct items *after = context;
	struct item item = item_of(element);

	if (bsearch(&item, after->items, after->count, sizeof(item), compare) == NULL)
		firewall_build_element(element, after->build);
}

void firewall_build_exchange(struct firewall_build *build, const struct firewall_machine *before,
			     const struct firewall_machine *after)
{
	bool egress = firewall_elements_egress(before);
	autoarena struct arena arena = {};
	struct items kept = { .build = build };
	char chain[FIREWALL_CHAIN_SIZE];
	size_t elements = 0;

	firewall_elements(after, count, &elements);
	kept.items = arena_take_array(&arena, elements, sizeof(*kept.items));
	firewall_elements(after, note, &kept);
	qsort(kept.items, kept.count, sizeof(*kept.items), compare);
	firewall_sets_chain(chain, before->link);
	build->deed = FIREWALL_TAKE_OUT;
	if (egress)
		make_chain(build, chain);
	firewall_elements(before, take_out_rest, &kept);
	if (egress && !(firewall_elements_egress(after) && after->link == before->link))
		delete_chain(build, chain);
	build->deed = FIREWALL_PUT;
	firewall_build_machine(build, after);
}
