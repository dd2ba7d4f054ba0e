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
struct help;

enum option_flag {
	OPTION_OPTIONAL = 1, /* the value may be left out */
	OPTION_HIDDEN = 2,   /* not in --help: an older name */
	OPTION_LAST = 4,     /* what follows is nobody's business: --help */
	OPTION_HERE = 8,     /* is not said again on another host */
	OPTION_UNBUILT = 16, /* --help says so; PARSE refuses what needs it */
};

/* Stores VALUE (NULL: none given) in TARGET. A negative errno with a sentence recorded, or with
 * none: then the sentence says that the value cannot be used, and EXPECTED. */
typedef int option_fn(struct arena *arena, void *target, const char *value);

/* The same of an option that takes two words. */
typedef int option_pair_fn(struct arena *arena, void *target, const char *first,
			   const char *second);

/* What a value may be, one a line, if VALUE asks for that; NULL: it does not. */
typedef char *option_list_fn(struct arena *arena, const char *value);

struct option_row {
	const char *name;  /* "property" */
	char letter;	   /* 'p'; 0: none */
	const char *value; /* "NAME"; NULL: takes none */
	const char *help;
	const char *expected; /* "try a number"; NULL: nothing to say */
	option_fn *parse;
	unsigned int flags;
	const char *const
		*words;	      /* no other value is taken, "help" lists them; NULL: PARSE knows */
	option_list_fn *list; /* NULL: none */
	option_pair_fn *pair; /* instead of PARSE: VALUE is two words, "NAME VALUE" */
};

struct option_table {
	const struct option_row *rows;
	size_t count;
};

struct option_result {
	struct text_list words; /* those that are no options, in their order */
	struct text_list again; /* all of it once more, without what is OPTION_HERE */
	char *list;		/* what a value may be, if that was asked for */
};

/* Asked after each word that is no option, with all of them so far: true when what follows is left
 * as it is. NULL: never. */
typedef bool option_stop_fn(const struct text_list *words);

int option_parse(struct arena *arena, struct option_result *ret, const struct option_table *table,
		 void *target, int argc, char **argv, option_stop_fn *stop);

/* One entry of --help a row. */
void option_help(struct help *help, const struct option_table *table);
