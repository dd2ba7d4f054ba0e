/* declare/nixos-store - which part of the host's store a NixOS container sees.
 *
 * As NixOS has it, all, and the host's nix with it. What stands beside its conf may want less:
 *     [X-Nix]
 *     Store=closure   only what the system consists of
 *     Daemon=no       the host's nix builds nothing for it
 * What a system consists of is asked of nix-store, or where there is no nix read from
 * NIXOS_CLOSURES_DIRECTORY/NAME-OF-THE-SYSTEM, a path in each line. Speaking. Any process.
 */
#pragma once
#include <stdbool.h>

#include "base/list.h"

struct arena;
struct nixos;
struct settings;

#define NIXOS_STORE_DIRECTORY "/nix/store"
#define NIXOS_CLOSURES_DIRECTORY "/var/lib/redd/closures"
#define NIXOS_CLOSURE_SIZE_MAX (8 * 1024 * 1024)
#define NIXOS_CLOSURE_PATHS_MAX 20000

enum nixos_store_kind { NIXOS_STORE_FULL, NIXOS_STORE_CLOSURE, NIXOS_STORE_OFF };

struct nixos_store {
	enum nixos_store_kind kind;
	bool daemon;		/* the host's nix can be asked: it is there, and wanted */
	bool database;		/* and its register of paths */
	struct text_list paths; /* of NIXOS_STORE_CLOSURE */
};

/* COMPANION: of nixos_companion(). ENVIRONMENT: the caller's, for $PATH. */
int nixos_store_read(struct arena *arena, struct nixos_store *ret, const struct nixos *nixos,
		     const struct settings *companion, const char *const *environment);

/* The rest of STORE, of which kind and daemon are set, as they are wanted. */
int nixos_store_fill(struct arena *arena, struct nixos_store *store, const struct nixos *nixos,
		     const char *const *environment);

/* O_PATH descriptor of the directory of the system that a start uses, and its path in the host's
 * store. The profile is the guest's to write: only what lies in the store counts as what it leads
 * to. -ENOENT: there is none, or only inside. -EXDEV: the profile leads elsewhere. Quiet. */
int nixos_store_open_system(struct arena *arena, const char **ret_path, const struct nixos *nixos);

/* One store path, and no more: "/nix/store/HASH-NAME". Pure, quiet. */
bool nixos_store_is_path(const char *path);
