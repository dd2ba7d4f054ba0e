/* kernel/seccomp-list - which system calls exist, their groups, and the default list.
 *
 * Data only: used when the built-in filters are generated and when a filter
 * is compiled at run time. Lists of words are texts with one blank between
 * words; a word that begins with "@" stands for a group. Texts instead of
 * arrays of pointers: they need no relocation, so a program that never
 * compiles a filter never touches their pages. Pure.
 *
 * Sources: reference, section 10.3; the kernel's arch/x86/entry/syscalls/syscall_64.tbl,
 * syscall_32.tbl and scripts/syscall.tbl.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seccomp_list_group {
	char name[16];
	const char *members;
};

struct seccomp_list_gate {
	int capability; /* CAP_*: kept, so the members are allowed too */
	const char *members;
};

/* A call that may be younger than the installed libseccomp. */
struct seccomp_list_newer {
	char name[28];
	uint16_t number;
	uint32_t only; /* the one architecture that has it (AUDIT_ARCH_*); 0: all */
};

extern const struct seccomp_list_group seccomp_list_groups[];
extern const size_t seccomp_list_group_count;
extern const struct seccomp_list_gate seccomp_list_gates[];
extern const size_t seccomp_list_gate_count;
extern const struct seccomp_list_newer seccomp_list_newer[];
extern const size_t seccomp_list_newer_count;

/* Allowed whatever capabilities are kept. */
extern const char seccomp_list_default[];

/* Names that are in no group, not in the default list and behind no gate. */
extern const char seccomp_list_other[];

/* The members of "@name"; NULL: no such group. */
const char *seccomp_list_members(const char *group);

/* CAPABILITIES without those that open no gate: filters of equal masks are equal. */
uint64_t seccomp_list_gate_mask(uint64_t capabilities);

/* Walk over a list: the next word is *ret_word, of the returned length; 0: the end. */
size_t seccomp_list_next(const char **position, const char **ret_word);

/* Number of an address family ("AF_INET"). -ENOENT: unknown. */
int seccomp_list_family(const char *name);
