/* prog/redd/prepare - the images that definitions name, as roots of their machines.
 *
 * What is fetched lies in the store once, under its digest (trees/HEX, HEX.raw, HEX.mstack), and is
 * never written to. The root of a machine is made of it when it is first needed, and stays with the
 * changes that the machine makes until no generation names it (roots/NAME/HEX…): so an older
 * generation finds its own. Our own programs fetch and unpack, as children.
 *
 * What was fetched once is not looked at again, unless its definition changed or asks for that.
 * Killed at any time, all that has the name of a digest is whole; the rest is called "growing-HEX"
 * and goes with the next prepare_open(), which comes only when all that fetched for the killed one
 * has ended. Speaking. Needs the lock of the generations.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>

struct arena;
struct definition;
struct find_scope;
struct generation_machine;
struct prepare_registry_answers;

/* What is not whole yet is called so, and more. */
#define PREPARE_GROWING "growing"

struct prepare {
	struct arena *arena;
	const struct find_scope *scope;
	const char *const *environment;
	const char *path; /* of the store */
	bool update;	  /* look again at all that may change */
	bool quiet;
	int lock_fd; /* of the generations: who fetches for us keeps it */
	int trees_fd, roots_fd;
	const struct prepare_registry_answers *answers; /* for prepare_forecast(); NULL: none */
	const char *growing; /* what is not whole yet, by prepare_open() */
	bool fetched;	     /* something that was not there */
};

#define PREPARE_EMPTY                                  \
	{                                              \
		.trees_fd = -EBADF, .roots_fd = -EBADF \
	}

/* PREPARE is set as far as apply_prepare() does. */
int prepare_open(struct prepare *prepare);
void prepare_done(struct prepare *prepare);

/* As prepare_open(), for who only looks: needs no lock, and there may be nothing yet. Quiet. */
void prepare_look(struct prepare *prepare);

struct prepare_forecast {
	/* Its digest, of an image of a registry its manifest's, of a system of NixOS its path;
	 * NULL: it stays as it is, or that is not known. */
	const char *name;
	bool known;	 /* fetching would tell no more */
	const char *why; /* else, a sentence if there is more to say */
};

/* What the image of a machine will be that has OLDER's. */
int prepare_forecast(struct prepare *prepare, struct prepare_forecast *ret,
		     const struct definition *definition, const struct generation_machine *older);

/* What its registry has to be asked for that; NULL: nothing. */
const char *prepare_question(struct prepare *prepare, const struct definition *definition,
			     const struct generation_machine *older);

/* It can be done, as far as the definition alone tells. */
int prepare_check(const struct definition *definition);

/* Sets source, digest, file and target of RET. OLDER: of the generation before; NULL: none. */
int prepare_image(struct prepare *prepare, struct generation_machine *ret,
		  const struct definition *definition, const struct generation_machine *older);

/* One of our programs, which keeps the lock. */
int prepare_run(struct prepare *prepare, const char *const *arguments);
