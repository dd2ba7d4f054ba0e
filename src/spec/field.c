#include "spec/field.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"

int field_refuse(struct setting_reader *reader, const char *why)
{
	reader->why = why;
	return -EINVAL;
}

const char *field_absolute(const struct setting_reader *reader, const char *path)
{
	if (!path_is_absolute(path))
		path = path_join(reader->arena, reader->working_directory, path);
	return path_simplify(reader->arena, path);
}

char *field_join(struct arena *arena, const struct text_list *list, const char *separator)
{
	size_t size = 1;
	char *joined, *end;

	if (list->count == 0)
		return NULL;
	for (size_t i = 0; i < list->count; i++)
		size += strlen(list->items[i]) + strlen(separator);

	end = joined = arena_take(arena, size);
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			end = stpcpy(end, separator);
		end = stpcpy(end, list->items[i]);
	}
	return joined;
}

int field_flag(struct setting_reader *reader, const char *value)
{
	(void)value;
	*(bool *)field_of(reader) = true;
	return 0;
}

int field_bool(struct setting_reader *reader, const char *value)
{
	bool on;
	int r = parse_bool(&on, value);

	if (r < 0)
		return field_refuse(reader, "not a boolean");
	*(bool *)field_of(reader) = on;
	return 0;
}

int field_tristate(struct setting_reader *reader, const char *value)
{
	bool on = true;

	if (value && parse_bool(&on, value) < 0)
		return field_refuse(reader, "not a boolean");
	*(int *)field_of(reader) = on ? TRISTATE_YES : TRISTATE_NO;
	return 0;
}

int field_constant(struct setting_reader *reader, const char *value)
{
	(void)value;
	*(int *)field_of(reader) = reader->row->constant;
	return 0;
}

static int word_index(const struct setting *row, const char *word)
{
	for (int i = 0; row->words[i]; i++)
		if (text_equal(row->words[i], word))
			return i;
	return -EINVAL;
}

int field_word(struct setting_reader *reader, const char *value)
{
	const struct setting *row = reader->row;
	int index = word_index(row, value ? value : "yes");
	bool on;

	/* Booleans are accepted wherever the words have a place for them. */
	if (index < 0 && parse_bool(&on, value) == 0) {
		index = word_index(row, on ? "yes" : "no");
		if (index < 0)
			index = word_index(row, on ? "auto" : "off");
	}
	if (index < 0)
		return field_refuse(reader, "this word is not known here");
	*(int *)field_of(reader) = row->constant + index;
	return 0;
}

int field_json(struct setting_reader *reader, const char *value)
{
	if (word_index(reader->row, value) < 0)
		return field_refuse(reader, "this word is not known here");
	return field_text(reader, text_equal(value, "off") ? NULL : value);
}

int field_text(struct setting_reader *reader, const char *value)
{
	*(const char **)field_of(reader) = text_empty(value) ? NULL
							     : arena_text(reader->arena, value);
	return 0;
}

int field_path(struct setting_reader *reader, const char *value)
{
	*(const char **)field_of(reader) = text_empty(value) ? NULL : field_absolute(reader, value);
	return 0;
}

int field_texts(struct setting_reader *reader, const char *value)
{
	struct text_list *list = field_of(reader), words = { 0 };
	int r;

	if (reader->origin != BY_FILE) {
		text_list_add(reader->arena, list, arena_text(reader->arena, value));
		return 0;
	}
	r = text_split_quoted(reader->arena, &words, value);
	if (r < 0)
		return field_refuse(reader, "the quotes are not balanced");
	for (size_t i = 0; i < words.count; i++)
		text_list_add(reader->arena, list, words.items[i]);
	return 0;
}

char *field_print_flag(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	return *(const bool *)field_in(row, spec) ? arena_text(arena, "yes") : NULL;
}

char *field_print_tristate(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	int state = *(const int *)field_in(row, spec);

	if (state == TRISTATE_UNSET)
		return NULL;
	return arena_text(arena, state == TRISTATE_YES ? "yes" : "no");
}

char *field_print_wanted(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	return *(const int *)field_in(row, spec) == TRISTATE_YES ? arena_text(arena, "yes") : NULL;
}

/* Also for rows that set a constant: they print only when their constant was chosen. */
char *field_print_word(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	int chosen = *(const int *)field_in(row, spec) - row->constant;
	struct spec untouched;

	if (!row->words)
		return chosen == 0 ? arena_text(arena, "yes") : NULL;
	spec_init(&untouched);
	if (chosen < 0 || chosen + row->constant == *(const int *)field_in(row, &untouched))
		return NULL;
	return arena_text(arena, row->words[chosen]);
}

char *field_print_text(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	return arena_text(arena, *(const char *const *)field_in(row, spec));
}

char *field_print_texts(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	return field_join(arena, field_in(row, spec), "\n");
}
