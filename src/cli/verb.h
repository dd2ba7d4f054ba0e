/* cli/verb - a program's verbs, from one table: dispatch and help. Speaking. */
#pragma once
#include <stddef.h>

#include "base/list.h"

struct arena;

#define VERB_ANY ((size_t)-1)

/* WORDS without the verb. The program's exit status, or a negative errno with a sentence. */
typedef int verb_fn(void *context, const struct text_list *words);

struct verb {
	const char *group;     /* heading in --help: "Machine Commands" */
	const char *name;      /* "list" */
	const char *arguments; /* "[NAME...]"; NULL: none */
	const char *help;      /* NULL: hidden, another name of the one above */
	size_t min, max;       /* number of words; VERB_ANY: no limit */
	verb_fn *run;
};

struct verb_table {
	const struct verb *verbs;
	size_t count;
	const char *otherwise; /* the verb when none is given */
};

/* Find the verb that the first of WORDS names and run it. */
int verb_run(struct arena *arena, const struct verb_table *table, void *context,
	     const struct text_list *words);

/* The lines of --help, below their headings. */
char *verb_help(struct arena *arena, const struct verb_table *table);
