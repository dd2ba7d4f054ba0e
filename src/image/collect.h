/* image/collect - what nobody needs any more leaves the store.
 *
 * Layers that no holder (image/holders) and no lease has; references, unless they are kept, of
 * which a layer goes; blobs that no reference has; and what killed programs left unfinished.
 * Holders are looked for while no machine can start and no layered image can be copied (image/view,
 * view_hold), and a thing is taken only by who has it alone, so that nothing is lost that a pull
 * found, a start reads or a copy names meanwhile.
 *
 * A user enters his user namespace (image/own-ids) before. Speaking. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct find_scope;
struct text_list;

/* Adds the paths of images that machines run from, whatever directory they are in. */
typedef int collect_running_fn(struct arena *arena, struct text_list *ret, void *context);

struct collect_result {
	size_t layers, blobs, references, unfinished; /* that went */
	bool busy; /* machines started all the time: nothing was done */
};

/* RUNNING may be NULL. DOWNLOADS: also what is kept of images of registries goes, unless machines
 * have all of its layers. Where there is no store it is done. */
int collect(struct arena *arena, struct collect_result *ret, const struct find_scope *scope,
	    bool downloads, collect_running_fn *running, void *context);
