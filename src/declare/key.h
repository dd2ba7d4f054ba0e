/* declare/key - one row knows everything about one key of a definition.
 *
 * Keys of the base sections and of [X-Network] are rows of the settings table (spec/settings), and
 * what follows from their change is added here; the others are listed here alone. [X-Unit],
 * [X-Service] and [X-Install] are systemd's: any key is one there that is no slip of a known one,
 * and those that Redd's own supervisor honours are marked. Pure. Parsers record nothing: they
 * return 0 or a negative errno, and may leave a clause in reader->why.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "declare/consequence.h"

struct arena;
struct definition;
struct definition_network;
struct setting;

enum key_flag {
	KEY_REPEATS = 1,   /* each assignment counts */
	KEY_SPACES = 2,	   /* and is a list of words */
	KEY_EMPTY = 4,	   /* an empty one says something, instead of dropping those before it */
	KEY_ADDS_LIVE = 8, /* one value more is live, whatever one less is */
	KEY_HONOURED = 16, /* also on a host without systemd */
	KEY_ORDERED = 32,  /* a later value goes before an earlier one */
};

struct key_reader {
	struct arena *arena;
	struct definition *definition;
	struct definition_network *network; /* whose section this is; [X-Network…] only */
	const struct key *key;
	const char *why; /* optional clause for a refusal */
};

typedef int key_parse_fn(struct key_reader *reader, const char *value);

struct key {
	const char *section, *name; /* "X-Network" also for [X-Network:LINK] */
	const char *value;	    /* "BOOL": what it looks like */
	const char *const *words;   /* accepted ones, NULL-terminated; NULL: PARSE knows */
	const struct setting *setting;
	key_parse_fn *parse; /* NULL: the setting's, or anything goes */
	size_t offset;	     /* in struct definition; 0: PARSE knows */
	enum consequence consequence;
	unsigned int flags;
	const char *controller; /* of cgroups, which has to be there; NULL: none */
};

/* A section that definitions are made of: a base one or one of ours, with or without ":LINK". */
bool key_is_section(const char *section);

/* One of the three that are systemd's own. */
bool key_is_unit_section(const char *section);

/* False: there is no such key. */
bool key_find(struct key *ret, const char *section, const char *name);

/* The name that was meant; NULL: none is near. */
const char *key_nearest(const char *section, const char *name);

/* The sections of ours, NULL-terminated, and what is nearest to one that is not known; NULL: none.
 */
extern const char *const key_sections[];
const char *key_nearest_section(const char *section);

/* The rows that are listed here alone, for the manual's check and completion. */
extern const struct key key_rows[];
extern const size_t key_rows_count;
