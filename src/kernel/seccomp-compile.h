/* kernel/seccomp-compile - from a request to the one program that fulfils it.
 *
 * The same function makes the built-in programs, in the generator, and all
 * others, in the supervisor. Quiet.
 */
#pragma once
#include <stdint.h>

#include "kernel/seccomp.h"

struct arena;
struct seccomp_names;

#define SECCOMP_COMPILE_ABIS_MAX 3

/* The ABIs that programs of ARCHITECTURE (SCMP_ARCH_*) can use, itself first; returns how many. */
int seccomp_compile_abis(uint32_t ret[SECCOMP_COMPILE_ABIS_MAX], uint32_t architecture);

/* What the kernel calls the ABI in struct seccomp_data: AUDIT_ARCH_*. */
uint32_t seccomp_compile_audit(uint32_t abi);

/* A call's number in an ABI; -ENOENT: the ABI has no such call. */
int seccomp_compile_number(const struct seccomp_names *names, uint32_t abi, const char *name);

/* As seccomp_select(), for any architecture. */
int seccomp_compile(struct arena *arena, struct seccomp_program *ret,
		    const struct seccomp_request *request, uint32_t architecture,
		    const struct seccomp_names *names, const char **ret_unknown);
