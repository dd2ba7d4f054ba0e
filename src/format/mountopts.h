/* format/mountopts - "ro,size=10%,context=\"a:b,c\"" in pieces. Pure, quiet.
 *
 * A comma inside of double quotes does not split; the quotes are dropped. Empty pieces are too.
 */
#pragma once
#include <stddef.h>

struct arena;

#define MOUNTOPTS_LENGTH_MAX 4095 /* mount(2) takes one page */

struct mountopt {
	char *key, *value; /* value NULL: a word without "=" */
};

struct mountopts {
	struct mountopt *items;
	size_t count;
};

/* -EINVAL: an open quote or a "=value" without a key; -E2BIG: too long. */
int mountopts_parse(struct arena *arena, struct mountopts *ret, const char *text);

/* The other way; values with a comma are quoted. "" when there are none. */
char *mountopts_format(struct arena *arena, const struct mountopts *options);

/* The last option with this key; NULL: there is none. */
const struct mountopt *mountopts_find(const struct mountopts *options, const char *key);
