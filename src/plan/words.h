/* plan/words - a step in words: parts of what print, print-json and error messages say. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "plan/plan.h"

extern const char *const words_sides[];	 /* by enum step_side */
extern const char *const words_idmaps[]; /* by enum mount_idmap */

/* "ro,nosuid"; "" for none. */
const char *words_attributes(struct arena *arena, const struct step *step);
const char *words_flags(struct arena *arena, const struct step *step);

/* What the step is about, without its kind: "tmpfs -> /run". */
const char *words_what(struct arena *arena, const struct step *step);

/* The rest of its line: "[locked] ro,nosuid mode=0755". */
const char *words_details(struct arena *arena, const struct step *step);

/* The step makes or changes a mount, which can be locked. */
bool words_is_mount(enum step_kind kind);

const char *words_limit(struct arena *arena, uint64_t value);
