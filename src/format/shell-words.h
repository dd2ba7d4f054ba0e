/* format/shell-words - the words of a shell script, command by command, with nothing expanded.
 *
 * For reading what a program has written as literals into a script of known form: a word tells
 * whether it stands for itself. What a shell does with the rest is not known here, and what changes
 * the meaning of the lines after it (here-documents, unfinished quotes) is an error. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;

#define SHELL_WORDS_MAX 4096 /* of one command */

struct shell_word {
	const char *text;  /* without quotes; expansions as they are written */
	unsigned int line; /* where it begins; the first is 1 */
	bool literal;	   /* nothing in it is expanded: it is TEXT */
	bool bare;	   /* nor is it quoted: it may be one of the language's own words */
};

struct shell_script {
	struct arena *arena;
	const char *at, *end;
	unsigned int line;
	char *scratch;
	/* the command read last */
	struct shell_word *words;
	size_t count;
};

/* TEXT is borrowed. -EINVAL: there is a NUL byte in it. */
int shell_script_begin(struct shell_script *script, struct arena *arena, const char *text,
		       size_t size);

/* 1: the next command, of one word at least, is in script->words: up to the end of its line, or to
 * ";", "&" or "|". "(", ")", "<" and ">" are words. 0: the end. -EINVAL: at script->line is what
 * cannot be read so; -E2BIG: a command of more than SHELL_WORDS_MAX words. */
int shell_script_next(struct shell_script *script);
