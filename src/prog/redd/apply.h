/* prog/redd/apply - from definitions to what runs: the next generation, the one switch, and what
 * follows from it.
 *
 *	1  everything is read and checked; on any error nothing has happened
 *	2  images are fetched, roots made, the generation is written: nothing sees it yet
 *	3  one rename makes it the current one
 *	4  what runs follows (prog/redd/converge)
 *	5  a machine that fails takes all that was touched back, and the one before is current again
 *
 * Interrupted in 1 or 2 nothing has changed, later the next one goes on from what it finds.
 * Speaking.
 */
#pragma once
#include <stdbool.h>

#include "base/list.h"
#include "declare/definition.h"
#include "declare/generation.h"
#include "image/find.h"

struct arena;
struct definitions;
struct prepare;

enum apply_exit { APPLY_DONE = 0, APPLY_REVERTED = 3, APPLY_FAILED = 4 };

struct apply {
	struct arena *arena;
	const char *const *environment;
	const char *runtime; /* of machines' records */
	struct find_scope scope;
	const struct text_list *only; /* NULL: all */
	bool no_start, keep_going, yes, update, quiet;
	bool terminal; /* somebody can be asked */
	bool back;     /* what was kept then is, whatever there is now */
	bool repair;   /* what is current may be damaged: a warning, and it is as if nothing were */

	const char *path;	       /* of the store */
	struct definition_facts facts; /* flat */

	/* by apply_open() */
	struct generations generations;
	struct generation current; /* number 0: none */
	/* What is current cannot be read: its number, or the newest one's. 0: it can. */
	unsigned int damaged;

	bool fetched; /* something that was not there, by apply_definitions() */
};

/* For prepare_open(), which borrows from it. */
void apply_prepare(const struct apply *apply, struct prepare *prepare);

/* LOCK: to change something. Nothing applied yet is an empty current generation. Again after
 * apply_done(): what others have made of it meanwhile. */
int apply_open(struct apply *apply, bool lock);
void apply_done(struct apply *apply);

/* NEXT can be as DEFINITIONS say, as far as that can be told without making it. */
int apply_check(const struct apply *apply, const struct definitions *definitions);

/* NEXT, as DEFINITIONS say: images are fetched and roots made. Needs the lock. */
int apply_definitions(struct apply *apply, struct generation *next,
		      const struct definitions *definitions);

/* NEXT, as NUMBER was; 0: the one before the current one. */
int apply_rollback(struct apply *apply, struct generation *next, unsigned int number);

/* NEXT is current, and what runs follows. An exit status, or a negative errno with a sentence: then
 * nothing has changed. Needs the lock. */
int apply_commit(struct apply *apply, struct generation *next);
