/* prog/nixos-container/build - the system of a container: built by nix, or given, and put into its
 * profile. Speaking.
 *
 * nix and nix-env run as children and print where we do. Where there is no nix the profile is
 * changed by declare/nixos-profile, and nothing can be built. What is built of a configuration is
 * NAME.nix beside the conf: root evaluates it, so that nothing that a guest may write has a say.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct context;
struct nixos;

/* The directories that profile and roots of the garbage collector are in, and the container's own.
 */
int build_make_places(const struct context *context, const struct nixos *container);

/* What --flake=, --system-path=, --config= or --config-file= ask for; else the flake of the conf;
 * else its configuration as it is. CREATED: that is written first, if there is none. */
int build(const struct context *context, const struct nixos *container, bool created);

/* The directory where nix puts its result, until the profile has it: that lies where the guest may
 * put links, which nix would follow. Of a build that was killed it is still there. */
char *build_place(struct arena *arena, const struct nixos *container);

/* A system is a directory that is there. */
int build_check(const struct nixos *container, const char *path);

/* PATH becomes the newest system. */
int build_set(const struct context *context, const struct nixos *container, const char *path);
