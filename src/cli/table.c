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
	case COLUMN_PERCENT:
		return arena_format(table->arena, "%llu%%", (unsigned long long)cell->number);
	}
	return "";
}

/* ---- for people ---- */

#define MORE "\xe2\x80\xa6" /* an ellipsis: one place */

/* Titles, then cells, each as its lines; and how wide each column is. */
struct page {
	const struct table *table;
	struct text_list *texts;
	size_t *widths;
	size_t last; /* the last column that is shown */
};

/* How wide a text is on a terminal: one place a character. */
static size_t places(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

/* The first COUNT characters. */
static char *cut(struct arena *arena, const char *text, size_t count)
{
	const char *end = text;

	while (*end != '\0' && count > 0) {
		end++;
		while (((unsigned char)*end & 0xc0) == 0x80)
			end++;
		count--;
	}
	return arena_text_n(arena, text, (size_t)(end - text));
}

static bool is_shown(const struct column *column)
{
	return !column->json_only && !column->hidden;
}

static bool is_right(const struct column *column)
{
	return column->kind == COLUMN_NUMBER || column->kind == COLUMN_SIZE ||
	       column->kind == COLUMN_DURATION || column->kind == COLUMN_PERCENT;
}

static void split_lines(struct arena *arena, struct text_list *ret, const char *text)
{
	for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1)
		text_list_add(arena, ret,
			      text_printable(arena,
					     arena_text_n(arena, text, (size_t)(end - text))));
	text_list_add(arena, ret, text_printable(arena, text));
}

static void add_texts(struct page *page, size_t column, const char *text)
{
	struct text_list *lines = &page->texts[column];

	split_lines(page->table->arena, lines, text);
	for (size_t i = 0; i < lines->count; i++)
		page->widths[column % page->table->width] =
			MAX(page->widths[column % page->table->width], places(lines->items[i]));
}

static void make_page(struct page *page, const struct table *table, bool legend)
{
	*page = (struct page){
		.table = table,
		.texts = arena_take_array(table->arena, table->width + table->count,
					  sizeof(*page->texts)),
		.widths = arena_take_array(table->arena, table->width, sizeof(*page->widths)),
	};
	for (size_t i = 0; i < table->width; i++)
		if (is_shown(&table->columns[i])) {
			add_texts(page, i, legend ? table->columns[i].title : "");
			page->last = i;
		}
	for (size_t i = 0; i < table->count; i++)
		if (is_shown(&table->columns[i % table->width]))
			add_texts(page, table->width + i,
				  cell_text(table, i % table->width, &table->cells[i]));
}

/* Take from the widest column of texts, place by place, until all fit. Numbers are never cut. */
static void narrow(struct page *page, size_t room)
{
	const struct table *table = page->table;

	for (;;) {
		size_t total = 0, widest = table->width;

		for (size_t i = 0; i < table->width; i++) {
			if (!is_shown(&table->columns[i]))
				continue;
			total += page->widths[i] + (i != page->last);
			if (table->columns[i].kind == COLUMN_TEXT && page->widths[i] > 1 &&
			    (widest == table->width || page->widths[i] > page->widths[widest]))
				widest = i;
		}
		if (total <= room || widest == table->width)
			break;
		page->widths[widest]--;
	}
}

/* fprintf(3) takes longer for a row than the kernel for what is told in it. */
static void put_blanks(FILE *out, size_t count)
{
	for (; count > 0; count--)
		putc_unlocked(' ', out);
}

static void put(FILE *out, const struct page *page, size_t column, const char *text)
{
	size_t width = page->widths[column], used = places(text);
	size_t pad = width - MIN(used, width);
	bool right = is_right(&page->table->columns[column]);

	if (used > width)
		text = arena_format(page->table->arena, "%s" MORE,
				    cut(page->table->arena, text, width - 1));
	if (right)
		put_blanks(out, pad);
	fputs(text, out);
	if (column != page->last)
		put_blanks(out, right ? 1 : pad + 1);
}

/* TEXTS: those of one row. */
static void put_row(FILE *out, const struct page *page, const struct text_list *texts)
{
	size_t lines = 1;

	for (size_t i = 0; i < page->table->width; i++)
		lines = MAX(lines, texts[i].count);
	for (size_t line = 0; line < lines; line++) {
		for (size_t i = 0; i < page->table->width; i++)
			if (is_shown(&page->table->columns[i]))
				put(out, page, i,
				    line < texts[i].count ? texts[i].items[line] : "");
		fputc('\n', out);
	}
}

static const char *print_text(const struct table *table, const struct table_style *style)
{
	char *text = NULL;
	struct page page;
	const char *copy;
	size_t size;
	FILE *out;

	make_page(&page, table, style->legend);
	if (style->columns > 0)
		narrow(&page, style->columns);
	out = open_memstream(&text, &size);
	if (out == NULL)
		return "";
	if (style->legend && table->count > 0) {
		/* The line feed is not underlined. */
		fputs(style->colour ? "\033[4m" : "", out);
		put_row(out, &page, page.texts);
		if (style->colour) {
			fseek(out, -1, SEEK_CUR);
			fputs("\033[0m\n", out);
		}
	}
	for (size_t i = 0; i < table->count; i += table->width)
		put_row(out, &page, page.texts + table->width + i);
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

static void put_json(struct json_out *json, const struct table *table, size_t column,
		     const struct cell *cell)
{
	const char *key = key_of(table, column);

	if (!cell->set)
		json_out_null(json, key);
	else if (table->columns[column].kind == COLUMN_TEXT)
		json_out_text(json, key, cell->text);
	else if (table->columns[column].kind == COLUMN_BOOL)
		json_out_bool(json, key, cell->number != 0);
	else
		json_out_unsigned(json, key, cell->number);
}

static const char *print_json(const struct table *table, bool pretty)
{
	struct json_out json;

	json_out_init(&json, table->arena, pretty);
	json_out_begin_array(&json, NULL);
	for (size_t i = 0; i < table->count; i++) {
		size_t column = i % table->width;

		if (column == 0)
			json_out_begin_object(&json, NULL);
		if (!table->columns[column].hidden)
			put_json(&json, table, column, &table->cells[i]);
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
