#include "base/nearest.h"

#include <string.h>

#include "base/macros.h"

#define LIMIT 4

/* The restricted Damerau-Levenshtein distance; three rows of its table are enough. */
static size_t distance_of(const char *a, const char *b, size_t a_length, size_t b_length)
{
	unsigned char rows[3][NEAREST_MAX_LENGTH + 1];

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = (unsigned char)j;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned char *row = rows[i % 3], *above = rows[(i + 2) % 3],
			      *higher = rows[(i + 1) % 3];

		row[0] = (unsigned char)i;
		for (size_t j = 1; j <= b_length; j++) {
			int best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN(best, MIN(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, higher[j - 2] + 1);
			row[j] = (unsigned char)best;
		}
	}
	return rows[a_length % 3][b_length];
}

void nearest_init(struct nearest *nearest, const char *word, size_t length)
{
	*nearest = (struct nearest){ .word = word, .length = length, .distance = LIMIT };
}

void nearest_offer(struct nearest *nearest, const char *name)
{
	size_t length = name == NULL ? 0 : strlen(name), distance;

	if (length == 0 || length > NEAREST_MAX_LENGTH || nearest->length > NEAREST_MAX_LENGTH)
		return;
	distance = distance_of(nearest->word, name, nearest->length, length);
	if (distance < nearest->distance && distance * 2 <= nearest->length) {
		nearest->distance = distance;
		nearest->name = name;
	}
}
