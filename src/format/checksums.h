/* format/checksums - lists of SHA-256 sums: SHA256SUMS, FILE.sha256. Pure, quiet.
 *
 * A line is 64 lower-case hexadecimal digits, then " *", two blanks or one, then the file's name up
 * to the line feed. Lines of any other form are skipped, so that a list may be signed in place.
 * Nothing but the whole name counts, and a list that gives two sums for one name gives none.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define CHECKSUMS_SIZE_MAX (1024 * 1024)
#define CHECKSUMS_DIGITS 64

/* -ENOENT: NAME is not in the list; -EEXIST: with different sums; -EINVAL: NAME is no name; -E2BIG:
 * the list is larger than CHECKSUMS_SIZE_MAX. */
int checksums_find(char ret[CHECKSUMS_DIGITS + 1], const char *text, size_t size, const char *name);

/* 64 lower-case hexadecimal digits, and nothing else. */
bool checksums_is_sum(const char *text);
