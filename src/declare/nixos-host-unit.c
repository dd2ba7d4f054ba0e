#include "declare/nixos-host-unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/nixos-store.h"
#include "declare/nixos.h"
#include "format/ini.h"
#include "format/nixos-script.h"
#include "io/file.h"

#define UNIT_SIZE_MAX (64 * 1024)
#define LINKS_MAX 16

struct unit {
	const char *start, *after; /* ExecStart=, ExecStartPost= */
	const char *timeout;	   /* TimeoutStartSec= */
	struct text_list devices;  /* DeviceAllow= */
	struct nixos_script script;
};

/* ---- where it is ---- */

/* NULL: it is no link. */
static char *follow(struct arena *arena, const char *path)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target));
	char *text;

	if (length <= 0 || (size_t)length == sizeof(target))
		return NULL;
	text = arena_text_n(arena, target, (size_t)length);
	return path_is_absolute(text) ? text : path_join(arena, path_parent(arena, path), text);
}

/* Only what lies in the store was made by a host's configuration. */
static char *find_unit(struct arena *arena, const struct nixos *nixos)
{
	const char *path = nixos->conf_path;

	for (size_t i = 0; i < LINKS_MAX && path != NULL; i++) {
		const char *above = path_parent(arena, path_parent(arena, path));
		char real[PATH_MAX];

		if (realpath(arena_format(arena, "%s/systemd/system/container@%s.service", above,
					  nixos->name),
			     real) != NULL &&
		    path_is_below(real, NIXOS_STORE_DIRECTORY))
			return arena_text(arena, real);
		path = follow(arena, path);
	}
	return NULL;
}

/* ---- what it says ---- */

static void take_assignment(struct arena *arena, struct unit *unit, const struct ini_item *item)
{
	const char **const last = text_equal(item->key, "ExecStart")	     ? &unit->start
				  : text_equal(item->key, "ExecStartPost")   ? &unit->after
				  : text_equal(item->key, "TimeoutStartSec") ? &unit->timeout
									     : NULL;
	char *value = arena_text(arena, item->value);

	if (last != NULL)
		*last = *value == '\0' ? NULL : value;
	else if (text_equal(item->key, "DeviceAllow") && *value == '\0')
		text_list_clear(&unit->devices);
	else if (text_equal(item->key, "DeviceAllow") && ini_is_line(value))
		text_list_add(arena, &unit->devices, value);
}

static int read_unit(struct arena *arena, struct unit *unit, const char *path)
{
	struct ini_item item;
	struct ini ini;
	char *text;
	size_t size;
	int r = file_read(arena, &text, &size, AT_FDCWD, path, UNIT_SIZE_MAX);

	if (r >= 0)
		r = ini_start(&ini, arena, text, size);
	while (r >= 0 && (r = ini_next(&ini, &item)) > 0)
		if (item.kind == INI_ASSIGNMENT && text_equal(item.section, "Service"))
			take_assignment(arena, unit, &item);
	return r;
}

static int read_script(struct arena *arena, char **ret, size_t *ret_size, const char *path)
{
	/* One path, and no words or signs of systemd's before and behind it. */
	if (!path_is_below(path, NIXOS_STORE_DIRECTORY) || strpbrk(path, " \t%$\"'\\") != NULL)
		return -EINVAL;
	return file_read(arena, ret, ret_size, AT_FDCWD, path, NIXOS_SCRIPT_SIZE_MAX);
}

static void refuse(const struct nixos *nixos, const struct nixos_script *script, const char *path,
		   int code)
{
	log_warning("cannot understand '%s' (line %u: %s), going on without what only the unit of "
		    "container '%s' says (write that to '%s')",
		    path, script->line, script->why != NULL ? script->why : strerror(-code),
		    nixos->name, nixos->companion);
}

/* 0: it is understood, as far as there is any. */
static int read_links(struct arena *arena, struct unit *unit, const struct nixos *nixos,
		      const char *path, bool inside)
{
	char *text;
	size_t size;
	int r;

	if (path == NULL || unit->script.link_count == 0)
		return 0;
	r = read_script(arena, &text, &size, path);
	if (r >= 0)
		r = nixos_script_links(arena, &unit->script, text, size, inside);
	if (r < 0)
		refuse(nixos, &unit->script, path, r);
	return r;
}

static int read_scripts(struct arena *arena, struct unit *unit, const struct nixos *nixos,
			const char *path)
{
	char *text;
	size_t size;
	int r = unit->start == NULL ? -EINVAL : read_script(arena, &text, &size, unit->start);

	if (r >= 0)
		r = nixos_script_start(arena, &unit->script, text, size);
	if (r < 0) {
		refuse(nixos, &unit->script, unit->start != NULL ? unit->start : path, r);
		return r;
	}
	r = read_links(arena, unit, nixos, unit->after, false);
	return r < 0 ? r : read_links(arena, unit, nixos, unit->script.init, true);
}

/* ---- as settings ---- */

struct writer {
	struct arena *arena;
	char *text;
	const char *section; /* that is open */
};

static void add(struct writer *writer, const char *section, const char *key, const char *value)
{
	if (!text_equal(writer->section, section))
		writer->text = arena_format(writer->arena, "%s[%s]\n", writer->text, section);
	writer->section = section;
	writer->text = arena_format(writer->arena, "%s%s=%s\n", writer->text, key, value);
}

static void add_all(struct writer *writer, const char *section, const char *key,
		    const struct text_list *values)
{
	for (size_t i = 0; i < values->count; i++)
		add(writer, section, key, values->items[i]);
}

/* The options have commas where the settings have blanks. */
static void add_capabilities(struct writer *writer, const struct text_list *values)
{
	for (size_t i = 0; i < values->count; i++) {
		struct text_list names = { 0 };

		text_split(writer->arena, &names, values->items[i], ",");
		add_all(writer, "Exec", "Capability", &names);
	}
}

static void add_links(struct writer *writer, const struct nixos_script *script)
{
	for (size_t i = 0; i < script->link_count; i++)
		add(writer, "Network", "VirtualEthernetExtra", script->links[i].name);
	for (size_t i = 0; i < script->link_count; i++) {
		const struct nixos_script_link *link = &script->links[i];
		const char *section = arena_format(writer->arena, "X-Network:%s", link->name);

		if (link->bridge != NULL)
			add(writer, section, "Bridge", link->bridge);
		add_all(writer, section, "HostAddress", &link->host);
		add_all(writer, section, "Address", &link->local);
	}
}

static char *unit_text(struct arena *arena, const struct unit *unit)
{
	struct writer writer = { arena, arena_text(arena, ""), NULL };

	if (unit->script.ephemeral)
		add(&writer, "Exec", "Ephemeral", "yes");
	add_capabilities(&writer, &unit->script.capabilities);
	add_all(&writer, "Files", "TemporaryFileSystem", &unit->script.tmpfs);
	add_links(&writer, &unit->script);
	add_all(&writer, "X-Service", "DeviceAllow", &unit->devices);
	if (unit->timeout != NULL && ini_is_line(unit->timeout))
		add(&writer, "X-Service", "TimeoutStartSec", unit->timeout);
	return writer.text;
}

char *nixos_host_unit_settings(struct arena *arena, const struct nixos *nixos)
{
	const char *path = find_unit(arena, nixos);
	struct unit unit = { 0 };
	char *text;
	int r;

	if (path == NULL)
		return NULL;
	r = read_unit(arena, &unit, path);
	if (r < 0)
		refuse(nixos, &unit.script, path, r);
	if (r < 0 || read_scripts(arena, &unit, nixos, path) < 0)
		return NULL;
	text = unit_text(arena, &unit);
	return *text == '\0' ? NULL : arena_format(arena, "# Made from %s.\n%s", path, text);
}
