/* prog/redd/prepare-nix - systems of NixOS as images of declared machines.
 *
 * A system lies in the host's store of nix, /nix/store, whoever put it there; where there is no
 * nix, that is a directory like others. Its digest is that of trees/HEX.system: lines of a .nspawn
 * file by which the runner shows what the system consists of, and starts it. The tree of the
 * machine is one for all its systems (roots/NAME/nix), or what lies in trees/HEX if it forgets all.
 *
 * What nix may not collect while a generation has it is a link in PREPARE_NIX_GCROOTS. It is made
 * before the lines are, and goes with prepare_nix_collect(). Speaking. Needs the lock of the
 * generations.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct definition;
struct generation_machine;
struct prepare;
struct text_list;

#define PREPARE_NIX_GCROOTS "/nix/var/nix/gcroots/redd"

/* Pure, quiet. */
bool prepare_nix_is(const struct definition *definition);

/* It can be done, as far as the definition alone tells. */
int prepare_nix_check(const struct definition *definition);

/* Sets digest, file and target of RET. OLDER: of the generation before; NULL: none. */
int prepare_nix_image(struct prepare *prepare, struct generation_machine *ret,
		      const struct definition *definition, const struct generation_machine *older);

/* As prepare_forecast(). */
int prepare_nix_forecast(struct prepare *prepare, const char **ret,
			 const struct definition *definition,
			 const struct generation_machine *older);

/* What the lines of DIGEST in the store PATH name: the system, and, if not all of /nix/store is
 * shown, the paths that are. Needs no lock. */
int prepare_nix_read(struct arena *arena, const char **ret_system, struct text_list *ret_paths,
		     const char *path, const char *digest);

/* Nothing but what lines in the store name is kept from nix's collector. */
int prepare_nix_collect(struct prepare *prepare);
