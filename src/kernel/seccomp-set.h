/* kernel/seccomp-set - system calls by name, each with what happens to it.
 *
 * Names are added to a hash table; an action that is raised again keeps the
 * higher of the two. Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "kernel/seccomp-emit.h"

struct arena;

struct seccomp_set_entry {
	const char *name;
	enum seccomp_action action;
};

#define SECCOMP_SET_MAX 1024

struct seccomp_set {
	struct seccomp_set_entry *entries; /* in the order of their first mention */
	size_t count;
	uint16_t *slots; /* index + 1 into entries; 0: free */
};

/* All names that seccomp-list knows, refused. */
void seccomp_set_init(struct arena *arena, struct seccomp_set *ret);

/* NULL: not in the set. */
struct seccomp_set_entry *seccomp_set_find(const struct seccomp_set *set, const char *name);

/* Add NAME with this action. -E2BIG: more than SECCOMP_SET_MAX. */
int seccomp_set_add(struct arena *arena, struct seccomp_set *set, const char *name,
		    enum seccomp_action action);

/* Raise every word of a list, groups included. Words must be of seccomp-list. */
void seccomp_set_raise(struct arena *arena, struct seccomp_set *set, const char *list,
		       enum seccomp_action action);
