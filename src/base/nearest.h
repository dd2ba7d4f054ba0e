/* base/nearest - which known name was meant by one that is not known.
 *
 * A name is near when fewer than four letters must change, swap, come or go, and no more than half
 * of those that the word has. Of several equally near, the first offered is kept. Pure; any
 * process.
 */
#pragma once
#include <stddef.h>

#define NEAREST_MAX_LENGTH 40 /* longer words and names are near nothing */

struct nearest {
	const char *word;
	size_t length;	  /* of the word, which need not end there */
	const char *name; /* the nearest of those offered; NULL: none */
	size_t distance;
};

void nearest_init(struct nearest *nearest, const char *word, size_t length);

/* NAME is borrowed; NULL is near nothing. */
void nearest_offer(struct nearest *nearest, const char *name);
