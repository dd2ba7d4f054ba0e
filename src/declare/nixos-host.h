/* declare/nixos-host - what has to be known of the host, and made on it, before a NixOS container
 * starts. Speaking. Any process with the right to do it.
 */
#pragma once

struct arena;
struct nixos;
struct nixos_host;

/* Facts for declare/nixos-arguments, but for what stands beside the conf. */
int nixos_host_look(struct arena *arena, struct nixos_host *ret, const struct nixos *nixos);

/* Directories of the host that are bound into it. */
int nixos_host_make_directories(const struct nixos *nixos);

/* The tree and all directories that are bound into it. -EBUSY: somebody else uses the tree, which
 * stays as it is. */
int nixos_host_prepare(struct arena *arena, const struct nixos *nixos);

/* Its system is there, as far as it can be seen from here; else the sentence says how to get it. */
int nixos_host_check_system(struct arena *arena, const struct nixos *nixos);
