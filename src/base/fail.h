/* base/fail - the one sentence that explains why something failed.
 *
 * Quiet code returns a negative errno and records nothing. The first caller
 * that knows what the user was after records a sentence with fail(); callers
 * above may put it in context with fail_in(). main() prints the result once.
 *
 * The record is a fixed-size struct without pointers, so a child can write
 * it to a socket as it is, even between fork and exec. Pure; any process.
 */
#pragma once
#include <stdbool.h>

#include "base/macros.h"

#define FAIL_TEXT_MAX 1020

struct failure {
	int code;		  /* negative errno; 0: nothing recorded */
	char text[FAIL_TEXT_MAX]; /* "outer: inner: reason" */
};

/* Record a sentence plus ": " and the reason for CODE; return CODE.
 * CODE is a negative errno. */
int fail(int code, const char *format, ...) PRINTF(2, 3);

/* Record a sentence as it is, for failures that no errno explains (bad input);
 * return -EINVAL. */
int fail_input(const char *format, ...) PRINTF(1, 2);

/* As fail(), without the reason's text: the sentence says it all. */
int fail_plain(int code, const char *format, ...) PRINTF(2, 3);

/* Put "CONTEXT: " before what is recorded; return CODE. When nothing was
 * recorded, start the record here, so that no failure is without a text. */
int fail_in(int code, const char *format, ...) PRINTF(2, 3);

/* CODE is for want of descriptors or memory: it says nothing about what was asked or read. */
bool fail_is_want(int code);

/* Append " (HINT)" to what is recorded: the remedy, once the cause was probed. */
void fail_hint(const char *format, ...) PRINTF(1, 2);

const struct failure *fail_recorded(void);
void fail_adopt(const struct failure *child);
void fail_forget(void);
