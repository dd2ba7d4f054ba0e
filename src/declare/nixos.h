/* declare/nixos - the NixOS containers of this host, by their files.
 *
 * NAME.conf lies in /etc/nixos-containers or, on hosts that began before 22.05, in
 * /etc/containers, where podman keeps files too: those with a key of ours count. The first of both
 * wins; new ones are made in the first. Nothing here starts or changes a container. Speaking. Any
 * process; readers need no right but to read the files.
 */
#pragma once
#include <stdbool.h>

#include "format/nixos-conf.h"

struct arena;
struct settings;
struct text_list;

#define NIXOS_STATE_DIRECTORY "/var/lib/nixos-containers"
#define NIXOS_OLD_STATE_DIRECTORY "/var/lib/containers"
#define NIXOS_PROFILES_DIRECTORY "/nix/var/nix/profiles/per-container"
#define NIXOS_GCROOTS_DIRECTORY "/nix/var/nix/gcroots/per-container"
#define NIXOS_NAMES_MAX 10000 /* in both directories */

struct nixos {
	const char *name;
	const char *conf_path;
	const char *configuration; /* NAME.nix beside the conf, where only root writes */
	const char *root;	   /* of the tree: STATE_DIRECTORY/NAME */
	const char *profiles;	   /* PROFILES_DIRECTORY/NAME: the guest's /nix/var/nix/profiles */
	const char *system;	   /* its system profile there, a link that nix makes */
	const char *gcroots;	   /* GCROOTS_DIRECTORY/NAME */
	const char *companion;	   /* "/etc/systemd/nspawn/NAME.nspawn": where that is made */
	bool old;		   /* in /etc/containers */
	bool declared;		/* the conf is a link, or may not be written: not ours to change */
	struct nixos_conf conf; /* empty where nixos_new() made it */
};

/* The names of all, sorted, each once. A file that cannot be read or parsed is passed over with a
 * warning. */
int nixos_list(struct arena *arena, struct text_list *ret);

/* -EINVAL: no machine name, or the file is none that can be parsed. -ENOENT (nothing recorded):
 * there is no such container. */
int nixos_find(struct arena *arena, struct nixos *ret, const char *name);

/* Where one that is to be made has its files. -EINVAL: no machine name. */
int nixos_new(struct arena *arena, struct nixos *ret, const char *name);

/* All values are of their kinds, or the sentence names file and key. */
int nixos_check(struct arena *arena, const struct nixos *nixos);

/* The conf, written anew and moved over the old one. -EPERM: it is declared. */
int nixos_write(struct arena *arena, const struct nixos *nixos);

/* Nobody else changes this container: for every verb that changes one, held until *RET_FD is
 * closed. Waits. Starting by the service manager takes no lock, so who holds it may ask for that.
 */
int nixos_lock(struct arena *arena, int *ret_fd, const char *name);

/* The same at once. -EWOULDBLOCK (nothing recorded): somebody has it. */
int nixos_lock_now(struct arena *arena, int *ret_fd, const char *name);

/* What is said beside the conf, which has no place for it: the settings of the machine of its name,
 * else what the host's configuration says in the container's unit. No parts: nothing. */
int nixos_companion(struct arena *arena, struct settings *ret, const struct nixos *nixos);

/* For the runner, which reads settings files: the latter lies in SETTINGS_MADE from now on, or what
 * lay there is gone. */
int nixos_companion_make(struct arena *arena, const struct nixos *nixos,
			 const struct settings *companion);

/* -EEXIST: a machine of its name was applied, which comes first: VERB cannot be done. */
int nixos_refuse_applied(struct arena *arena, const struct nixos *nixos, const char *verb);

/* The closure that a start uses: SYSTEM_PATH, else the system profile. Not resolved. */
const char *nixos_system(const struct nixos *nixos);

/* The same, as it is called inside. */
const char *nixos_system_inside(const struct nixos *nixos);
