/* kernel/seccomp-allow - system calls of processes that read bytes from outside: lists of what is
 * allowed.
 *
 * Other than kernel/seccomp, which is the payload's, by libseccomp itself: its callers link it.
 * FILTER is a scmp_filter_ctx. Names that an architecture does not have are skipped. Result: 0, or
 * a negative errno. */
#pragma once
#include <stddef.h>

int seccomp_allow(void *filter, const char *const *names, size_t count);

/* What reads and writes descriptors that are there, memory, time and threads take. No new
 * processes. */
int seccomp_allow_basics(void *filter);
