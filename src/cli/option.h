/* cli/option - a program's options, from one table. Speaking. Pure.
 *
 * As getopt_long(): long options may be shortened while they stay unique, short ones may share a
 * dash, a value stands behind "=" or in the next word, "--" ends them. Unlike the runner's, options
 * and other words may be mixed, up to where STOP says so.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct arena;

enum option_flag {
	OPTION_OPTIONAL = 1, /* the value may be left out */
	OPTION_HIDDEN = 2,   /* not in --help: an older name */
};

/* Stores VALUE (NULL: none given) in TARGET. A negative errno with a sentence recorded, or with
 * none: then the sentence says that the value cannot be used, and EXPECTED. */
typedef int option_fn(struct arena *arena, void *target, const char *value);

struct option_row {
	const char *name;  /* "property" */
	char letter;	   /* 'p'; 0: none */
	const char *value; /* "NAME"; NULL: takes none */
	const char *help;
	const char *expected; /* "try a number"; NULL: nothing to say */
	option_fn *parse;
	unsigned int flags;
};

struct option_table {
	const struct option_row *rows;
	size_t count;
};

/* Asked after each word that is no option, with all of them so far: true when what follows is left
 * as it is. NULL: never. */
typedef bool option_stop_fn(const struct text_list *words);

/* *ret: the words that are no options, in their order. */
int option_parse(struct arena *arena, struct text_list *ret, const struct option_table *table,
		 void *target, int argc, char **argv, option_stop_fn *stop);

/* The lines of --help, one a row, aligned. */
char *option_help(struct arena *arena, const struct option_table *table);
