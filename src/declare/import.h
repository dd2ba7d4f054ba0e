/* declare/import - what other programs' definitions become: one extended .nspawn file for each
 * machine, and a list of what no such file can say.
 *
 * The importers (import-compose, import-quadlet, …) read one foreign format each; import-words is
 * what several of them share. All fill this. A definition that is bad is refused: then import_end()
 * fails with one sentence, and nothing of it is to be written. What is good, but has no equal here,
 * is noted and left out. Each line of the settings table is checked by its row before it counts, so
 * that what was imported is what a start accepts.
 *
 * '%' in values is doubled: files of definitions have specifiers. Pure; files that a definition
 * names are asked for by READ. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/macros.h"

struct arena;

#define IMPORT_FILE_MAX (1 << 20) /* bytes of one file, and of what is written of it */
#define IMPORT_MACHINES_MAX 512
#define IMPORT_NOTES_MAX 4096 /* more is told as one */

/* Where a foreign setting stands. */
struct import_at {
	const char *file;
	unsigned int line;
	const char *key; /* as the file calls it: "services.web.build" */
};

struct import_note {
	struct import_at at;
	const char *machine; /* NULL: of none */
	const char *why;     /* a clause */
};

/* A volume that has a name. */
struct import_volume {
	const char *name, *machine; /* who has it first */
};

struct import_line {
	const char *section, *key, *value;
};

struct import_machine {
	const char *name;
	const char *from; /* for the comment on top: "compose.yaml, service web" */
	struct import_line *lines;
	size_t count;
	struct text_list persist;
	size_t size;   /* of the lines */
	bool manual;   /* is not started with the host, whatever else is said */
	bool left_out; /* no file is written, as a note says */
};

/* PATH is absolute. 0 or a negative errno; quiet. */
typedef int import_read_fn(void *context, struct arena *arena, const char *path, char **ret,
			   size_t *ret_size);

struct import {
	struct arena *arena;
	import_read_fn *read; /* NULL: no file is there */
	void *read_context;
	const char *const *environment; /* for "${NAME}" of formats that have it; NULL: empty */
	struct import_machine **machines;
	size_t machine_count;
	struct import_note *notes;
	size_t note_count;
	struct import_volume *volumes;
	size_t volume_count;
	int status; /* negative: refused, the sentence is recorded */
};

void import_begin(struct import *ret, struct arena *arena, import_read_fn *read, void *read_context,
		  const char *const *environment);

/* 0, or negative: the first refusal. */
int import_end(struct import *import);

/* A machine called NAME, or what of it can be in a machine's name. NULL: refused, as two of one
 * name are. FROM is borrowed. */
struct import_machine *import_add(struct import *import, struct import_at at, const char *name,
				  const char *from);

/* The name that import_add() would give; NULL: there is none. */
char *import_name(struct import *import, const char *name);

/* What cannot be said here; MACHINE may be NULL. */
void import_note(struct import *import, const struct import_machine *machine, struct import_at at,
		 const char *why, ...) PRINTF(4, 5);

/* The definition is bad. The first refusal counts. */
void import_refuse(struct import *import, struct import_at at, const char *why, ...) PRINTF(3, 4);

/* SECTION.KEY=VALUE. A row of the settings table may refuse it. */
void import_set(struct import *import, struct import_machine *machine, struct import_at at,
		const char *section, const char *key, const char *value);
void import_setf(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *section, const char *key, const char *value, ...) PRINTF(6, 7);

/* The last value that was set; NULL: none. */
const char *import_get(const struct import_machine *machine, const char *section, const char *key);

/* A directory whose contents outlive the image's. */
void import_persist(struct import *import, struct import_machine *machine, struct import_at at,
		    const char *path);

/* A word as lists of words have it: in quotes if it must. */
char *import_word(struct arena *arena, const char *word);
char *import_words(struct arena *arena, const struct text_list *words, size_t first);

/* The words of TEXT, at the end of LIST. */
void import_split(struct arena *arena, struct text_list *list, const char *text, const char *any);

/* A path as Bind= and its like have it: with '\' before ':' and '\'. */
char *import_path(struct arena *arena, const char *path);

/* The text of the machine's file. */
char *import_print(struct arena *arena, const struct import_machine *machine);

/* "FILE:LINE: KEY: why", as the list shows it. */
char *import_note_text(struct arena *arena, const struct import_note *note);
