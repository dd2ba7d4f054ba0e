/* prog/redd/trash - what machines kept that are declared no more.
 *
 *	STATE/trash/NAME@20261130T022900Z
 *
 * That was STATE/persist/NAME (image/persist) until then, as the clock says, or what is there if
 * that is later: a newer one of the machine, or the time of a generation that had it.
 *
 * It goes there when the machine has stopped, by rename, and comes back likewise when the machine
 * is declared again, by `apply` or `rollback`. Only `gc` removes any of it. Speaking. Whoever calls
 * holds the lock of the generations.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct apply;
struct generation;

#define TRASH_ROOM "trash"
#define TRASH_AGE_US (7 * 24 * 3600 * UINT64_C(1000000))

/* What all kept that are not in CURRENT but in another generation, and do not run. */
int trash_put(const struct apply *apply, const struct generation *current);

/* What machines of GENERATION kept, if there is nothing else in its place. */
int trash_bring_back(const struct apply *apply, const struct generation *generation);

/* The way back needs what NAME kept. */
typedef bool trash_needed_fn(const void *context, const char *name);

/* Remove what is older than AGE_US (0: all) and not NEEDED, and tell of what is left of that. */
int trash_empty(const struct apply *apply, uint64_t age_us, trash_needed_fn *needed,
		const void *context);
