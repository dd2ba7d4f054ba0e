/* prog/redd/apply-next - the next generation: made of definitions, with the images that they name,
 * or of what an older one has. Speaking. As prog/redd/apply.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct apply;
struct definitions;
struct generation;

/* It can be made, as far as definitions and what is there tell. */
int apply_next_check(const struct apply *apply, const struct definitions *definitions);

/* Of how many machines. */
size_t apply_next_count(const struct apply *apply, const struct definitions *definitions);

/* What is not asked for is as it was. Images are fetched and roots made. */
int apply_next_make(struct apply *apply, struct generation *next,
		    const struct definitions *definitions);

/* Likewise, from OLDER, whose roots are there still. */
int apply_next_back(struct apply *apply, struct generation *next, const struct generation *older);

/* Nothing in it is another than in what is current. Quiet. */
bool apply_next_is_current(const struct apply *apply, const struct generation *next);
