#include "format/openmetrics.h"

#include <string.h>

#include "base/arena.h"
#include "base/macros.h"

void openmetrics_init(struct openmetrics *out, struct arena *arena)
{
	*out = (struct openmetrics){ .arena = arena, .room = 4096 };
	out->text = arena_take(arena, out->room);
}

static void put_n(struct openmetrics *out, const char *text, size_t length)
{
	if (out->used + length + 1 > out->room) {
		char *larger;

		out->room = (out->room + length) * 2;
		larger = arena_take(out->arena, out->room);
		memcpy(larger, out->text, out->used);
		out->text = larger;
	}
	memcpy(out->text + out->used, text, length);
	out->used += length;
}

static void put(struct openmetrics *out, const char *text)
{
	put_n(out, text, strlen(text));
}

void openmetrics_family(struct openmetrics *out, const char *name, enum openmetrics_type type,
			const char *unit, const char *help)
{
	out->family = name;
	out->suffix = type == OPENMETRICS_COUNTER ? "_total" : "";
	put(out, arena_format(out->arena, "# TYPE %s %s\n", name,
			      type == OPENMETRICS_COUNTER ? "counter" : "gauge"));
	if (unit != NULL)
		put(out, arena_format(out->arena, "# UNIT %s %s\n", name, unit));
	put(out, arena_format(out->arena, "# HELP %s %s\n", name, help));
}

static void put_label(struct openmetrics *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			put(out, "\\n");
		else if (*value == '"' || *value == '\\')
			put_n(out, (char[]){ '\\', *value }, 2);
		else
			put_n(out, value, 1);
	}
}

void openmetrics_sample(struct openmetrics *out, const char *const *labels, uint64_t value,
			uint32_t divisor)
{
	unsigned long long whole = value / divisor, rest = value % divisor;

	put(out, out->family);
	put(out, out->suffix);
	for (size_t i = 0; labels[i] != NULL; i += 2) {
		put(out, i == 0 ? "{" : ",");
		put(out, labels[i]);
		put(out, "=\"");
		put_label(out, labels[i + 1]);
		put(out, "\"");
	}
	put(out, labels[0] != NULL ? "} " : " ");
	if (divisor == 1)
		put(out, arena_format(out->arena, "%llu\n", whole));
	else
		put(out,
		    arena_format(out->arena, "%llu.%06llu\n", whole, rest * (1000000 / divisor)));
}

const char *openmetrics_done(struct openmetrics *out)
{
	put_n(out, "# EOF\n", sizeof("# EOF\n")); /* with its NUL */
	return out->text;
}
