/* image/companion - files that belong to an image and go where it goes.
 *
 * Beside it NAME.nspawn, NAME.roothash and so on, and the administrator's settings NAME.nspawn in
 * /etc/systemd/nspawn and the like (machinectl catalogue, 2.2). Their new names are given with the
 * image's own (image/together). That one cannot be taken along is no reason to stop: a warning.
 * Speaking. Any process.
 */
#pragma once
#include <stddef.h>

#include "image/find.h"
#include "image/tidy.h"

struct arena;
struct together;

#define COMPANION_ROOMS_MAX 4

struct companions {
	struct arena *arena;
	const struct find_scope *scope;
	struct together *together;
	struct tidy rooms[COMPANION_ROOMS_MAX]; /* of settings, held until the end */
	size_t count;
};

/* What killed ones left beside settings goes. Borrows all. */
void companion_begin(struct companions *ret, struct arena *arena, const struct find_scope *scope,
		     struct together *together);
void companion_end(struct companions *companions);

/* DIRECTORY holds the image OLD. To NEW in TARGET, and beside the settings. What is there already
 * under the new name stays. */
void companion_copy(struct companions *companions, const char *directory, const char *old,
		    const char *target, const char *new);

/* Of an image that is renamed: files have both names before that, and the NEW one alone after; what
 * cannot have two is renamed after it. The former is to be added before the image, the latter
 * behind it. */
void companion_link(struct companions *companions, const char *directory, const char *old,
		    const char *new);
void companion_rename(struct companions *companions, const char *directory, const char *old,
		      const char *new);

void companion_remove(struct companions *companions, const char *directory, const char *name);
