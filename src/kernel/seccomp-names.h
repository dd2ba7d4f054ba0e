/* kernel/seccomp-names - libseccomp as a dictionary: names and numbers of system calls.
 *
 * A file pair: seccomp-names-dlopen.c loads the shared library when it is
 * asked for, seccomp-names-linked.c is for static programs and for the
 * generator. Supervisor. Quiet.
 */
#pragma once
#include <stdint.h>

/* Architectures are SCMP_ARCH_* of seccomp.h: AUDIT_ARCH_*, and a token of its own for x32. */
struct seccomp_names {
	uint32_t (*native)(void);
	uint32_t (*architecture)(const char *name);		/* 0: unknown */
	int (*number)(uint32_t architecture, const char *name); /* -1: unknown; below: not here */
	char *(*name)(uint32_t architecture, int number);	/* to be freed; NULL: unknown */
	void *library;
};

/* -ENOPKG: not installed. */
int seccomp_names_open(struct seccomp_names *ret);

/* The empty (all-zero) object is accepted. */
void seccomp_names_close(struct seccomp_names *names);
