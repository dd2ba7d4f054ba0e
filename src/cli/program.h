/* cli/program - what the verbs of a program print by, and how the program ends. Speaking.
 *
 * What a verb that prints much says is collected, and shown through a pager at its end if it is
 * longer than the screen.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "cli/option.h"
#include "cli/table.h"

struct arena;
struct text_list;
struct verb;
struct verb_table;

struct program {
	struct arena *arena;
	const char *const *environment; /* NULL-terminated */
	char *const *arguments;		/* all of argv */
	bool terminal, colour;		/* standard output */
	unsigned int rows, columns;	/* of the terminal; 0: no limit */
	struct text_list *page;		/* collects what is printed; NULL: it is printed at once */
	enum table_format format;
	bool no_legend, no_pager;
};

/* What main() begins with: looks at the environment and the terminals, also for the log's colours.
 */
void program_begin(struct program *program, struct arena *arena, char *const *arguments);

/* The command line of a program of verbs. */
struct program_line {
	const char *name; /* the program's */
	const struct option_table *options;
	const struct verb_table *verbs;
	option_stop_fn *stop;
	void *values;		    /* what options are read into, … */
	const bool *help, *version; /* … and those of it */
};

/* The verb that is asked for; --help is one. *RET: NULL where nothing is left to do: a list of an
 * option's values or the version was printed. */
int program_parse(const struct program *program, const struct verb **ret,
		  struct option_result *result, const struct program_line *line, int argc,
		  char **argv);

/* Run the verb, and print what was collected meanwhile if it is VERB_PAGED. */
int program_run_verb(struct program *program, const struct verb *verb, void *context,
		     const struct text_list *words);

/* To standard output, whole. */
int program_print(const struct program *program, const char *text);

/* "PROGRAM VERSION". */
int program_print_version(const struct program *program, const char *name);

/* As the options ask; then (no --no-legend) "N THINGS listed." or "No THINGS.". */
int program_print_table(const struct program *program, const struct table *table,
			const char *things);

/* --help; ABOUT: one sentence. */
int program_print_help(const struct program *program, const char *about,
		       const struct verb_table *verbs, const struct option_table *options);

/* Becomes the program of ours called NAME, with these words; returns only when it cannot. Beside
 * this program, as they come together; else where programs are. */
int program_become(struct arena *arena, const char *const *environment, const char *name,
		   const struct text_list *words);

/* The exit status for STATUS, which is one already or a negative errno, whose sentence is told. */
int program_end(int status);
