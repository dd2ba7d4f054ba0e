/* machine/settings-items - the assignments of a machine's settings file and its drop-ins.
 *
 * For those who want some sections of what io/settings has read; the runner reads all of it
 * (spec/nspawn-file). Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "format/ini.h"

struct arena;
struct settings;

struct settings_items {
	struct arena *arena;
	const struct settings *settings;
	size_t next;
	struct ini ini;
	const char *path; /* of the part that the last assignment stands in; NULL: not begun */
};

/* SETTINGS is borrowed; NULL: as without parts. */
void settings_items_begin(struct settings_items *items, struct arena *arena,
			  const struct settings *settings);

/* 1: an assignment of SECTION, in the order in which they count; 0: there is no other one. An error
 * is format/ini's, about items->path. */
int settings_items_next(struct settings_items *items, struct ini_item *ret, const char *section);

/* [X-Install] WantedBy= is not empty in the end. */
bool settings_items_start_at_boot(struct arena *arena, const struct settings *settings);
