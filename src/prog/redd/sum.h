/* prog/redd/sum - by what images are told apart: the SHA-256 of a file, or of a whole tree.
 *
 * That of a tree is the one of a list of all that is in it, in the order of names: kind, mode,
 * owner, what a link says, which device it is, extended attributes, and the bytes of files. Times
 * do not count, so that a copy has the sum of its original; nor does what is mounted there.
 * Speaking.
 */
#pragma once

struct arena;

/* "sha256:…" */
int sum_file(struct arena *arena, const char **ret, const char *path);
int sum_tree(struct arena *arena, const char **ret, const char *path);

/* Of words. */
int sum_text(struct arena *arena, const char **ret, const char *text);
