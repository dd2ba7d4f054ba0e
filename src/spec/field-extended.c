/* What only a file says, in Redd's own sections: [X-Image], [X-Service], [X-Health], and Names=. */
#include "spec/field.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "format/health.h"
#include "format/property.h"

#define PERSIST_MAX 64
#define SERVICE_MAX 256

/* "MemoryMax" of the row's "X-Service.MemoryMax". */
static const char *key_of(const struct setting *row)
{
	return strchr(row->key, '.') + 1;
}

int field_names(struct setting_reader *reader, const char *value)
{
	struct text_list *list = &reader->spec->names;
	char name[NAME_MAX_LENGTH + 1];

	if (!name_further(name, value))
		return field_refuse(reader, "not a name for a machine");
	if (list->count == SPEC_NAMES_MAX)
		return field_refuse(reader, "too many names");
	if (!text_list_has(list, name))
		text_list_add(reader->arena, list, arena_text(reader->arena, name));
	return 0;
}

int field_persist(struct setting_reader *reader, const char *value)
{
	struct text_list *list = &reader->spec->persist;
	char *path;

	if (!path_is_absolute(value))
		return field_refuse(reader, "not an absolute path");
	path = path_simplify(reader->arena, value);
	if (!path_is_normal(path) || text_equal(path, "/"))
		return field_refuse(reader, "not a directory in the container");
	if (list->count == PERSIST_MAX)
		return field_refuse(reader, "too many directories");
	if (!text_list_has(list, path))
		text_list_add(reader->arena, list, path);
	return 0;
}

/* The host is not asked here, so a value may still turn out to be none for it. */
int field_service(struct setting_reader *reader, const char *value)
{
	struct text_list *list = &reader->spec->service;
	char *text = arena_format(reader->arena, "%s=%s", key_of(reader->row), value);
	struct property property;

	if (strlen(text) > PROPERTY_LENGTH_MAX ||
	    property_parse(reader->arena, &property, text) < 0)
		return field_refuse(reader, "not a value for this setting");
	if (list->count == SERVICE_MAX)
		return field_refuse(reader, "too many settings");
	text_list_add(reader->arena, list, text);
	return 0;
}

int field_health(struct setting_reader *reader, const char *value)
{
	const char *why;

	if (health_set(reader->arena, &reader->spec->health, key_of(reader->row), value, &why) < 0)
		return field_refuse(reader, why);
	return 0;
}

/* ---- as a user would write it ---- */

char *field_print_service(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	struct text_list values = { 0 };

	for (size_t i = 0; i < spec->service.count; i++) {
		const char *value = text_assigned(spec->service.items[i], key_of(row));

		if (value)
			text_list_add(arena, &values, arena_text(arena, value));
	}
	return field_join(arena, &values, "\n");
}

static char *print_span(struct arena *arena, uint64_t us)
{
	return arena_format(arena, "%llums", (unsigned long long)(us / 1000));
}

char *field_print_health(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	const struct health *health = &spec->health;
	const char *key = key_of(row);

	if (health->command.count == 0)
		return NULL;
	if (text_equal(key, "Command"))
		return field_join(arena, &health->command, " ");
	if (text_equal(key, "Interval"))
		return print_span(arena, health->interval_us);
	if (text_equal(key, "Timeout"))
		return print_span(arena, health->timeout_us);
	if (text_equal(key, "StartPeriod"))
		return print_span(arena, health->start_us);
	if (text_equal(key, "Retries"))
		return arena_format(arena, "%u", health->retries);
	return arena_text(arena, health_failure_name(health->on_failure));
}
