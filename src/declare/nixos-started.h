/* declare/nixos-started - what was said of a NixOS container when it was started.
 *
 * Another system can be switched to while it runs; whatever else its conf says now counts from the
 * next start on, and so does what its settings file says (nixos_companion()), as far as a change
 * costs a declared machine anything. Both are variables of the runner's, which guests do not see,
 * and so are gone when that is. Any process; root finds it. Quiet.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct nixos;
struct settings;
struct text_list;

/* The assignments for the runner's environment. What cannot be written there is left out. */
void nixos_started_note(struct arena *arena, struct text_list *variables, const struct nixos *nixos,
			const struct settings *companion);

struct nixos_started_difference {
	const char *what; /* "HOST_PORT=", "[Exec] Capability=" */
	const char *path; /* of the file that says something else now */
};

/* The first that says something else now, of what counts in what runs: in the conf not the system,
 * nor where it comes from, nor whether it starts at boot; in settings what declare/compare says.
 * Limits of a unit systemd itself follows. False: none, or that cannot be told of the machine.
 * RUNTIME: of the machines' records. */
bool nixos_started_differs(struct arena *arena, struct nixos_started_difference *ret,
			   const struct nixos *nixos, const struct settings *companion,
			   const char *runtime);
