/* cli/table - rows and columns for people, the same as JSON for programs. Pure.
 *
 * For people: columns with one blank between them, titles in upper case, "-" for an empty cell,
 * and nothing from outside reaches a terminal as a control character (class S24). A cell may have
 * several lines. Each character counts as one place wide: where characters are wider, columns get
 * out of line, which is harmless. On a narrow screen the widest texts are cut and end in an
 * ellipsis. As JSON: an array of objects whose keys are the titles in lower case; an empty cell is
 * null.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER,	 /* right aligned */
	COLUMN_SIZE,	 /* bytes: "1.2G"; right aligned */
	COLUMN_TIME,	 /* microseconds since 1970: local time */
	COLUMN_BOOL,	 /* yes, no */
	COLUMN_DURATION, /* microseconds: "1.234s", "2min 3s"; right aligned */
	COLUMN_PERCENT,	 /* "37%"; right aligned */
};

struct column {
	const char *title; /* "MACHINE" */
	enum column_kind kind;
	bool json_only; /* not for people */
	bool hidden;	/* nowhere */
};

struct cell {
	bool set;
	const char *text;
	uint64_t number; /* also a bool */
};

struct table {
	struct arena *arena;
	const struct column *columns;
	size_t width; /* number of columns */
	struct cell *cells;
	size_t count; /* of cells; rows are whole */
};

enum table_format { TABLE_TEXT, TABLE_JSON_SHORT, TABLE_JSON_PRETTY };

struct table_style {
	enum table_format format;
	bool legend;	      /* titles */
	bool colour;	      /* underlined titles */
	unsigned int columns; /* of the screen: longer lines are cut; 0: no limit */
};

void table_init(struct table *table, struct arena *arena, const struct column *columns,
		size_t width);

/* The next cell, row by row. */
void table_text(struct table *table, const char *text); /* NULL or "": empty */
void table_number(struct table *table, uint64_t number);
void table_bool(struct table *table, bool value);
void table_empty(struct table *table);

size_t table_rows(const struct table *table);
const char *table_print(const struct table *table, const struct table_style *style);

/* "1.2G", IEC with one decimal, as the reference prints sizes. */
char *table_size_text(struct arena *arena, uint64_t bytes);
/* "1.234s", "2min 3s", "5h 0min" */
char *table_duration_text(struct arena *arena, uint64_t us);
/* "Thu 2024-01-02 03:04:05 CET" */
char *table_time_text(struct arena *arena, uint64_t realtime_us);
