/* declare/compare - what differs between two definitions of a machine, and what that costs it.
 *
 * Keys are compared, not texts: order and comments do not count, but where a later value goes
 * before an earlier one. Of a list each value that came or went is a change; if one did of each,
 * they are one change. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "declare/consequence.h"

struct arena;
struct definition;

struct compare_change {
	const char *section, *key;
	const char *old, *new; /* NULL: was not there, is there no more */
	enum consequence consequence;
};

struct compare {
	struct compare_change *changes; /* in the order of HAD, then that of WANTED */
	size_t count;
	enum consequence consequence; /* of all, as [X-Reload] Strategy= strengthens it */
	bool deferred;		      /* but not before it is started again: Strategy=none */
};

/* ROOTLESS: of a user, whose machines have no network of the host's. */
void compare_definitions(struct arena *arena, struct compare *ret, const struct definition *had,
			 const struct definition *wanted, bool rootless);

/* What people are shown of the change's OLD or NEW: of a credential nothing but its name. */
const char *compare_shown(struct arena *arena, const struct compare_change *change,
			  const char *value);
