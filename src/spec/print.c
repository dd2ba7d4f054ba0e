#include "spec/print.h"

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "format/help.h"
#include "spec/field.h"
#include "spec/settings.h"

#define ARGUMENTS "[OPTIONS…] [COMMAND [ARGUMENTS…]]"
#define SUMMARY "Run a command, or boot a whole operating system, in a container."

static void add_option(struct help *help, const struct setting *row)
{
	struct arena *arena = help->arena;

	help_entry(help,
		   help_option(arena, row->letter, row->option, row->option ? row->value : NULL,
			       row->flags & SETTING_OPTIONAL_VALUE),
		   row->unbuilt ? arena_format(arena, "%s (not built yet)", row->help) : row->help);
}

char *spec_help(struct arena *arena, const char *program, bool colour)
{
	const char *section = NULL;
	struct help help;

	help_init(&help, arena, colour, program, ARGUMENTS, SUMMARY);
	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];

		if ((!row->option && !row->letter) || row->flags & SETTING_HIDDEN)
			continue;
		if (!text_equal(section, row->section)) {
			section = row->section;
			help_heading(&help, section);
		}
		add_option(&help, row);
	}
	return help_done(&help, arena_format(arena, "man %s, man systemd.nspawn", program));
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
