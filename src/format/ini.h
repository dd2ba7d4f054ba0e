/* format/ini - sections of KEY=VALUE lines, as `.nspawn` files have them. Pure, quiet.
 *
 * "#" and ";" begin a comment line; a line that ends in a backslash goes on in
 * the next one that is no comment, with one blank between; CRLF ends a line as
 * LF does; blanks around keys and values do not count. What cannot be read is
 * handed out as an item too, so that the caller can warn with its line number.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;

#define INI_LINES_MAX 65536

enum ini_kind {
	INI_SECTION,	/* section */
	INI_ASSIGNMENT, /* section, key, value; section is NULL before the first heading */
	INI_BAD,	/* value: what is wrong, a static sentence */
};

struct ini_item {
	enum ini_kind kind;
	unsigned int line; /* where it begins; the first is 1 */
	const char *section, *key, *value;
};

struct ini {
	struct arena *arena;
	const char *at, *end;
	const char *section;
	char *scratch; /* for lines that go on; one for all, so that memory stays linear */
	unsigned int line;
};

/* What is wrong with a line that begins with '[' and is no heading: no other line has this one. */
extern const char ini_bad_heading[];

/* TEXT is borrowed until the last ini_next(). -EINVAL: there is a NUL byte in it. */
int ini_start(struct ini *ini, struct arena *arena, const char *text, size_t size);

/* 1: there is an item, 0: the end. -E2BIG: more than INI_LINES_MAX lines. */
int ini_next(struct ini *ini, struct ini_item *ret);

/* TEXT stays one line whoever reads it: no control characters but tabs. systemd, for one, ends a
 * line at a carriage return as well. */
bool ini_is_line(const char *text);
