/* kernel/seccomp-emit - from "number of a call: what happens" to BPF.
 *
 * One program serves all ABIs: it looks at the architecture, then searches
 * the number in a balanced tree of ranges. Only loads of the architecture
 * and the number, comparisons and jumps lie on the way to an unconditional
 * answer, so that the kernel (5.11 and later) can work out these answers when
 * the filter is installed and never runs it for them again.
 *
 * What differs from a filter per ABI: nothing but speed. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct seccomp_program;

/* In order of precedence: where two names have one number, the higher action holds. */
enum seccomp_action {
	SECCOMP_UNKNOWN, /* ENOSYS, so that programs fall back on older calls */
	SECCOMP_REFUSE,	 /* EPERM: known and not allowed */
	SECCOMP_ALLOW,
	SECCOMP_SOCKET,	    /* allowed, but audit and refused families are EAFNOSUPPORT */
	SECCOMP_SOCKETCALL, /* allowed, but making a socket is EAFNOSUPPORT */
	SECCOMP_IOCTL,	    /* allowed, but commands that type into a terminal are EPERM */
	SECCOMP_SUCCEED,    /* returns 0 and does nothing */
	SECCOMP_SUCCEED_FD, /* the same if the first argument is not negative, else allowed */
	SECCOMP_OPEN,	    /* allowed, but O_SYNC and O_DSYNC in the second argument are EINVAL */
	SECCOMP_OPENAT,	    /* the same in the third argument */
	SECCOMP_DENY,	    /* EPERM: the user said so */
	SECCOMP_ACTIONS,
};

struct seccomp_emit_rule {
	uint32_t number;
	uint32_t action; /* enum seccomp_action */
};

/* Numbers that are not listed are SECCOMP_UNKNOWN. */
struct seccomp_emit_table {
	uint32_t architecture;		 /* AUDIT_ARCH_* */
	struct seccomp_emit_rule *rules; /* any order; sorted by seccomp_emit() */
	size_t count;

	/* A second ABI of the architecture, told by a bit in the number; 0: there is none. Its
	 * numbers below SHARED_BELOW (without the bit) are answered as the first ABI's are. */
	uint32_t shared_bit, shared_below;
};

struct seccomp_emit_families {
	const uint16_t *numbers;
	size_t count;
	bool deny; /* refuse these; else refuse all others */
};

/* The tables come in the order in which they are asked: the native one first. An unlisted
 * architecture gets ENOSYS. FAMILIES may be NULL. -E2BIG: more than BPF_MAXINSNS. */
int seccomp_emit(struct arena *arena, struct seccomp_program *ret,
		 const struct seccomp_emit_table *tables, size_t count,
		 const struct seccomp_emit_families *families);
