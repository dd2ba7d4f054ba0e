/* base/text - questions about strings, and escaping for people. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct text_list;

bool text_equal(const char *a, const char *b);			    /* both may be NULL */
bool text_empty(const char *text);				    /* NULL or "" */
const char *text_after(const char *text, const char *prefix);	    /* the rest, or NULL */
const char *text_after_loose(const char *text, const char *prefix); /* whatever case of ASCII */
bool text_ends(const char *text, const char *suffix);

/* The value, where ASSIGNMENT is "NAME=VALUE"; else NULL. */
const char *text_assigned(const char *assignment, const char *name);

/* What NAME is set to in ENVIRONMENT ("NAME=VALUE", NULL-terminated; may be NULL); NULL: not set.
 */
const char *text_variable(const char *const *environment, const char *name);

/* Split at any character of ANY; empty fields are dropped. */
void text_split(struct arena *arena, struct text_list *ret, const char *text, const char *any);

/* Split at MARK; "\x" stands for x; empty fields are kept (bind, overlay, tmpfs grammar).
 * -EINVAL: a lone backslash at the end. */
int text_split_escaped(struct arena *arena, struct text_list *ret, const char *text, char mark);

/* Words as in .nspawn lists: blanks separate, ' and " quote, C escapes inside " and in bare words.
 * -EINVAL: unbalanced quotes or a bad escape. */
int text_split_quoted(struct arena *arena, struct text_list *ret, const char *text);

/* Undo C escapes (\n \t \\ \xHH \NNN \uHHHH …). The result may hold NUL: *ret_size counts it.
 * A terminator follows. -EINVAL: bad escape. */
int text_unescape(struct arena *arena, char **ret, size_t *ret_size, const char *text);

/* Unsafe characters (below) and bytes that are not UTF-8 as \xHH, for a terminal. */
char *text_printable(struct arena *arena, const char *text);

/* One UTF-8 character at TEXT (SIZE bytes are there): its length, or 0 when the bytes are not
 * well-formed (overlong forms, surrogates, cut short). */
size_t text_utf8_decode(uint32_t *ret, const char *text, size_t size);

/* Write CODE (a valid character) as UTF-8; returns its length. */
size_t text_utf8_encode(char ret[4], uint32_t code);

/* A character that must not reach a terminal from outside: C0, C1, DEL, and what changes the
 * direction of writing or breaks lines. */
bool text_is_unsafe(uint32_t code);

/* Base64 (RFC 4648, no line breaks). */
char *text_base64(struct arena *arena, const void *data, size_t size);
