#include "declare/definition.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/text.h"
#include "declare/key-parse.h"
#include "format/ini.h"
#include "format/specifier.h"
#include "spec/settings.h"

struct maker {
	struct arena *arena;
	struct definition *definition;
	const struct definition_facts *facts;
	struct spec *spec;   /* of the definition */
	struct spec **links; /* of its networks */
};

/* ---- items of files ---- */

static struct definition_item *add_item(struct arena *arena, struct definition_items *items,
					const char *file, unsigned int line)
{
	struct definition_item *item = list_grow(arena, (void **)&items->items, &items->count,
						 sizeof(*item));

	item->file = file;
	item->line = line;
	return item;
}

void definition_add_text(struct arena *arena, struct definition_items *items, const char *text,
			 size_t size, const char *path)
{
	const char *file = arena_text(arena, path);
	struct definition_item *item;
	struct ini_item read;
	struct ini ini;
	int r;

	if (ini_start(&ini, arena, text, size) < 0) {
		add_item(arena, items, file, 0)->value = "there is a zero byte in it";
		return;
	}
	while ((r = ini_next(&ini, &read)) > 0) {
		item = add_item(arena, items, file, read.line);
		item->section = read.section;
		if (read.kind == INI_SECTION)
			continue;
		item->value = read.value;
		if (read.kind == INI_ASSIGNMENT)
			item->key = read.key;
		if (items->count > DEFINITION_ITEMS_MAX)
			break;
	}
	if (r != 0)
		add_item(arena, items, file, 0)->value = "it has too many lines";
}

bool definition_is_managed(const struct definition_items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		const struct definition_item *item = &items->items[i];

		if (text_equal(item->section, "X-Image") ||
		    (text_equal(item->section, "X-Nix") && text_equal(item->key, "Profile")))
			return true;
	}
	return false;
}

const char *definition_specifiers(struct arena *arena, const char *text, const char *name,
				  const struct definition_facts *facts)
{
	const struct specifiers known = { name, facts->machine_id, facts->host_name };

	return specifier_expand(arena, text, &known);
}

/* ---- what is kept of them ---- */

static int refuse(const struct definition_item *item, const char *why)
{
	if (item->line == 0)
		return fail_input("cannot use '%s': %s", item->file, why);
	return fail_input("cannot use '%s' line %u: %s", item->file, item->line, why);
}

static int refuse_key(struct arena *arena, const struct definition_item *item)
{
	const char *near = key_nearest(item->section, item->key);
	const char *hint = near == NULL ? "" : arena_format(arena, " (try '%s=')", near);

	return refuse(item, arena_format(arena, "there is no setting '%.80s=' in [%s]%s",
					 text_printable(arena, item->key),
					 text_printable(arena, item->section), hint));
}

/* An [X-…] section that is nearly one of ours is a slip; others belong to other programs. */
static int check_section(struct arena *arena, const struct definition_item *item)
{
	const char *near, *link = text_after(item->section, "X-Network:");

	if (link != NULL && !name_is_interface(link))
		return refuse(item, arena_format(arena, "'%.80s' is no name of a link",
						 text_printable(arena, link)));
	if (key_is_section(item->section))
		return 1;
	near = key_nearest_section(item->section);
	if (near != NULL || !text_after(item->section, "X-"))
		return refuse(item, arena_format(arena, "there is no section [%.80s] (try [%s])",
						 text_printable(arena, item->section),
						 near == NULL ? "X-Image" : near));
	return 0;
}

/* Whether the dash was forgotten, or not. */
static bool is_nearly_image(struct arena *arena, const char *section)
{
	const char *own = text_after(section, "X-");

	if (own == NULL)
		own = text_after(section, "x-");
	if (own == NULL)
		own = section;
	return text_equal(key_nearest_section(arena_format(arena, "X-%s", own)), "X-Image");
}

/* Lines that cannot be read are its own matter, but not a heading that may be meant for ours. */
static int check_plain_item(struct arena *arena, const struct definition_item *item)
{
	if (item->line == 0 || item->value == ini_bad_heading)
		return refuse(item, item->value);
	if (item->section == NULL || key_is_section(item->section) ||
	    !is_nearly_image(arena, item->section))
		return 0;
	return refuse(item, arena_format(arena, "there is no section [%.80s] (try [X-Image])",
					 text_printable(arena, item->section)));
}

int definition_check_plain(struct arena *arena, const struct definition_items *items)
{
	int r = 0;

	for (size_t i = 0; i < items->count && r >= 0; i++)
		r = check_plain_item(arena, &items->items[i]);
	return r;
}

/* 1: it is one of ours, and *RET is its key. */
static int check_item(struct arena *arena, struct key *ret, const struct definition_item *item)
{
	int r;

	if (item->key == NULL && item->value != NULL)
		return refuse(item, item->value);
	if (item->section == NULL)
		return refuse(item, arena_format(arena, "'%.80s=' stands before the first section",
						 text_printable(arena, item->key)));
	r = check_section(arena, item);
	if (r <= 0 || item->key == NULL)
		return MIN(r, 0);
	/* Whoever reads it next, as systemd does, may take the rest for a line of its own. */
	if (!ini_is_line(item->key) || !ini_is_line(item->value))
		return refuse(item, arena_format(arena, "there is a control character in '%.80s='",
						 text_printable(arena, item->key)));
	if (key_find(ret, item->section, item->key))
		return 1;
	if (text_after(item->key, "X-") && !text_after(item->section, "X-"))
		return 0;
	return refuse_key(arena, item);
}

static void drop(struct definition_items *items, const struct definition_item *same)
{
	size_t kept = 0;

	for (size_t i = 0; i < items->count; i++) {
		const struct definition_item *item = &items->items[i];

		if (!text_equal(item->section, same->section) || !text_equal(item->key, same->key))
			items->items[kept++] = *item;
	}
	items->count = kept;
}

static void keep_item(struct maker *maker, struct definition_items *kept,
		      struct definition_item item, const struct key *key)
{
	bool empty = text_empty(item.value), unit = key_is_unit_section(key->section);

	/* What systemd knows better is passed on as it is. */
	if (!(key->flags & KEY_EMPTY) && (!unit || key->flags & KEY_HONOURED)) {
		if (empty || !(key->flags & KEY_REPEATS))
			drop(kept, &item);
		if (empty)
			return;
	}
	if (!maker->facts->flat && !unit)
		item.value = definition_specifiers(maker->arena, item.value,
						   maker->definition->name, maker->facts);
	kept->items[kept->count++] = item;
}

static int keep_items(struct maker *maker, struct definition_items *ret,
		      const struct definition_items *from)
{
	struct definition_items kept = { 0 };
	struct key key;

	if (from->count > DEFINITION_ITEMS_MAX)
		return fail_input("cannot use '%s': it has more than %d lines",
				  maker->definition->path, DEFINITION_ITEMS_MAX);
	kept.items = arena_take_array(maker->arena, from->count, sizeof(*kept.items));
	for (size_t i = 0; i < from->count; i++) {
		int r = check_item(maker->arena, &key, &from->items[i]);

		if (r < 0)
			return r;
		if (r > 0 && key.parse != key_parse_template)
			keep_item(maker, &kept, from->items[i], &key);
	}
	*ret = kept;
	return 0;
}

/* The sections in the order in which they are mentioned first. */
static void group_items(struct arena *arena, struct definition_items *ret,
			const struct definition_items *from)
{
	bool *done = arena_take_array(arena, from->count, sizeof(*done));

	ret->items = arena_take_array(arena, from->count, sizeof(*ret->items));
	ret->count = 0;
	for (size_t i = 0; i < from->count; i++) {
		if (done[i])
			continue;
		for (size_t k = i; k < from->count; k++) {
			if (done[k] || !text_equal(from->items[k].section, from->items[i].section))
				continue;
			done[k] = true;
			ret->items[ret->count++] = from->items[k];
		}
	}
}

/* ---- what they say ---- */

static struct spec *new_spec(struct arena *arena, const char *file)
{
	struct spec *spec = arena_new(arena, struct spec);

	spec_init(spec);
	text_list_add(arena, &spec->settings_files, arena_text(arena, file));
	return spec;
}

static struct definition_network *network_of(struct maker *maker, const char *section,
					     struct spec **ret_spec)
{
	struct definition *definition = maker->definition;
	const char *link = text_after(section, "X-Network:");
	struct definition_network *network;
	size_t links = definition->network_count;

	*ret_spec = maker->spec;
	if (link == NULL)
		return &definition->primary;
	for (size_t i = 0; i < definition->network_count; i++) {
		*ret_spec = maker->links[i];
		if (text_equal(definition->networks[i].link, link))
			return &definition->networks[i];
	}
	*ret_spec = new_spec(maker->arena, definition->path);
	*(struct spec **)list_grow(maker->arena, (void **)&maker->links, &links,
				   sizeof(struct spec *)) = *ret_spec;
	network = list_grow(maker->arena, (void **)&definition->networks,
			    &definition->network_count, sizeof(*network));
	network->link = link;
	network->addresses = &(*ret_spec)->addressing;
	return network;
}

static int refuse_value(struct maker *maker, const struct definition_item *item, const char *value,
			const char *why, const char *expected)
{
	struct arena *arena = maker->arena;

	return refuse(item, arena_format(arena, "'%s=%.80s': %s%s%s%s", item->key,
					 text_printable(arena, value), why, *expected ? " (" : "",
					 expected, *expected ? ")" : ""));
}

static int read_setting(struct maker *maker, const struct definition_item *item,
			const struct key *key, struct spec *spec, const char *value)
{
	static const char *const environment[] = { NULL };
	struct setting_reader reader = {
		.arena = maker->arena,
		.spec = spec,
		.origin = BY_FILE,
		.line = item->line,
		.working_directory = "/",
		.environment = environment,
	};
	int r = setting_apply(&reader, key->setting, value);

	if (r >= 0)
		return 0;
	return refuse_value(maker, item, value, setting_refusal(&reader, r),
			    setting_expectation(maker->arena, key->setting));
}

static const char *expectation(struct arena *arena, const struct key *key)
{
	const char *list = NULL;

	if (key->words == NULL)
		return arena_format(arena, "expected %s", key->value);
	for (size_t i = 0; key->words[i] != NULL; i++)
		list = list == NULL ? key->words[i]
				    : arena_format(arena, "%s%s%s", list,
						   key->words[i + 1] == NULL ? " or " : ", ",
						   key->words[i]);
	return arena_format(arena, "one of %s", list);
}

static int read_value(struct maker *maker, const struct definition_item *item,
		      const struct key *key, const char *value)
{
	struct key_reader reader = {
		.arena = maker->arena,
		.definition = maker->definition,
		.key = key,
	};
	struct spec *spec = maker->spec;
	int r;

	if (text_after(item->section, "X-Network"))
		reader.network = network_of(maker, item->section, &spec);
	if (key->setting != NULL)
		return read_setting(maker, item, key, spec, value);
	if (key->parse == NULL)
		return 0;
	r = key->parse(&reader, value);
	if (r >= 0)
		return 0;
	return refuse_value(maker, item, value,
			    reader.why != NULL ? reader.why
			    : r == -ERANGE     ? "the value is out of range"
					       : "the value is not understood",
			    expectation(maker->arena, key));
}

static int read_item(struct maker *maker, const struct definition_item *item)
{
	struct text_list values = { 0 };
	struct key key;
	int r = 0;

	if (!key_find(&key, item->section, item->key))
		return refuse_key(maker->arena, item);
	if (key.flags & KEY_SPACES)
		text_split(maker->arena, &values, item->value, " \t");
	else
		text_list_add(maker->arena, &values, arena_text(maker->arena, item->value));
	for (size_t i = 0; i < values.count && r >= 0; i++)
		r = read_value(maker, item, &key, values.items[i]);
	return r;
}

static int finish(struct arena *arena, struct definition *definition)
{
	struct definition_image *image = &definition->image;

	/* The profile that names the system says where the root comes from, too. */
	if (image->source == IMAGE_UNSET && definition->nix.profile != NULL) {
		image->source = IMAGE_NIX_PROFILE;
		image->ref = definition->nix.profile;
		image->source_text = arena_format(arena, "nix-profile:%s", image->ref);
	}
	if (definition->image.source == IMAGE_UNSET && !definition->image.root_given)
		definition->image.root = ROOT_DIRECT;
	definition->autostart = definition_value(definition, "X-Install", "WantedBy") != NULL;
	if (definition->spec->boot == TRISTATE_YES && definition->spec->as_pid2 == TRISTATE_YES)
		return fail_input("cannot use '%s': 'Boot=' and 'ProcessTwo=' exclude each other",
				  definition->path);
	if (definition->image.root == ROOT_DIRECT && definition->image.persist.count > 0 &&
	    definition->image.root_given)
		return fail_input("cannot use '%s': with 'Root=direct' all of the tree stays "
				  "(leave 'Persist=' away)",
				  definition->path);
	return 0;
}

int definition_make(struct arena *arena, struct definition *ret, const char *name, const char *path,
		    const struct definition_items *items, const struct definition_facts *facts)
{
	struct definition definition = {
		.name = arena_text(arena, name),
		.path = arena_text(arena, path),
		.managed = definition_is_managed(items),
	};
	struct maker maker = { .arena = arena, .definition = &definition, .facts = facts };
	struct definition_items kept = { 0 };
	int r;

	if (!name_is_machine(name))
		return fail_input("cannot use '%s': '%.80s' is no name for a machine "
				  "(letters, digits, '-' and '.')",
				  definition.path, text_printable(arena, name));
	health_init(&definition.health);
	definition.spec = maker.spec = new_spec(arena, definition.path);
	definition.primary.addresses = &maker.spec->addressing;
	r = keep_items(&maker, &kept, items);
	if (r < 0)
		return r;
	group_items(arena, &definition.items, &kept);
	for (size_t i = 0; i < definition.items.count && r >= 0; i++)
		r = read_item(&maker, &definition.items.items[i]);
	if (r >= 0)
		r = finish(arena, &definition);
	if (r >= 0)
		*ret = definition;
	return r;
}

/* ---- questions ---- */

void definition_values(struct arena *arena, struct text_list *ret,
		       const struct definition *definition, const char *section, const char *key)
{
	struct key known;

	if (!key_find(&known, section, key))
		return;
	for (size_t i = 0; i < definition->items.count; i++) {
		const struct definition_item *item = &definition->items.items[i];
		struct text_list words = { 0 };

		if (!text_equal(item->section, section) || !text_equal(item->key, key))
			continue;
		if (!(known.flags & KEY_SPACES)) {
			text_list_add(arena, ret, arena_text(arena, item->value));
			continue;
		}
		text_split(arena, &words, item->value, " \t");
		for (size_t k = 0; k < words.count; k++)
			text_list_add(arena, ret, words.items[k]);
	}
}

const char *definition_value(const struct definition *definition, const char *section,
			     const char *key)
{
	const char *value = NULL;

	for (size_t i = 0; i < definition->items.count; i++) {
		const struct definition_item *item = &definition->items.items[i];

		if (text_equal(item->section, section) && text_equal(item->key, key))
			value = item->value;
	}
	return value;
}
