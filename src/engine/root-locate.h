/* engine/root-locate - where the tree is and what the machine is called.
 *
 * Runs before the .nspawn file is looked for, whose name is the machine's, so
 * only what the command line said counts (reference 4.1). Speaking.
 * Supervisor.
 */
#pragma once

struct arena;
struct reader_facts;
struct spec;

struct root_place {
	const char *path;	   /* the tree (or, with --template=, where it will be) */
	const char *settings_name; /* the name before any random suffix: NAME.nspawn */
	const char *beside;	   /* directory of the untrusted NAME.nspawn, or NULL */
};

/* Fills spec->directory and spec->machine where nobody said them. With --ephemeral and no
 * --machine= the name gets its random suffix here. */
int root_locate(struct arena *arena, struct root_place *ret, struct spec *spec,
		const struct reader_facts *facts);
