/* prog/redd/agree - who sits at a terminal is shown what will happen, and asked, before it does.
 *
 * Nobody is kept out meanwhile. What was agreed to is done only if it is still what would happen
 * once nobody else can change anything any more; else that is shown, and asked about, again. Images
 * are fetched before only where what will happen cannot be told without. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "declare/definitions.h"
#include "prog/redd/outlook.h"

struct apply;
struct context;
struct generation;
struct text_list;

struct agree_look {
	struct outlook outlook;
	struct definitions desired; /* at least of those that change */
	size_t machines;	    /* that there will be */
	bool known;		    /* fetching would tell no more */
};

struct agree {
	struct context *context;
	struct apply *apply; /* not open */
	/* What comes next, as things are now; fetched and made if APPLY is locked. */
	int (*make)(struct agree *agree, struct generation *ret);
	/* The same, as far as it can be told from outside. NULL: make() can, since it makes
	 * nothing. */
	int (*look)(struct agree *agree, struct agree_look *ret);
	const struct text_list *words; /* for these two */
};

/* An exit status, or a negative errno with a sentence: then nothing has changed. */
int agree_run(struct agree *agree);
