/* base/path - paths as text: no file system is asked. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;

bool path_is_absolute(const char *path);
bool path_is_normal(const char *path); /* no "." "..", no "//", shorter than PATH_MAX */
bool path_is_below(const char *path, const char *directory); /* equal counts too */
const char *path_name(const char *path);		     /* last component ("" for "/") */

char *path_join(struct arena *arena, const char *directory, const char *name);
char *path_parent(struct arena *arena, const char *path); /* "/" for "/a" and "/" */

/* Drop "//" and "/./" and trailing "/". ".." is kept: it cannot be judged without links. */
char *path_simplify(struct arena *arena, const char *path);

/* 255 bytes at most, no "/", not "." or "..", not empty. */
bool path_is_file_name(const char *name);
