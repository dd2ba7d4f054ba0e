/* declare/nixos-reload - a running NixOS container switches to its system of now.
 *
 * What its conf, or its profile, names is entered as machine/visit enters: in the machine's cgroup
 * and namespaces, confined as its PID 1, with the system's own programs and no shell. Where only
 * the paths of closures are shown, those of the new one are first. Speaking. Runs in: who enters.
 */
#pragma once

struct arena;
struct machine;
struct nixos;
struct text_list;

struct nixos_reload {
	const char *runtime;		/* of the machines' records */
	const char *const *environment; /* the caller's own, NULL-terminated */
	char *const *arguments;		/* all of main()'s: the program may be run once more */
	const char *action;		/* of switch-to-configuration; NULL: "test" */
};

/* Paths of the store are seen in a machine that sees only some of them. */
int nixos_reload_show(struct arena *arena, const struct machine *machine,
		      const struct text_list *paths);

/* The exit status of the system's switch-to-configuration, or 128 and a signal. */
int nixos_reload(struct arena *arena, const struct nixos *nixos, const struct nixos_reload *reload);
