/* declare/definitions - the definitions of a host: all in a directory, or some files. Speaking.
 *
 * A directory gives each *.nspawn in it that is managed; a file is meant as it is, so one that is
 * not managed is refused. Sorted by name; of a name that several places have, the first place's
 * counts. Any process.
 */
#pragma once
#include <stddef.h>

struct arena;
struct definition;
struct definition_facts;
struct text_list;

#define DEFINITIONS_MAX 10000

struct definitions {
	struct definition **items; /* by name */
	size_t count;
};

/* What %m and %H are on this host. */
void definitions_facts(struct arena *arena, struct definition_facts *ret);

/* PLACES are directories and files. A directory that is not there has none. */
int definitions_load(struct arena *arena, struct definitions *ret, const struct text_list *places,
		     const struct definition_facts *facts);

/* Those of a generation's directory of files, which is FLAT. Where the text is that of the one in
 * DESIRED (NULL: none are) there is nothing to read: that one stands for both. */
int definitions_load_applied(struct arena *arena, struct definitions *ret, const char *directory,
			     const struct definitions *desired);

/* For who puts some together. Quiet. */
void definitions_sort(struct definitions *definitions);

/* Its place; COUNT: none has this name. Quiet. */
size_t definitions_place(const struct definitions *definitions, const char *name);

/* NULL: none has this name. Quiet. */
const struct definition *definitions_find(const struct definitions *definitions, const char *name);
