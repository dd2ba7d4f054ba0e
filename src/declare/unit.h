/* declare/unit - a declared machine as a unit of systemd.
 *
 * container@NAME.service is there for every machine; what its definition says in [X-Unit] and
 * [X-Service] becomes a drop-in of it, as it stands, but that a dependency on NAME.nspawn is one on
 * that machine's unit. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;

/* The drop-in of the definition TEXT, found at PATH. PROGRAMS: the directory of machinectl. NULL:
 * it says nothing about the unit. */
char *unit_drop_in(struct arena *arena, const char *text, size_t size, const char *path,
		   const char *programs);

/* [X-Install] WantedBy= is not empty. */
bool unit_starts_at_boot(struct arena *arena, const char *text, size_t size);
