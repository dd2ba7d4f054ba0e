/* prog/redd/prepare-root - what a machine starts from, made of the tree that the store has.
 * Speaking. As prog/redd/prepare.
 */
#pragma once

struct arena;
struct definition;
struct generation_machine;
struct prepare;

/* Sets file and target of RET, whose digest is that of a tree in the store. */
int prepare_root_make(struct prepare *prepare, struct generation_machine *ret,
		      const struct definition *definition);

/* Likewise, and the digest: what its source leads to (Root=direct). */
int prepare_root_direct(struct prepare *prepare, struct generation_machine *ret,
			const struct definition *definition);

/* The path of what MACHINE starts from; PATH: of the store. Pure. */
const char *prepare_root(struct arena *arena, const char *path,
			 const struct generation_machine *machine);
