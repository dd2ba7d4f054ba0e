/* image/pick - the newest of several versions of a tree.
 *
 * A directory "NAME.v" holds versions of the image NAME, called
 * "NAME_VERSION", with ".raw" behind for disk images; "_ARCH" and "+LEFT-DONE"
 * (boot attempts) may follow the version. Quiet. Any process.
 */
#pragma once

struct arena;

enum pick_kind { PICK_DIRECTORY, PICK_RAW };

/* PATH as it is unless its last component ends in ".v" and is a directory: then the version in it.
 * -ENOENT: no version of this kind for this machine's architecture. */
int pick_version(struct arena *arena, char **ret, const char *path, enum pick_kind kind);

/* Order of versions as people mean it: <0, 0, >0. "1.9" < "1.10"; "1~rc1" < "1" < "1.1";
 * "1-1" > "1". */
int pick_compare(const char *a, const char *b);
