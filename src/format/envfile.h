/* format/envfile - NAME=VALUE files with the shell's quotes: os-release, locale.conf. Pure, quiet.
 *
 * Nothing is expanded and nothing is run. Values may be bare, in '…' or in "…"
 * (backslash protects " \ $ ` there), also in pieces side by side, and may go over lines inside of
 * quotes. Lines that are no assignment and values with an open quote are skipped.
 */
#pragma once
#include <stddef.h>

struct arena;

#define ENVFILE_SIZE_MAX (256 * 1024) /* what a caller should read at most */

struct envfile {
	struct arena *arena;
	const char *at, *end;
	char *scratch; /* one for all values: memory stays linear in the text */
};

/* TEXT is borrowed until the last envfile_next(). -EINVAL: there is a NUL byte in it.
 * -E2BIG: larger than ENVFILE_SIZE_MAX. */
int envfile_start(struct envfile *file, struct arena *arena, const char *text, size_t size);

/* 1: there is an assignment, 0: the end. */
int envfile_next(struct envfile *file, char **ret_name, char **ret_value);

/* The value of NAME, the last one if it is there twice; NULL: not there, or the text is no such
 * file. */
char *envfile_find(struct arena *arena, const char *text, size_t size, const char *name);
