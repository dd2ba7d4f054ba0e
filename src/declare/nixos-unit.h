/* declare/nixos-unit - a NixOS container as a unit of systemd.
 *
 * container@NAME.service, with the settings that NixOS gives it, in Redd's words. What the
 * companion files say in [X-Unit] and [X-Service] is added as it stands, but for what systemd
 * would not read as one line. Pure.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct nixos;
struct settings;

struct nixos_unit_places {
	const char *programs, *helpers; /* the directories of nspawn and of redd-nixos */
};

/* The whole file. COMPANION: of nixos_companion(); or NULL. */
char *nixos_unit_text(struct arena *arena, const struct nixos *nixos,
		      const struct settings *companion, const struct nixos_unit_places *places);

/* It is started at boot: AUTO_START=1, or [X-Install] WantedBy= of the companion. */
bool nixos_unit_starts_at_boot(struct arena *arena, const struct nixos *nixos,
			       const struct settings *companion);
