/* kernel/seccomp-simulate - what a filter would answer, without installing it.
 *
 * For the tests and for the table of the default filter. Pure.
 */
#pragma once
#include <stdint.h>

struct seccomp_data;
struct seccomp_program;

/* SECCOMP_RET_*, with its data. -EINVAL: the program is none that the kernel would take. */
int seccomp_simulate(uint32_t *ret, const struct seccomp_program *program,
		     const struct seccomp_data *data);
