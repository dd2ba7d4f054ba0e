/* spec/readers - the ways to fill a spec, and what happens before it becomes const. Pure;
 * speaking.
 *
 * Order in main(): spec_init, args_parse, environment_parse, spec_resolve_name, (file found and
 * read by the engine) nspawn_file_parse, spec_resolve. Each returns 0 or a negative errno with a
 * sentence recorded, except where a positive outcome is named.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "spec/spec.h"

struct arena;
struct setting;
struct specifiers;

struct reader_facts {
	const char *working_directory;
	const char *const *environment; /* NULL-terminated, "NAME=VALUE" */
	unsigned int uid;
	const struct specifiers *specifiers; /* NULL: they were replaced before */
};

/* getopt_long semantics of the reference: stops at the first word that is no option, unique
 * prefixes of long options, joined and separate values. Words land in spec->parameters.
 * Roots that exclude each other or are not built are refused here, before anybody looks for one.
 * 1: a "help" value was asked: *ret_words_of is the row whose words main() prints, exit 0. */
int args_parse(struct arena *arena, struct spec *spec, const struct reader_facts *facts, int argc,
	       char **argv, const struct setting **ret_words_of);

/* SYSTEMD_NSPAWN_* and friends (reference, section 15). */
int environment_parse(struct arena *arena, struct spec *spec, const struct reader_facts *facts);

/* A file, or what is added to it: its content (may hold anything), and PATH for messages
 * ("web.nspawn line 12"). OF_IMAGE: of an image, before all others. That is never trusted, and
 * holds as far as they say nothing else; where they boot and it does not, not at all. */
struct nspawn_part {
	const char *path, *text;
	size_t size;
	bool of_image;
};

/* The parts of one file, in order; at most 255. Unknown sections, keys and bad values warn through
 * base/log and are ignored; [X-…] sections that are not the runner's are skipped silently.
 * Specifiers (format/specifier) are replaced in the others of them. Limits: 1 MiB each, 64 Ki
 * lines. */
int nspawn_file_parse_parts(struct arena *arena, struct spec *spec,
			    const struct reader_facts *facts, const struct nspawn_part *parts,
			    size_t count, bool trusted);
/* The same of one. */
int nspawn_file_parse(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		      const char *text, size_t size, const char *path, bool trusted);
#define NSPAWN_FILE_LIMIT (1024 * 1024)

/* Fill in what nobody said; facts: uid, console is a terminal. Then refuse contradictions
 * (reference, table 1.2) and what is not built yet, one sentence each. */
struct resolve_facts {
	unsigned int uid;
	bool stdin_is_terminal, stdout_is_terminal;
	const char *host_name;
	const char *working_directory;
};

/* Before the file is looked for: the directory when none was given, what --template= means, and
 * the machine's name, which is also the file's. spec_resolve() calls it too; the second call
 * changes nothing. */
int spec_resolve_name(struct arena *arena, struct spec *spec, const struct resolve_facts *facts);

int spec_resolve(struct arena *arena, struct spec *spec, const struct resolve_facts *facts);
