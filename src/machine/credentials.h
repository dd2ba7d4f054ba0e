/* machine/credentials - those of a running machine become other ones.
 *
 * It sees them in a directory that is mounted read-only for good, of a file system that nobody can
 * write to any more; so another one is mounted over that (machine/bind). They are never written to
 * swap. Who has one open, or the directory, still sees it as it was. Speaking. Any process of the
 * host.
 */
#pragma once
#include <stddef.h>

struct arena;
struct machine;

struct credentials_item {
	const char *id;
	const void *data;
	size_t size;
};

/* All that it has from now on, for whom it had them before. -ENOENT: it was started without any. */
int credentials_replace(struct arena *arena, const struct machine *machine,
			const struct credentials_item *items, size_t count);
