#include "spec/print.h"

#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "spec/field.h"
#include "spec/settings.h"

#define PAGE_WIDTH 80
#define USAGE "%s%s%s [OPTIONS…] [COMMAND [ARGUMENTS…]]"
#define SUMMARY "Run a command, or boot a whole operating system, in a container."
#define TEXT_COLUMN 30

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t text_width(const char *text, size_t length)
{
	size_t width = 0;

	for (size_t i = 0; i < length; i++)
		width += ((unsigned char)text[i] & 0xC0) != 0x80;
	return width;
}

/* Fill lines behind LEAD, which stands alone if it is longer than TEXT_COLUMN. */
static void add_paragraph(struct arena *arena, struct text_list *lines, const char *lead,
			  const char *text)
{
	const char *line = lead;
	size_t used = text_width(lead, strlen(lead));
	bool empty = true;

	if (used + 2 > TEXT_COLUMN) {
		text_list_add(arena, lines, arena_text(arena, lead));
		line = "";
		used = 0;
	}
	line = arena_format(arena, "%s%*s", line, (int)(TEXT_COLUMN - used), "");
	used = TEXT_COLUMN;
	while (*text) {
		size_t length = strcspn(text, " "), width = text_width(text, length);

		if (!empty && used + 1 + width > PAGE_WIDTH) {
			text_list_add(arena, lines, arena_text(arena, line));
			line = arena_format(arena, "%*s", TEXT_COLUMN, "");
			used = TEXT_COLUMN;
			empty = true;
		}
		line = arena_format(arena, "%s%s%.*s", line, empty ? "" : " ", (int)length, text);
		used += width + !empty;
		empty = false;
		text += length;
		text += strspn(text, " ");
	}
	text_list_add(arena, lines, arena_text(arena, line));
}

static void add_option(struct arena *arena, struct text_list *lines, const struct setting *row)
{
	bool optional = row->flags & SETTING_OPTIONAL_VALUE;
	const char *lead = row->letter ? arena_format(arena, "  -%c", row->letter) : "     ";

	if (row->option)
		lead = arena_format(arena, "%s%s--%s", lead, row->letter ? ", " : " ", row->option);
	if (row->option && row->value)
		lead = arena_format(arena, "%s%s=%s%s", lead, optional ? "[" : "", row->value,
				    optional ? "]" : "");
	add_paragraph(arena, lines, lead,
		      row->unbuilt ? arena_format(arena, "%s (not built yet)", row->help)
				   : row->help);
}

char *spec_help(struct arena *arena, const char *program, bool colour)
{
	const char *bold = colour ? "\033[1m" : "", *plain = colour ? "\033[0m" : "";
	const char *section = NULL;
	struct text_list lines = { 0 };

	text_list_add(arena, &lines, arena_format(arena, USAGE, bold, program, plain));
	text_list_add(arena, &lines, arena_text(arena, ""));
	text_list_add(arena, &lines, arena_text(arena, SUMMARY));
	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];

		if ((!row->option && !row->letter) || row->flags & SETTING_HIDDEN)
			continue;
		if (!text_equal(section, row->section)) {
			section = row->section;
			text_list_add(arena, &lines,
				      arena_format(arena, "\n%s%s:%s", bold, section, plain));
		}
		add_option(arena, &lines, row);
	}
	text_list_add(arena, &lines,
		      arena_format(arena, "\nMore: man %s, man systemd.nspawn", program));
	return field_join(arena, &lines, "\n");
}

char *spec_version(struct arena *arena, const char *program)
{
	return arena_format(arena, "%s (Redd) %s", program, spec_version_number);
}

char *spec_words(struct arena *arena, const struct setting *row)
{
	struct text_list words = { 0 };

	for (size_t i = 0; row->words && row->words[i]; i++)
		text_list_add(arena, &words, arena_text(arena, row->words[i]));
	return field_join(arena, &words, "\n");
}

static void add_setting(struct arena *arena, struct text_list *lines, const struct spec *spec,
			const struct setting *row)
{
	const char *name = row->option ? row->option : row->key, *who;
	char *value = row->print ? row->print(arena, row, spec) : NULL;
	struct text_list values = { 0 };

	if (!value || spec->setting_line[row - spec_settings] == 0)
		return;
	who = setting_reason(arena, spec, row);
	text_split(arena, &values, value, "\n");
	for (size_t i = 0; i < values.count; i++) {
		value = values.items[i];
		text_list_add(arena, lines, arena_format(arena, "%s=%s  (%s)", name, value, who));
	}
}

char *spec_print(struct arena *arena, const struct spec *spec)
{
	struct text_list lines = { 0 };

	for (size_t i = 0; i < spec_settings_count; i++)
		add_setting(arena, &lines, spec, &spec_settings[i]);
	return lines.count > 0 ? field_join(arena, &lines, "\n") : arena_text(arena, "");
}
