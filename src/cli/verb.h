/* cli/verb - a program's verbs, from one table: dispatch and help. Speaking. */
#pragma once
#include <stddef.h>

#include "base/list.h"

struct arena;
struct help;

#define VERB_ANY ((size_t)-1)

enum verb_flag {
	VERB_PAGED = 1,	   /* prints much, and ends: through a pager */
	VERB_TERMINAL = 2, /* uses the terminal, if there is one */
	VERB_HERE = 4,	   /* has to do with files of this host */
	VERB_UNBUILT = 8,  /* refused by name; RUN is NULL */
};

/* WORDS without the verb. The program's exit status, or a negative errno with a sentence. */
typedef int verb_fn(void *context, const struct text_list *words);

struct verb {
	const char *group;     /* heading in --help: "Machine Commands" */
	const char *name;      /* "list" */
	const char *arguments; /* "[NAME...]"; NULL: none */
	const char *help;      /* NULL: hidden, another name of the one above */
	size_t min, max;       /* number of words; VERB_ANY: no limit */
	verb_fn *run;
	unsigned int flags;
};

struct verb_table {
	const struct verb *verbs;
	size_t count;
	const char *otherwise; /* the verb when none is given */
};

/* The verb that the first of WORDS names, if it is built and takes the others. */
int verb_find(struct arena *arena, const struct verb **ret, const struct verb_table *table,
	      const struct text_list *words);

/* Run it on the others. */
int verb_run(struct arena *arena, const struct verb *verb, void *context,
	     const struct text_list *words);

/* One entry of --help a verb, below their headings. */
void verb_help(struct help *help, const struct verb_table *table);
