/* declare/import-kinds - which formats are read, by the words that ask for them. Pure. Speaking. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct import;
struct text_list;

struct import_kind {
	const char *word; /* "compose" */
	const char *what; /* for people */
	bool directory;	  /* of files, not one */
};

extern const struct import_kind import_kinds[];
extern const size_t import_kinds_count;

const struct import_kind *import_kind(const char *word); /* NULL: none */

/* What a file of this name is; NULL: its name does not tell. */
const struct import_kind *import_kind_of(const char *path);

/* "compose, quadlet, … and nixos-conf", for a sentence. */
char *import_kinds_text(struct arena *arena);

/* PATH is absolute. TEXT: the file's; NAMES: the directory's files, of a kind that is one. False:
 * WORD is no kind. */
bool import_run(struct import *import, const char *word, const char *path, const char *text,
		size_t size, const struct text_list *names);
