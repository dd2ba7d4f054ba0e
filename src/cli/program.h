/* cli/program - what the verbs of a program print by, and how the program ends. Speaking.
 *
 * What a verb that prints much says is collected, and shown through a pager at its end if it is
 * longer than the screen.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "cli/table.h"

struct arena;
struct option_table;
struct text_list;
struct verb_table;

struct program {
	struct arena *arena;
	const char *const *environment; /* NULL-terminated */
	bool colour;			/* on standard output */
	unsigned int rows, columns;	/* of the terminal; 0: no limit */
	struct text_list *page;		/* collects what is printed; NULL: it is printed at once */
	enum table_format format;
	bool no_legend;
};

/* To standard output, whole. */
int program_print(const struct program *program, const char *text);

/* What was collected, even after a failure. */
int program_print_page(const struct program *program);

/* As the options ask; then (no --no-legend) "N THINGS listed." or "No THINGS.". */
int program_print_table(const struct program *program, const struct table *table,
			const char *things);

/* --help of the program whose argv[0] is PATH; ABOUT: one sentence. */
int program_print_help(const struct program *program, const char *path, const char *about,
		       const struct verb_table *verbs, const struct option_table *options);

/* The exit status for STATUS, which is one already or a negative errno, whose sentence is told. */
int program_end(int status);
