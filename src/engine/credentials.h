/* engine/credentials - the bytes behind --load-credential=, read once.
 *
 * Before anything is taken or entered: a pipe or socket of the caller can be read only once, but a
 * container that reboots needs its credentials again. Runs in: supervisor; waits for who
 * writes, and can be interrupted. Speaking.
 */
#pragma once

struct arena;
struct spec;

/* DIRECTORY: $CREDENTIALS_DIRECTORY, or NULL. What was loaded replaces the path in SPEC. */
int credentials_load(struct arena *arena, struct spec *spec, const char *directory);
