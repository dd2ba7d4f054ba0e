/* image/clone - another image of one.
 *
 * At once, whatever its size: a btrfs snapshot, shared blocks of a file, or a layered image whose
 * one layer is the original, which then must not change any more (image/mstack). A real copy is
 * made where nothing of that works (that is said), and where it is asked for. Also brings along
 * what belongs to an image (image/companion). Speaking. Any process.
 */
#pragma once
#include <stdbool.h>

#include "image/find.h"

struct arena;

struct clone_request {
	const char *from, *to; /* names */
	bool read_only;
	bool copy; /* nothing shared that binds the original */
};

/* As image/change; the clone appears complete or not at all. */
int clone_image(struct arena *arena, const struct find_scope *scope,
		const struct clone_request *request);
