#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "spec/settings.h"

const struct setting *setting_by_option(const char *option, size_t length, bool *ret_ambiguous)
{
	const struct setting *found = NULL;
	bool ambiguous = false;

	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];

		if (!row->option || strncmp(row->option, option, length) != 0)
			continue;
		if (!row->option[length]) {
			*ret_ambiguous = false;
			return row;
		}
		ambiguous = found != NULL;
		found = row;
	}
	*ret_ambiguous = ambiguous;
	return ambiguous ? NULL : found;
}

const struct setting *setting_by_letter(char letter)
{
	for (size_t i = 0; i < spec_settings_count; i++)
		if (spec_settings[i].letter == letter && letter)
			return &spec_settings[i];
	return NULL;
}

const struct setting *setting_by_key(const char *section, const char *key)
{
	size_t length = strlen(section);

	for (size_t i = 0; i < spec_settings_count; i++) {
		const char *known = spec_settings[i].key;

		if (known && *known == *section && strncmp(known, section, length) == 0 &&
		    known[length] == '.' && text_equal(known + length + 1, key))
			return &spec_settings[i];
	}
	return NULL;
}

int setting_apply(struct setting_reader *reader, const struct setting *row, const char *value)
{
	uint32_t *lines = reader->spec->setting_line, before = lines[row - spec_settings];
	bool ambiguous;
	int r;

	reader->row = row;
	reader->why = NULL;
	/* The parser may want to know who asks. */
	lines[row - spec_settings] = reader->line;
	r = row->parse(reader, value);
	if (r < 0) {
		lines[row - spec_settings] = before;
		return r;
	}
	if (row->stands_for) {
		row = setting_by_option(row->stands_for, strlen(row->stands_for), &ambiguous);
		lines[row - spec_settings] = reader->line;
	}
	if (row->group != GROUP_NONE)
		reader->spec->group_origin[row->group] = reader->origin;
	return 0;
}

const char *setting_refusal(const struct setting_reader *reader, int code)
{
	if (reader->why)
		return reader->why;
	return code == -ERANGE ? "the value is out of range" : "the value is not understood";
}

const char *setting_expectation(struct arena *arena, const struct setting *row)
{
	struct text_list words = { 0 };
	const char *list, *number;

	if (!row->words || row->words[0] == NULL)
		return row->value ? arena_format(arena, "expected %s", row->value) : "";
	for (size_t i = 0; row->words[i]; i++)
		text_list_add(arena, &words, arena_text(arena, row->words[i]));
	/* A list that nobody would read in a sentence has its own way of being printed. */
	if (words.count > 15 && strchr(row->value, '='))
		return arena_format(arena, "expected %s", row->value);
	if (words.count > 15)
		return arena_format(arena, "--%s=help lists them", row->option);
	list = words.items[0];
	for (size_t i = 1; i < words.count; i++)
		list = arena_format(arena, "%s%s%s", list, i + 1 < words.count ? ", " : " or ",
				    words.items[i]);
	number = text_after(row->value, "WORD|");
	return arena_format(arena, "one of %s%s%s", list, number ? ", or " : "",
			    number ? number : "");
}

const char *setting_reason(struct arena *arena, const struct spec *spec, const struct setting *row)
{
	uint32_t line = spec->setting_line[row - spec_settings];

	if (line == 0)
		return "default";
	if (line != SPEC_LINE_OPTION)
		return arena_format(arena, "%s line %u", path_name(spec_file_of(spec, line)),
				    SPEC_LINE_NUMBER(line));
	if (!row->option)
		return row->letter ? arena_format(arena, "-%c", row->letter) : "command line";
	return arena_format(arena, "--%s%s", row->option, row->value ? "=" : "");
}
