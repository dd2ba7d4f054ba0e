#include "declare/export.h"

#include <netinet/in.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/export-part.h"
#include "format/port.h"

const char *const export_words[EXPORT_FORMATS + 1] = {
	[EXPORT_NSPAWN] = "nspawn",   [EXPORT_NIXOS_CONF] = "nixos-conf",
	[EXPORT_QUADLET] = "quadlet", [EXPORT_COMPOSE] = "compose",
	[EXPORT_OCI] = "oci",
};

void export_add(struct export *export, const char *group, const char *key, const char *value)
{
	struct export_line *line = list_grow(export->arena, (void **)&export->lines, &export->count,
					     sizeof(*line));

	*line = (struct export_line){ group, key, value };
}

static const struct export_row *find_row(const struct export_row *rows, size_t count,
					 const struct definition_item *item)
{
	for (size_t i = 0; i < count; i++) {
		const char *rest = text_after(rows[i].from, item->section);

		if (rest != NULL && *rest == '.' &&
		    (text_equal(rest + 1, "*") || text_equal(rest + 1, item->key)))
			return &rows[i];
	}
	return NULL;
}

/* Of a secret nothing but its name. */
static void leave(struct export *export, const struct definition_item *item)
{
	bool secret = text_equal(item->section, "X-Credential");
	size_t length = secret ? strcspn(item->value, ":") : strlen(item->value);

	text_list_add(export->arena, &export->left,
		      arena_format(export->arena, "[%s] %s=%.*s%s", item->section, item->key,
				   (int)length, item->value, secret ? ":…" : ""));
}

void export_walk(struct export *export, const struct export_row *rows, size_t count)
{
	const struct definition_items *items = &export->definition->items;

	for (size_t i = 0; i < items->count; i++) {
		const struct definition_item *item = &items->items[i];
		const struct export_row *row = find_row(rows, count, item);
		struct export_row any;

		if (row != NULL && row->key == NULL) {
			any = *row;
			any.key = item->key;
			row = &any;
		}
		if (row == NULL || !row->say(export, row, item->value))
			leave(export, item);
	}
}

/* ---- how values are said ---- */

bool export_as_is(struct export *export, const struct export_row *row, const char *value)
{
	export_add(export, row->group, row->key, value);
	return true;
}

bool export_nothing(struct export *export, const struct export_row *row, const char *value)
{
	(void)export;
	(void)row;
	(void)value;
	return true;
}

static bool if_bool(struct export *export, const struct export_row *row, const char *value,
		    bool wanted)
{
	bool on;

	if (parse_bool(&on, value) < 0 || on != wanted)
		return false;
	if (row->group != NULL)
		export_add(export, row->group, row->key, wanted ? "true" : "false");
	return true;
}

bool export_if_yes(struct export *export, const struct export_row *row, const char *value)
{
	return if_bool(export, row, value, true);
}

bool export_if_no(struct export *export, const struct export_row *row, const char *value)
{
	return if_bool(export, row, value, false);
}

static bool add_words(struct export *export, const struct export_row *row,
		      const struct text_list *words)
{
	for (size_t i = 0; i < words->count; i++)
		export_add(export, row->group, row->key, words->items[i]);
	return true;
}

bool export_each(struct export *export, const struct export_row *row, const char *value)
{
	struct text_list words = { 0 };

	text_split(export->arena, &words, value, " \t");
	return add_words(export, row, &words);
}

bool export_each_quoted(struct export *export, const struct export_row *row, const char *value)
{
	struct text_list words = { 0 };

	return text_split_quoted(export->arena, &words, value) >= 0 &&
	       add_words(export, row, &words);
}

static const char *range(struct arena *arena, uint16_t first, uint16_t count)
{
	return count == 1 ? arena_format(arena, "%u", first)
			  : arena_format(arena, "%u-%u", first, first + count - 1U);
}

bool export_port(struct export *export, const struct export_row *row, const char *value)
{
	struct arena *arena = export->arena;
	const char *why, *address = "";
	char text[IP_TEXT_ROOM];
	struct port port;

	if (port_parse(&port, value, &why) < 0)
		return false;
	if (port.address.family == AF_INET)
		address = arena_format(arena, "%s:", ip_text(text, &port.address));
	if (port.address.family == AF_INET6)
		address = arena_format(arena, "[%s]:", ip_text(text, &port.address));
	export_add(export, row->group, row->key,
		   arena_format(arena, "%s%s:%s%s", address, range(arena, port.host, port.count),
				range(arena, port.container, port.count),
				port.protocol == IPPROTO_UDP ? "/udp" : ""));
	return true;
}

const struct custom_mount *export_find_bind(const struct export *export, const char *value)
{
	const struct custom_mount_list *mounts = &export->definition->spec->mounts;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct custom_mount *mount = &mounts->items[i];

		if (mount->kind == MOUNT_BIND && text_equal(mount->words, value) &&
		    mount->source != NULL && !mount->source_in_tree)
			return mount;
	}
	return NULL;
}

bool export_bind(struct export *export, const struct export_row *row, const char *value)
{
	const struct custom_mount *mount = export_find_bind(export, value);

	if (mount == NULL || strchr(mount->source, ':') || strchr(mount->destination, ':'))
		return false;
	export_add(export, row->group, row->key,
		   arena_format(export->arena, "%s:%s%s", mount->source, mount->destination,
				mount->read_only ? ":ro" : ""));
	return true;
}

bool export_image(struct export *export, const struct export_row *row, const char *value)
{
	const char *ref = text_after(value, "oci:");

	if (ref != NULL)
		export_add(export, row->group, row->key, ref);
	return ref != NULL;
}

bool export_time(struct export *export, const struct export_row *row, const char *value)
{
	uint64_t us;

	if (parse_seconds_us(&us, value, 1000000) < 0)
		return false;
	export_add(export, row->group, row->key,
		   us % 1000000 == 0
			   ? arena_format(export->arena, "%llus", (unsigned long long)us / 1000000)
			   : arena_format(export->arena, "%llums", (unsigned long long)us / 1000));
	return true;
}

const char *export_volume(struct export *export, const char *path)
{
	char *name = arena_format(export->arena, "%s%s", export->definition->name, path);

	for (char *at = name; *at != '\0'; at++)
		if (*at == '/')
			*at = '-';
	return name;
}

bool export_persist(struct export *export, const struct export_row *row, const char *value)
{
	struct text_list paths = { 0 };

	text_split(export->arena, &paths, value, " \t");
	for (size_t i = 0; i < paths.count; i++)
		export_add(export, row->group, row->key,
			   arena_format(export->arena, "%s:%s",
					export_volume(export, paths.items[i]), paths.items[i]));
	return true;
}

static int export_nspawn(struct export *export, const char **ret)
{
	*ret = definition_print(export->arena, export->definition, false);
	return 0;
}

int export_definition(struct arena *arena, struct export_result *ret,
		      const struct definition *definition, enum export_format format)
{
	static int (*const formats[EXPORT_FORMATS])(struct export *, const char **) = {
		[EXPORT_NSPAWN] = export_nspawn,   [EXPORT_NIXOS_CONF] = export_nixos_conf,
		[EXPORT_QUADLET] = export_quadlet, [EXPORT_COMPOSE] = export_compose,
		[EXPORT_OCI] = export_oci,
	};
	struct export export = { .arena = arena, .definition = definition };
	const char *text;
	int r = formats[format](&export, &text);

	if (r >= 0)
		*ret = (struct export_result){ text, export.left };
	return r;
}
