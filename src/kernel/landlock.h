/* kernel/landlock - what a process may still do with files and sockets, given up for good.
 *
 * One more wall where the kernel has it (5.13; sockets 6.7, signals and abstract sockets 6.12):
 * the caller must not depend on it. linux/landlock.h. Any process. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct landlock_allowed {
	int directory;	     /* everything but running programs below it; negative: none */
	const int *readable; /* directories below which files may be read and run */
	size_t readable_count;
	bool connect; /* TCP */
};

/* Needs no-new-privileges. 0: done, as far as this kernel can; -ENOSYS, -EOPNOTSUPP: it has no
 * Landlock. */
int landlock_close(const struct landlock_allowed *allowed);
