#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "format/json-out.h"

void table_init(struct table *table, struct arena *arena, const struct column *columns,
		size_t width)
{
	*table = (struct table){ .arena = arena, .columns = columns, .width = width };
}

static struct cell *add(struct table *table)
{
	return list_grow(table->arena, (void **)&table->cells, &table->count, sizeof(struct cell));
}

void table_text(struct table *table, const char *text)
{
	*add(table) = (struct cell){ .set = !text_empty(text), .text = text };
}

void table_number(struct table *table, uint64_t number)
{
	*add(table) = (struct cell){ .set = true, .number = number };
}

void table_bool(struct table *table, bool value)
{
	table_number(table, value);
}

void table_empty(struct table *table)
{
	(void)add(table);
}

size_t table_rows(const struct table *table)
{
	return table->count / table->width;
}

char *table_size_text(struct arena *arena, uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	uint64_t whole = bytes, tenths = 0;
	size_t unit = 0;

	for (; whole >= 1024 && unit + 2 < sizeof(units); unit++) {
		tenths = whole % 1024 * 10 / 1024;
		whole /= 1024;
	}
	if (unit == 0 || tenths == 0)
		return arena_format(arena, "%llu%c", (unsigned long long)whole, units[unit]);
	return arena_format(arena, "%llu.%llu%c", (unsigned long long)whole,
			    (unsigned long long)tenths, units[unit]);
}

char *table_duration_text(struct arena *arena, uint64_t us)
{
	unsigned long long seconds = us / 1000000;

	if (seconds < 60)
		return arena_format(arena, "%llu.%03llus", seconds,
				    (unsigned long long)(us / 1000 % 1000));
	if (seconds < 3600)
		return arena_format(arena, "%llumin %llus", seconds / 60, seconds % 60);
	return arena_format(arena, "%lluh %llumin", seconds / 3600, seconds / 60 % 60);
}

char *table_time_text(struct arena *arena, uint64_t realtime_us)
{
	time_t seconds = (time_t)(realtime_us / 1000000);
	struct tm parts;
	char text[64];

	if (localtime_r(&seconds, &parts) == NULL ||
	    strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M:%S %Z", &parts) == 0)
		return arena_text(arena, "");
	return arena_text(arena, text);
}

static const char *cell_text(const struct table *table, size_t column, const struct cell *cell)
{
	if (!cell->set)
		return "-";
	switch (table->columns[column].kind) {
	case COLUMN_TEXT: return cell->text;
	case COLUMN_NUMBER:
		return arena_format(table->arena, "%llu", (unsigned long long)cell->number);
	case COLUMN_SIZE: return table_size_text(table->arena, cell->number);
	case COLUMN_TIME: return table_time_text(table->arena, cell->number);
	case COLUMN_BOOL: return cell->number ? "yes" : "no";
	case COLUMN_DURATION: return table_duration_text(table->arena, cell->number);
	}
	return "";
}

/* ---- for people ---- */

/* How wide a text is on a terminal, as far as we care: one place a character. */
static size_t places(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static const char *nth_line(struct arena *arena, const char *text, size_t line)
{
	for (; line > 0 && text != NULL; line--) {
		text = strchr(text, '\n');
		text = text == NULL ? NULL : text + 1;
	}
	return text == NULL ? ""
			    : text_printable(arena, arena_text_n(arena, text, strcspn(text, "\n")));
}

static size_t count_lines(const char *text)
{
	size_t lines = 1;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		lines++;
	return lines;
}

static bool is_shown(const struct column *column)
{
	return !column->json_only && !column->hidden;
}

static size_t last_shown(const struct table *table)
{
	size_t last = 0;

	for (size_t i = 0; i < table->width; i++)
		if (is_shown(&table->columns[i]))
			last = i;
	return last;
}

static void measure(const struct table *table, const char *const *texts, size_t *widths,
		    bool legend)
{
	for (size_t i = 0; i < table->width; i++)
		widths[i] = legend ? places(table->columns[i].title) : 0;
	for (size_t i = 0; i < table->count; i++)
		for (size_t line = 0; line < count_lines(texts[i]); line++)
			widths[i % table->width] =
				MAX(widths[i % table->width],
				    places(nth_line(table->arena, texts[i], line)));
}

static void put(FILE *out, const struct table *table, size_t column, const char *text,
		const size_t *widths, bool last)
{
	enum column_kind kind = table->columns[column].kind;
	bool right = kind == COLUMN_NUMBER || kind == COLUMN_SIZE || kind == COLUMN_DURATION;
	int pad = (int)(widths[column] - places(text));

	if (right)
		fprintf(out, "%*s%s", pad, "", text);
	else
		fprintf(out, "%s%*s", text, last ? 0 : pad, "");
	fputs(last ? "\n" : " ", out);
}

static void put_row(FILE *out, const struct table *table, const char *const *texts,
		    const size_t *widths)
{
	size_t lines = 1;

	for (size_t i = 0; i < table->width; i++)
		if (is_shown(&table->columns[i]))
			lines = MAX(lines, count_lines(texts[i]));
	for (size_t line = 0; line < lines; line++)
		for (size_t i = 0; i < table->width; i++)
			if (is_shown(&table->columns[i]))
				put(out, table, i, nth_line(table->arena, texts[i], line), widths,
				    i == last_shown(table));
}

static const char *print_text(const struct table *table, const struct table_style *style)
{
	const char **texts = arena_take_array(table->arena, table->count + 1, sizeof(*texts));
	size_t *widths = arena_take_array(table->arena, table->width, sizeof(*widths));
	char *text = NULL;
	const char *copy;
	size_t size;
	FILE *out;

	for (size_t i = 0; i < table->count; i++)
		texts[i] = cell_text(table, i % table->width, &table->cells[i]);
	measure(table, texts, widths, style->legend);
	out = open_memstream(&text, &size);
	if (out == NULL)
		return "";
	if (style->legend && table->count > 0) {
		fputs(style->colour ? "\033[4m" : "", out);
		for (size_t i = 0; i < table->width; i++)
			if (is_shown(&table->columns[i]))
				put(out, table, i, table->columns[i].title, widths,
				    i == last_shown(table));
		fputs(style->colour ? "\033[0m" : "", out);
	}
	for (size_t i = 0; i < table->count; i += table->width)
		put_row(out, table, texts + i, widths);
	fclose(out);
	copy = arena_text(table->arena, text);
	free(text);
	return copy;
}

/* ---- for programs ---- */

static const char *key_of(const struct table *table, size_t column)
{
	char *key = arena_text(table->arena, table->columns[column].title);

	for (char *c = key; *c != '\0'; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c == ' ' ? '_' : *c;
	return key;
}

static const char *print_json(const struct table *table, bool pretty)
{
	struct json_out json;

	json_out_init(&json, table->arena, pretty);
	json_out_begin_array(&json, NULL);
	for (size_t i = 0; i < table->count; i++) {
		const struct cell *cell = &table->cells[i];
		size_t column = i % table->width;
		const char *key = key_of(table, column);

		if (column == 0)
			json_out_begin_object(&json, NULL);
		if (!cell->set)
			json_out_null(&json, key);
		else if (table->columns[column].kind == COLUMN_TEXT)
			json_out_text(&json, key, cell->text);
		else if (table->columns[column].kind == COLUMN_BOOL)
			json_out_bool(&json, key, cell->number != 0);
		else
			json_out_unsigned(&json, key, cell->number);
		if (column == table->width - 1)
			json_out_end_object(&json);
	}
	json_out_end_array(&json);
	return json_out_done(&json);
}

const char *table_print(const struct table *table, const struct table_style *style)
{
	if (style->format == TABLE_TEXT)
		return print_text(table, style);
	return print_json(table, style->format == TABLE_JSON_PRETTY);
}
