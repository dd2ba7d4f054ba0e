/* base/name-clean - a machine's name from a path. Pure. */
#pragma once

struct arena;

/* Make a machine name from a path's last component: drop foreign characters, collapse dots and
 * hyphens, cut at 64. NULL: nothing is left. */
char *name_clean(struct arena *arena, const char *text);
