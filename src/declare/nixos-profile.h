/* declare/nixos-profile - the systems that a container has had, kept as nix-env keeps them.
 *
 * PROFILE is a link to PROFILE-N-link beside it, and that one to the system. Nix takes both for
 * reasons to keep what they lead to, and its programs go on with what these functions did; they
 * need none of them. Changes are made under nix's own lock, PROFILE.lock. The directory is the
 * guest's to write, too: nothing there is followed or opened that is not what it should be, and
 * nobody is waited for for ever. Speaking. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct nixos_generation {
	uint32_t number;
	const char *path; /* of the system */
	uint64_t made_us; /* since 1970 */
	bool current;
};

#define NIXOS_GENERATIONS_MAX 65536

/* By number. None, if there is no such profile. */
int nixos_profile_list(struct arena *arena, struct nixos_generation **ret, size_t *ret_count,
		       const char *profile);

/* What the profile leads to, by one or two links that lie there; NULL: nothing. Quiet. */
char *nixos_profile_path(struct arena *arena, const char *profile);

/* It leads to PATH from now on, by a new generation if the newest is another. The profile's
 * directory is there. */
int nixos_profile_set(struct arena *arena, const char *profile, const char *path);

/* To generation NUMBER; 0: to the one before the current one. RET_PATH: its system. -ENOENT: there
 * is none. */
int nixos_profile_roll_back(struct arena *arena, const char **ret_path, const char *profile,
			    uint32_t number);
