/* image/raw-mount - the file systems of a disk image become one tree, in a mount namespace that is
 * only for that. Speaking. As image/raw.
 */
#pragma once
#include <stdbool.h>

struct raw;

/* The partition of ROLE is written to. Of what never is, the kernel alone knows that by itself. */
bool raw_mount_writes(const struct raw *raw, int role);

/* RAW is attached. The tree's top, for openat(2), attached at the directory PLACE in a mount
 * namespace of its own. PATH is for the sentences. */
int raw_mount(struct raw *raw, const char *place, const char *path);
