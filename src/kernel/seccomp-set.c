#include "kernel/seccomp-set.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "kernel/seccomp-list.h"

#define SLOTS (4 * SECCOMP_SET_MAX)

/* FNV-1a. The names are the kernel's and the administrator's: nobody gains by collisions. */
static uint32_t hash(const char *name, size_t length)
{
	uint32_t sum = 2166136261;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (unsigned char)name[i]) * 16777619;
	return sum;
}

/* The slot that holds the name or that it would get. The table never fills up. */
static uint16_t *find_slot(const struct seccomp_set *set, const char *name, size_t length)
{
	uint32_t i = hash(name, length) % SLOTS;

	for (; set->slots[i] != 0; i = (i + 1) % SLOTS) {
		const char *there = set->entries[set->slots[i] - 1].name;

		if (strncmp(there, name, length) == 0 && there[length] == '\0')
			break;
	}
	return set->slots + i;
}

struct seccomp_set_entry *seccomp_set_find(const struct seccomp_set *set, const char *name)
{
	const uint16_t *slot = find_slot(set, name, strlen(name));

	return *slot == 0 ? NULL : set->entries + *slot - 1;
}

static int add(struct arena *arena, struct seccomp_set *set, const char *name, size_t length,
	       enum seccomp_action action)
{
	uint16_t *slot = find_slot(set, name, length);
	struct seccomp_set_entry *entry;

	if (*slot == 0) {
		if (set->count == SECCOMP_SET_MAX)
			return -E2BIG;
		set->entries[set->count].name = arena_text_n(arena, name, length);
		*slot = (uint16_t)++set->count;
	}
	entry = set->entries + *slot - 1;
	if (action > entry->action)
		entry->action = action;
	return 0;
}

int seccomp_set_add(struct arena *arena, struct seccomp_set *set, const char *name,
		    enum seccomp_action action)
{
	return add(arena, set, name, strlen(name), action);
}

void seccomp_set_raise(struct arena *arena, struct seccomp_set *set, const char *list,
		       enum seccomp_action action)
{
	const char *word;
	size_t length;

	while ((length = seccomp_list_next(&list, &word)) > 0) {
		char group[sizeof(((struct seccomp_list_group *)NULL)->name)] = "";
		const char *members;
		int r;

		if (*word != '@') {
			r = add(arena, set, word, length, action);
			assert(r == 0);
			continue;
		}
		assert(length < sizeof(group));
		memcpy(group, word, length);
		members = seccomp_list_members(group);
		assert(members);
		seccomp_set_raise(arena, set, members, action);
	}
}

void seccomp_set_init(struct arena *arena, struct seccomp_set *ret)
{
	struct seccomp_set set = {
		.entries = arena_take_array(arena, SECCOMP_SET_MAX, sizeof(*set.entries)),
		.slots = arena_take_array(arena, SLOTS, sizeof(*set.slots)),
	};

	for (size_t i = 0; i < seccomp_list_group_count; i++)
		seccomp_set_raise(arena, &set, seccomp_list_groups[i].members, SECCOMP_REFUSE);
	seccomp_set_raise(arena, &set, seccomp_list_default, SECCOMP_REFUSE);
	seccomp_set_raise(arena, &set, seccomp_list_other, SECCOMP_REFUSE);
	for (size_t i = 0; i < seccomp_list_gate_count; i++)
		seccomp_set_raise(arena, &set, seccomp_list_gates[i].members, SECCOMP_REFUSE);
	for (size_t i = 0; i < seccomp_list_newer_count; i++)
		seccomp_set_raise(arena, &set, seccomp_list_newer[i].name, SECCOMP_REFUSE);
	*ret = set;
}
