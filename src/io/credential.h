/* io/credential - the bytes of a secret that a file holds, or that a socket tells. Quiet. Waits for
 * who writes, and can be interrupted. */
#pragma once
#include <stddef.h>

struct arena;

#define CREDENTIAL_LIMIT (1024 * 1024)

/* To its end, which is not copied elsewhere on the way. -EFBIG: more than the limit. */
int credential_read(struct arena *arena, char **ret, size_t *ret_size, const char *path);
