#include "declare/definition-check.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/definitions.h"
#include "image/mstack.h"

/* What only one machine can have. */
struct claim {
	const char *what; /* "the address 10.0.0.2" */
	const struct definition *by;
	bool is_own; /* its own name, in lower case: of two that differ in case each has its own */
};

struct port_claim {
	struct port port;
	const struct definition *by;
};

struct claims {
	struct arena *arena;
	struct claim *items;
	size_t count;
	struct port_claim *ports;
	size_t port_count;
};

/* ---- dependencies ---- */

static void add_machines(struct arena *arena, struct text_list *ret,
			 const struct definition *definition, const char *key,
			 const struct definition_facts *facts)
{
	struct text_list units = { 0 };

	definition_values(arena, &units, definition, "X-Unit", key);
	for (size_t i = 0; i < units.count; i++) {
		const char *unit = definition_specifiers(arena, units.items[i], definition->name,
							 facts);
		char *name;

		if (!text_ends(unit, ".nspawn"))
			continue;
		name = arena_text_n(arena, unit, strlen(unit) - strlen(".nspawn"));
		if (!text_list_has(ret, name))
			text_list_add(arena, ret, name);
	}
}

void definition_before(struct arena *arena, struct text_list *ret,
		       const struct definition *definition, const struct definition_facts *facts)
{
	add_machines(arena, ret, definition, "After", facts);
	add_machines(arena, ret, definition, "Requires", facts);
	add_machines(arena, ret, definition, "BindsTo", facts);
}

static int check_required(struct arena *arena, const struct definitions *definitions,
			  const struct definition *definition, const struct definition_facts *facts)
{
	struct text_list names = { 0 };

	add_machines(arena, &names, definition, "Requires", facts);
	add_machines(arena, &names, definition, "BindsTo", facts);
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.items[i];

		if (definitions_find(definitions, name) != NULL)
			continue;
		return fail_input("cannot use '%s': it requires '%.80s.nspawn', which is not "
				  "defined",
				  definition->path, text_printable(arena, name));
	}
	return 0;
}

struct walk {
	struct arena *arena;
	const struct definitions *definitions;
	const struct definition_facts *facts;
	enum { UNSEEN, OPEN, DONE } * states; /* of each definition */
	size_t *stack, *next;		      /* what is open, and which of its needs comes next */
	struct text_list *before;	      /* of each definition */
	size_t depth;
};

static int refuse_circle(const struct walk *walk, size_t again)
{
	const char *text = walk->definitions->items[again]->name;
	size_t at = walk->depth;

	do {
		at--;
		text = arena_format(walk->arena, "%s after %s",
				    walk->definitions->items[walk->stack[at]]->name, text);
	} while (walk->stack[at] != again);
	return fail_input("cannot start machines in a circle: %s", text);
}

static void enter(struct walk *walk, size_t index)
{
	walk->states[index] = OPEN;
	walk->stack[walk->depth] = index;
	walk->next[walk->depth++] = 0;
	definition_before(walk->arena, &walk->before[index], walk->definitions->items[index],
			  walk->facts);
}

/* Depth first, without recursion: there may be thousands. */
static int walk_from(struct walk *walk, size_t start)
{
	enter(walk, start);
	while (walk->depth > 0) {
		size_t index = walk->stack[walk->depth - 1];
		const struct text_list *before = &walk->before[index];
		size_t *next = &walk->next[walk->depth - 1], need;

		if (*next == before->count) {
			walk->states[index] = DONE;
			walk->depth--;
			continue;
		}
		need = definitions_place(walk->definitions, before->items[(*next)++]);
		if (need == walk->definitions->count || walk->states[need] == DONE)
			continue;
		if (walk->states[need] == OPEN)
			return refuse_circle(walk, need);
		enter(walk, need);
	}
	return 0;
}

static int check_circles(struct arena *arena, const struct definitions *definitions,
			 const struct definition_facts *facts)
{
	struct walk walk = {
		.arena = arena,
		.definitions = definitions,
		.facts = facts,
		.states = arena_take_array(arena, definitions->count, sizeof(*walk.states)),
		.stack = arena_take_array(arena, definitions->count, sizeof(*walk.stack)),
		.next = arena_take_array(arena, definitions->count, sizeof(*walk.next)),
		.before = arena_take_array(arena, definitions->count, sizeof(*walk.before)),
	};
	int r = 0;

	for (size_t i = 0; i < definitions->count && r >= 0; i++)
		if (walk.states[i] == UNSEEN)
			r = walk_from(&walk, i);
	return r;
}

/* ---- what only one can have ---- */

static PRINTF(3, 4) void claim(struct claims *claims, const struct definition *by,
			       const char *format, ...)
{
	struct claim *added = list_grow(claims->arena, (void **)&claims->items, &claims->count,
					sizeof(*added));
	va_list args;

	va_start(args, format);
	added->what = arena_format_v(claims->arena, format, args);
	va_end(args);
	added->by = by;
}

static void claim_network(struct claims *claims, const struct definition *by,
			  const struct definition_network *network)
{
	const struct addressing *addressing = network->addresses;
	char text[IP_TEXT_ROOM];

	for (size_t i = 0; i < addressing->addresses.count; i++)
		claim(claims, by, "the address %s",
		      ip_text(text, &addressing->addresses.items[i].ip));
	if (addressing->mac_set)
		claim(claims, by, "the hardware address %02x:%02x:%02x:%02x:%02x:%02x",
		      addressing->mac[0], addressing->mac[1], addressing->mac[2],
		      addressing->mac[3], addressing->mac[4], addressing->mac[5]);
}

/* As DNS compares them. */
static void claim_names(struct claims *claims, const struct definition *by)
{
	char *name = arena_text(claims->arena, by->name);

	for (size_t i = 0; name[i] != '\0'; i++)
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] += 'a' - 'A';
	claim(claims, by, "the name %s", name);
	claims->items[claims->count - 1].is_own = true;
	for (size_t i = 0; i < by->names.count; i++)
		claim(claims, by, "the name %s", by->names.items[i]);
}

static void claim_all(struct claims *claims, const struct definition *by)
{
	const struct spec *spec = by->spec;

	claim_names(claims, by);
	claim_network(claims, by, &by->primary);
	for (size_t i = 0; i < by->network_count; i++)
		claim_network(claims, by, &by->networks[i]);
	for (size_t i = 0; i < spec->interfaces.count; i++)
		claim(claims, by, "the interface %s", spec->interfaces.items[i].host);
	for (size_t i = 0; i < spec->veth_extras.count; i++)
		claim(claims, by, "the interface %s", spec->veth_extras.items[i].host);
	for (size_t i = 0; i < spec->ports.count; i++)
		*(struct port_claim *)list_grow(claims->arena, (void **)&claims->ports,
						&claims->port_count, sizeof(*claims->ports)) =
			(struct port_claim){ spec->ports.items[i], by };
}

static int refuse_both(const struct definition *a, const struct definition *b, const char *what)
{
	if (a == b)
		return fail_input("cannot use '%s': it claims %s twice", a->path, what);
	return fail_input("cannot use '%s': %s is also claimed by '%s'", b->path, what, a->path);
}

static int by_what(const void *a, const void *b)
{
	const struct claim *first = a, *second = b;
	int order = strcmp(first->what, second->what);

	if (order == 0)
		order = strcmp(first->by->name, second->by->name);
	return order != 0 ? order : second->is_own - first->is_own;
}

static int by_port(const void *a, const void *b)
{
	const struct port_claim *first = a, *second = b;

	if (first->port.protocol != second->port.protocol)
		return first->port.protocol - second->port.protocol;
	if (first->port.host != second->port.host)
		return first->port.host - second->port.host;
	return strcmp(first->by->name, second->by->name);
}

static int check_ports(struct claims *claims)
{
	char text[PORT_TEXT_ROOM];

	if (claims->port_count == 0)
		return 0;
	qsort(claims->ports, claims->port_count, sizeof(*claims->ports), by_port);
	for (size_t i = 0; i + 1 < claims->port_count; i++) {
		const struct port_claim *a = &claims->ports[i];

		for (size_t k = i + 1; k < claims->port_count; k++) {
			const struct port_claim *b = &claims->ports[k];

			if (b->port.protocol != a->port.protocol ||
			    b->port.host >= a->port.host + a->port.count)
				break;
			if (port_overlaps(&a->port, &b->port))
				return refuse_both(a->by, b->by,
						   arena_format(claims->arena, "the port %s",
								port_text(text, &b->port)));
		}
	}
	return 0;
}

static int check_claims(struct arena *arena, const struct definitions *definitions)
{
	struct claims claims = { .arena = arena };

	for (size_t i = 0; i < definitions->count; i++)
		claim_all(&claims, definitions->items[i]);
	if (claims.count > 0)
		qsort(claims.items, claims.count, sizeof(*claims.items), by_what);
	for (size_t i = 1; i < claims.count; i++) {
		const struct claim *a = &claims.items[i - 1], *b = &claims.items[i];

		/* A machine's own name may be said again. */
		if (text_equal(a->what, b->what) && !(a->is_own && b->is_own) &&
		    (a->by != b->by || !text_after(a->what, "the name ")))
			return refuse_both(a->by, b->by, a->what);
	}
	return check_ports(&claims);
}

static int check_host(const struct definition *definition, const struct definition_facts *facts)
{
	const struct text_list *names = &definition->names;

	for (size_t i = 0; i < names->count && facts->host_name != NULL; i++)
		if (name_is_node(names->items[i], facts->host_name))
			return fail_input("cannot use '%s': the name %s is this host's own",
					  definition->path, names->items[i]);
	return 0;
}

/* ---- a link's section ---- */

static int check_links(struct arena *arena, const struct definition *definition)
{
	const struct interface_list *extras = &definition->spec->veth_extras;

	for (size_t i = 0; i < definition->network_count; i++) {
		const char *link = definition->networks[i].link;
		bool found = false;

		for (size_t k = 0; k < extras->count; k++)
			found |= text_equal(extras->items[k].host, link) ||
				 text_equal(extras->items[k].container, link);
		if (!found)
			return fail_input("cannot use '%s': [X-Network:%s] describes a link that "
					  "is not there (try VirtualEthernetExtra=%s)",
					  definition->path, text_printable(arena, link), link);
		if (definition->networks[i].addresses->mode == ADDRESSES_AUTO &&
		    definition_value(definition, arena_format(arena, "X-Network:%s", link),
				     "Bridge") != NULL)
			return fail_input("cannot use '%s': [X-Network:%s] leads by its bridge to "
					  "somebody else's network (name the address)",
					  definition->path, text_printable(arena, link));
	}
	return 0;
}

/* ---- an image's file ---- */

/* What is applied lies side by side under the machines' names, and what an image is made of decides
 * what the name of its file ends with: that is known only when it is fetched. */
static int check_files(struct arena *arena, const struct definitions *definitions,
		       const struct definition *definition)
{
	static const char *const suffixes[] = { ".raw", MSTACK_SUFFIX, ".nspawn" };
	const char *name = definition->name;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		const struct definition *other;

		if (!text_ends(name, suffixes[i]))
			continue;
		other = definitions_find(
			definitions, arena_text_n(arena, name, strlen(name) - strlen(suffixes[i])));
		if (other != NULL)
			return fail_input("cannot use '%s': '%s' is also what the image of '%s' "
					  "may be called (try another name)",
					  definition->path, name, other->path);
	}
	return 0;
}

int definition_check(struct arena *arena, const struct definitions *definitions,
		     const struct definition_facts *facts)
{
	int r = 0;

	for (size_t i = 0; i < definitions->count && r >= 0; i++) {
		r = check_links(arena, definitions->items[i]);
		if (r >= 0)
			r = check_files(arena, definitions, definitions->items[i]);
		if (r >= 0)
			r = check_host(definitions->items[i], facts);
		if (r >= 0)
			r = check_required(arena, definitions, definitions->items[i], facts);
	}
	if (r >= 0)
		r = check_circles(arena, definitions, facts);
	return r < 0 ? r : check_claims(arena, definitions);
}
