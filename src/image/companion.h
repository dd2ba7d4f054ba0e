/* image/companion - files that belong to an image and go where it goes.
 *
 * Beside it NAME.nspawn, NAME.roothash and so on, and the administrator's settings NAME.nspawn in
 * /etc/systemd/nspawn and the like (machinectl catalogue, 2.2). That one cannot be taken along is
 * no reason to stop: a warning. Speaking. Any process.
 */
#pragma once
#include "image/find.h"

struct arena;
struct text_list;

/* DIRECTORY holds the image OLD. To NEW in TARGET, and beside the settings. What is there already
 * under the new name stays. RET: adds the paths of what was made. */
void companion_copy(struct arena *arena, struct text_list *ret, const struct find_scope *scope,
		    const char *directory, const char *old, const char *target, const char *new);

/* Before the image is renamed, so that it never has a name without its settings or root hash: files
 * have both names. Then they have the NEW one alone; or, where it was not, the OLD one. */
void companion_link(struct arena *arena, const struct find_scope *scope, const char *directory,
		    const char *old, const char *new);
void companion_rename(struct arena *arena, const struct find_scope *scope, const char *directory,
		      const char *old, const char *new);
void companion_unlink(struct arena *arena, const struct find_scope *scope, const char *directory,
		      const char *old, const char *new);

void companion_remove(struct arena *arena, const struct find_scope *scope, const char *directory,
		      const char *name);
