#include "declare/compare.h"

#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/key.h"

struct comparison {
	struct arena *arena;
	const struct definition *had, *wanted;
	struct compare *result;
	bool rootless;
	struct text_list done; /* "SECTION KEY" */
};

/* The state that stays is dropped only if there is some, and a closure is switched to inside. */
static enum consequence of_image(const struct comparison *comparison)
{
	const struct definition_image *had = &comparison->had->image;
	const struct definition_image *wanted = &comparison->wanted->image;
	bool was_nix = had->source == IMAGE_NIX || had->source == IMAGE_NIX_PROFILE;
	bool is_nix = wanted->source == IMAGE_NIX || wanted->source == IMAGE_NIX_PROFILE;

	if (was_nix && is_nix)
		return CONSEQUENCE_RELOAD;
	if (had->root == wanted->root &&
	    (wanted->root == ROOT_EPHEMERAL || wanted->root == ROOT_DIRECT))
		return CONSEQUENCE_RESTART;
	return CONSEQUENCE_RECREATE;
}

/* A bind that the runner alone can make costs a restart. */
static bool can_add(const struct comparison *comparison, const char *words)
{
	const struct custom_mount_list *mounts = &comparison->wanted->spec->mounts;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct custom_mount *mount = &mounts->items[i];

		if (mount->kind == MOUNT_BIND && text_equal(mount->words, words))
			return mount->source != NULL && !mount->source_in_tree &&
			       mount->recursive &&
			       (mount->idmap == IDMAP_NONE || mount->idmap == IDMAP_FULL);
	}
	return false;
}

/* Where they are is told, and made, at the start alone. */
static bool has_credentials(const struct comparison *comparison)
{
	return comparison->had->credential_count > 0 && comparison->wanted->credential_count > 0;
}

/* Its first link leads to the host, whose filter its supervisor makes. */
static bool has_own_link(const struct spec *spec)
{
	if (spec->group_origin[GROUP_NETWORK] == BY_DEFAULT) /* it gets one */
		return true;
	return (spec->network_veth == TRISTATE_YES || spec->network_zone != NULL) &&
	       spec->network_bridge == NULL;
}

/* Its /etc/resolv.conf is ours, or an address in it, and it can be written. */
static bool has_own_names(const struct definition *definition)
{
	const struct spec *spec = definition->spec;

	return (spec->addressing.dns == DNS_AUTO || spec->addressing.dns == DNS_GIVEN) &&
	       spec->resolv_conf == RESOLV_AUTO && !spec_tree_is_read_only(spec) &&
	       definition->image.source != IMAGE_RAW;
}

static bool can_turn(const struct comparison *comparison, const char *section,
		     const struct key *key)
{
	const struct definition *had = comparison->had, *wanted = comparison->wanted;

	/* They are the whole machine's. */
	if (text_equal(key->name, "Names"))
		return true;
	if (!text_equal(section, "X-Network"))
		return false;
	if (comparison->rootless || !has_own_link(had->spec) || !has_own_link(wanted->spec))
		return false;
	return !text_equal(key->name, "DNS") || (has_own_names(had) && has_own_names(wanted));
}

static void add(struct comparison *comparison, const struct key *key, const char *section,
		const char *old, const char *new)
{
	struct compare *result = comparison->result;
	struct compare_change *change = list_grow(comparison->arena, (void **)&result->changes,
						  &result->count, sizeof(*change));

	*change = (struct compare_change){
		.section = section,
		.key = key->name,
		.old = old,
		.new = new,
		.consequence = key->consequence,
	};
	if (key->consequence == CONSEQUENCE_RECREATE)
		change->consequence = of_image(comparison);
	if (key->flags & KEY_ADDS_LIVE && old == NULL && can_add(comparison, new))
		change->consequence = CONSEQUENCE_LIVE;
	if ((text_equal(section, "X-Credential") && !has_credentials(comparison)) ||
	    (key->consequence == CONSEQUENCE_LIVE && text_after(section, "X-Network") != NULL &&
	     !can_turn(comparison, section, key)))
		change->consequence = CONSEQUENCE_RESTART;
	result->consequence = MAX(result->consequence, change->consequence);
}

/* "true" and "yes" are the same. */
static const char *normal(const struct key *key, const char *value)
{
	bool on, takes_bool = key->value == NULL || text_equal(key->value, "BOOL");

	for (size_t i = 0; key->words != NULL && key->words[i] != NULL; i++)
		takes_bool |= text_equal(key->words[i], "yes");
	return takes_bool && parse_bool(&on, value) >= 0 ? on ? "yes" : "no" : value;
}

static void values_of(struct comparison *comparison, struct text_list *ret,
		      const struct definition *definition, const char *section,
		      const struct key *key)
{
	definition_values(comparison->arena, ret, definition, section, key->name);
	for (size_t i = 0; i < ret->count; i++)
		ret->items[i] = arena_text(comparison->arena, normal(key, ret->items[i]));
}

/* Those of A that are not in B; each of B stands for one of A. */
static void subtract(struct arena *arena, struct text_list *ret, const struct text_list *a,
		     const struct text_list *b)
{
	bool *used = arena_take_array(arena, b->count, sizeof(*used));

	for (size_t i = 0; i < a->count; i++) {
		size_t k = 0;

		while (k < b->count && (used[k] || !text_equal(a->items[i], b->items[k])))
			k++;
		if (k < b->count)
			used[k] = true;
		else
			text_list_add(arena, ret, a->items[i]);
	}
}

static const char *join(struct arena *arena, const struct text_list *list)
{
	const char *text = NULL;

	for (size_t i = 0; i < list->count; i++)
		text = text == NULL ? list->items[i]
				    : arena_format(arena, "%s %s", text, list->items[i]);
	return text;
}

static void compare_key(struct comparison *comparison, const struct definition_item *item)
{
	struct arena *arena = comparison->arena;
	struct text_list had = { 0 }, wanted = { 0 }, gone = { 0 }, new = { 0 };
	char *id = arena_format(arena, "%s %s", item->section, item->key);
	struct key key;

	if (text_list_has(&comparison->done, id) || !key_find(&key, item->section, item->key))
		return;
	text_list_add(arena, &comparison->done, id);
	values_of(comparison, &had, comparison->had, item->section, &key);
	values_of(comparison, &wanted, comparison->wanted, item->section, &key);
	subtract(arena, &gone, &had, &wanted);
	subtract(arena, &new, &wanted, &had);
	if (gone.count == 1 && new.count == 1) {
		add(comparison, &key, item->section, gone.items[0], new.items[0]);
		return;
	}
	for (size_t i = 0; i < gone.count; i++)
		add(comparison, &key, item->section, gone.items[i], NULL);
	for (size_t i = 0; i < new.count; i++)
		add(comparison, &key, item->section, NULL, new.items[i]);
	if (gone.count + new.count > 0 || !(key.flags & KEY_ORDERED))
		return;
	for (size_t i = 0; i < had.count; i++)
		if (!text_equal(had.items[i], wanted.items[i])) {
			add(comparison, &key, item->section, join(arena, &had),
			    join(arena, &wanted));
			return;
		}
}

/* A strategy makes more of what follows, or has it wait; never less. */
static void follow_strategy(struct compare *result, enum reload_strategy strategy)
{
	if (result->consequence >= CONSEQUENCE_LIVE && strategy == RELOAD_RESTART)
		result->consequence = MAX(result->consequence, CONSEQUENCE_RESTART);
	if (result->consequence == CONSEQUENCE_LIVE && strategy == RELOAD_RELOAD)
		result->consequence = CONSEQUENCE_RELOAD;
	result->deferred = result->consequence > CONSEQUENCE_LIVE && strategy == RELOAD_NONE;
}

/* Word for word. Of hundreds of definitions most are. */
static bool is_same(const struct definition *a, const struct definition *b)
{
	if (a == b || a->items.count != b->items.count)
		return a == b;
	for (size_t i = 0; i < a->items.count; i++) {
		const struct definition_item *first = &a->items.items[i];
		const struct definition_item *second = &b->items.items[i];

		if (!text_equal(first->value, second->value) ||
		    !text_equal(first->key, second->key) ||
		    !text_equal(first->section, second->section))
			return false;
	}
	return true;
}

void compare_definitions(struct arena *arena, struct compare *ret, const struct definition *had,
			 const struct definition *wanted, bool rootless)
{
	struct comparison comparison = {
		.arena = arena,
		.rootless = rootless,
		.had = had,
		.wanted = wanted,
		.result = ret,
	};

	*ret = (struct compare){ .consequence = CONSEQUENCE_NONE };
	if (is_same(had, wanted))
		return;
	for (size_t i = 0; i < had->items.count; i++)
		compare_key(&comparison, &had->items.items[i]);
	for (size_t i = 0; i < wanted->items.count; i++)
		compare_key(&comparison, &wanted->items.items[i]);
	follow_strategy(ret, wanted->reload.strategy);
}

const char *compare_shown(struct arena *arena, const struct compare_change *change,
			  const char *value)
{
	const char *colon = value == NULL ? NULL : strchr(value, ':');

	if (colon == NULL || !text_equal(change->section, "X-Credential"))
		return value;
	return arena_text_n(arena, value, (size_t)(colon - value));
}
