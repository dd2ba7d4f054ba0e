/* transfer/naming - what an image is called if nobody says so. Pure. */
#pragma once

struct arena;

/* The last part of a path or of an URL (without what follows "?" and "#"), without the ending that
 * tells its form: ".tar", ".tar.xz", ".tgz" and so on. */
char *naming_of_tar(struct arena *arena, const char *path);

/* Likewise without ".raw", ".img", ".qcow2", and compression, as often as there are such. */
char *naming_of_raw(struct arena *arena, const char *path);

/* That part itself. */
char *naming_last(struct arena *arena, const char *path);
