/* prog/redd/outlook - what lies between what is applied or runs and what is desired. Pure, quiet.
 *
 * A line for each difference, the gravest of a machine first.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct definitions;
struct json_out;
struct machine;

struct outlook_line {
	const char *machine;
	const char *act;     /* "create", "remove", "start", or what it costs: "live" */
	const char *subject; /* "memory max"; NULL: the machine as a whole */
	const char *section, *key;
	const char *before, *after;
	const char *note;
	const char *dropped; /* "12 files (3.4M)", which its next root begins without */
	bool running;
};

struct outlook {
	struct outlook_line *lines;
	size_t count;
};

enum outlook_kept {
	OUTLOOK_NEW,
	OUTLOOK_KEPT,  /* kept before, and so it is */
	OUTLOOK_OLDER, /* kept before, but since then it has been in the tree */
};

/* RUNNING is sorted by name. */
struct outlook_facts {
	const struct definitions *applied, *desired;
	const struct machine *running;
	size_t running_count;
	const char
		*runtime; /* of their records, for prog/redd/forecast; NULL: nobody looks there */
	bool files_only;  /* whether they run is not asked */
	bool rootless;	  /* of a user */
	bool (*wants)(const void *context, const char *name); /* NULL: all */
	/* What there is already of a directory to be kept; NULL: not asked. */
	enum outlook_kept (*kept)(const void *context, const char *name, const char *path);
	bool back; /* it is as it was kept then */
	const void *context;
};

void outlook_make(struct arena *arena, struct outlook *ret, const struct outlook_facts *facts);

/* Quiet. */
bool outlook_runs(const struct outlook_facts *facts, const char *name);

/* "memory max", for a line. */
const char *outlook_subject(struct arena *arena, const char *section, const char *key);

/* One more line, behind those of its machine. */
void outlook_add(struct arena *arena, struct outlook *outlook, const struct outlook_line *line);

/* For people, in columns. */
const char *outlook_text(struct arena *arena, const struct outlook *outlook);

/* An array of objects under KEY. */
void outlook_json(struct json_out *json, const char *key, const struct outlook *outlook);
