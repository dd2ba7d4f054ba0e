/* kernel/seccomp-builtin - the filters that are compiled when Redd is built.
 *
 * The source is written by seccomp-gen into the build directory. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/seccomp.h"

struct seccomp_builtin {
	uint64_t gates; /* seccomp_list_gate_mask() of the capabilities it is for */
	bool suppress_sync;
	struct seccomp_program program;
	const char *description;
};

extern const struct seccomp_builtin seccomp_builtins[];
extern const size_t seccomp_builtin_count;
