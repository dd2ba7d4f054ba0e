#include "declare/unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/ini.h"

#define SUFFIX ".nspawn"

struct writer {
	struct arena *arena;
	const char *text;
	size_t size;
	struct text_list out; /* lines */
};

static void add(struct writer *writer, const char *line)
{
	text_list_add(writer->arena, &writer->out, arena_text(writer->arena, line));
}

static char *joined(struct arena *arena, const struct text_list *list, char separator)
{
	size_t size = 0;
	char *result, *out;

	for (size_t i = 0; i < list->count; i++)
		size += strlen(list->items[i]) + 1;
	result = out = arena_take(arena, size + 1);
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			*out++ = separator;
		out = stpcpy(out, list->items[i]);
	}
	return result;
}

/* Whose values are names of units. */
static bool names_units(const char *section, const char *key)
{
	static const char *const keys[] = { "After",
					    "Before",
					    "Requires",
					    "Requisite",
					    "Wants",
					    "BindsTo",
					    "PartOf",
					    "Upholds",
					    "Conflicts",
					    "OnFailure",
					    "OnSuccess",
					    "PropagatesReloadTo",
					    "ReloadPropagatedFrom",
					    "PropagatesStopTo",
					    "StopPropagatedFrom",
					    "JoinsNamespaceOf" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (text_equal(key, keys[i]))
			return text_equal(section, "X-Unit");
	return false;
}

/* "db.nspawn" is the machine "db", ready. */
static char *with_units(struct arena *arena, const char *value)
{
	struct text_list words = { 0 };

	text_split(arena, &words, value, " \t");
	for (size_t i = 0; i < words.count; i++) {
		char *word = words.items[i];

		if (text_ends(word, SUFFIX) && strchr(word, '/') == NULL)
			words.items[i] = arena_format(arena, "container@%.*s.service",
						      (int)(strlen(word) - strlen(SUFFIX)), word);
	}
	return joined(arena, &words, ' ');
}

static void add_section(struct writer *writer, const char *section, const char *heading)
{
	struct ini_item item;
	struct ini ini;
	bool any = false;

	if (ini_start(&ini, writer->arena, writer->text, writer->size) < 0)
		return;
	while (ini_next(&ini, &item) > 0) {
		const char *value;

		if (item.kind != INI_ASSIGNMENT || !text_equal(item.section, section))
			continue;
		/* For systemd the rest would be an assignment of its own. */
		if (!ini_is_line(item.key) || !ini_is_line(item.value) ||
		    text_ends(item.value, "\\"))
			continue;
		if (!any)
			add(writer, heading);
		any = true;
		value = item.value;
		if (names_units(section, item.key))
			value = with_units(writer->arena, value);
		add(writer, arena_format(writer->arena, "%s=%s", item.key, value));
	}
}

static const char *last_value(struct arena *arena, const char *text, size_t size,
			      const char *section, const char *key)
{
	const char *value = NULL;
	struct ini_item item;
	struct ini ini;

	if (ini_start(&ini, arena, text, size) < 0)
		return NULL;
	while (ini_next(&ini, &item) > 0)
		if (item.kind == INI_ASSIGNMENT && text_equal(item.section, section) &&
		    text_equal(item.key, key))
			value = arena_text(arena, item.value);
	return text_empty(value) ? NULL : value;
}

/* For systemd a percent sign begins a specifier, a dollar a variable, and a bare semicolon another
 * command, which would be the host's. */
static const char *quoted(struct arena *arena, const char *word)
{
	char *result = arena_take(arena, 4 * strlen(word) + 3), *out = result;

	*out++ = '"';
	for (; *word != '\0'; word++) {
		if ((unsigned char)*word < ' ') {
			out = stpcpy(out, arena_format(arena, "\\x%02x", (unsigned int)*word));
			continue;
		}
		if (strchr("%$", *word) != NULL)
			*out++ = *word;
		else if (strchr("\"\\", *word) != NULL)
			*out++ = '\\';
		*out++ = *word;
	}
	stpcpy(out, "\"");
	return result;
}

/* NULL: there is none, or none that can be split into words. */
static char *reload_command(struct writer *writer, const char *programs)
{
	struct arena *arena = writer->arena;
	const char *command = last_value(arena, writer->text, writer->size, "X-Reload", "Command");
	struct text_list words = { 0 };
	char *line;

	if (command == NULL || text_split_quoted(arena, &words, command) < 0 || words.count == 0)
		return NULL;
	line = arena_format(arena, "[Service]\nExecReload=%s/machinectl --quiet exec %%i --",
			    programs);
	for (size_t i = 0; i < words.count; i++)
		line = arena_format(arena, "%s %s", line, quoted(arena, words.items[i]));
	return line;
}

char *unit_drop_in(struct arena *arena, const char *text, size_t size, const char *path,
		   const char *programs)
{
	struct writer writer = { .arena = arena, .text = text, .size = size };
	char *reload = reload_command(&writer, programs);

	add_section(&writer, "X-Unit", "[Unit]");
	if (reload != NULL)
		add(&writer, reload);
	add_section(&writer, "X-Service", "[Service]");
	if (writer.out.count == 0)
		return NULL;
	return arena_format(arena, "# Made from %s when systemd looked at its units.\n\n%s\n", path,
			    joined(arena, &writer.out, '\n'));
}

bool unit_starts_at_boot(struct arena *arena, const char *text, size_t size)
{
	return last_value(arena, text, size, "X-Install", "WantedBy") != NULL;
}
