/* prog/redd/forecast - an outlook with what only the store tells: which images are others although
 * they are called the same, what an interrupted apply has left, and what waits to be started again.
 * Speaking. Needs no lock.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "prog/redd/outlook.h"

struct apply;
struct arena;
struct context;
struct definitions;
struct generation;

/* The definitions of one, sorted. What cannot be read was written by another version: a warning,
 * and it is as if it were not there. */
void forecast_read(struct arena *arena, struct definitions *ret,
		   const struct generation *generation);

/* From one generation to another. FACTS but for the definitions, which these have. */
void forecast_between(struct context *context, struct outlook *ret, const struct generation *had,
		      const struct generation *wanted, const struct outlook_facts *facts);

/* That runs as an older generation says. */
struct forecast_pending {
	const char *machine;
	unsigned int from; /* 0: of none that is known */
	const char *act;   /* of converge_act_word(): "defer" */
};

/* Whether that has another image cannot be told. */
struct forecast_unknown {
	const char *machine, *source;
	const char *why; /* a sentence */
};

struct forecast {
	unsigned int damaged;	 /* the current generation, if it is; else 0 */
	unsigned int unfinished; /* the current generation, if apply has to go on with it; else 0 */
	bool known;		 /* which images are new, all of them could be told */
	bool blind;		 /* the store, or what runs, could not be looked at */
	struct forecast_unknown *unknown; /* those of which there is more to say */
	size_t unknown_count;
	struct forecast_pending *pending;
	size_t count;
};

/* From what was applied to what is desired, with lines of images that are new, as far as that can
 * be told without fetching any. What cannot be looked at is a warning. */
int forecast_desired(struct context *context, struct forecast *ret, struct outlook *ret_outlook,
		     const struct definitions *desired, const struct definitions *applied);

/* What there is now, but for the definitions. */
int forecast_facts(struct context *context, struct outlook_facts *ret);

/* What outlook_facts asks; CONTEXT: a struct context. Quiet. */
bool forecast_wants(const void *context, const char *name);
enum outlook_kept forecast_kept(const void *context, const char *name, const char *path);
