/* machine/confine - how a machine's PID 1 is confined, as one line of its record.
 *
 * What enters a machine later gets the same (class S19). Written by the supervisor, read by who
 * enters: the words say what was decided, and both ends make the same filter of it. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct arena;
struct seccomp_filter;

struct confine {
	uint64_t capabilities; /* of the bounding set */
	bool no_new_privileges;
	bool no_seccomp; /* and so none of what follows */
	bool suppress_sync, nesting;
	struct text_list allow, deny; /* names and @groups */
	bool families_set, families_deny;
	struct text_list families;
	bool personality_set;
	unsigned long personality;
	const char *selinux; /* NULL: none; no control characters */
};

char *confine_print(struct arena *arena, const struct confine *confine);

/* -EBADMSG: not what confine_print() writes. */
int confine_parse(struct arena *arena, struct confine *ret, const char *text);

/* The filter (none with no_seccomp), as seccomp_select(). */
int confine_filter(struct arena *arena, struct seccomp_filter *ret, const struct confine *confine,
		   const char **ret_unknown);
