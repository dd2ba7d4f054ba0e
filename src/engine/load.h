/* engine/load - a spec from the command line, the environment and the .nspawn file: steps 1 to 3.
 * Runs in: supervisor, before the container, and once more when a supervisor that took it over
 * starts it again. Speaking. */
#pragma once

struct arena;
struct reader_facts;
struct spec;

/* Steps 2 and 3, after args_parse() and environment_parse(). */
int load_rest(struct arena *arena, struct spec *spec, const struct reader_facts *facts);

/* All three. ARGUMENTS: NULL-terminated, with argv[0]; they were good once. */
int load_spec(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
	      const char *const *arguments);
