#include "base/macros.h"
#include "prog/redd/redd.h"

#define DECLARED "Declared Machine Commands"
#define FILES "Definition Commands"
#define GENERAL "General Commands"

static const struct verb verbs[] = {
	{ DECLARED, "plan", "[PLACE...]", "Show what apply would do", 0, VERB_ANY, verb_plan,
	  VERB_PAGED },
	{ DECLARED, "diff", "[GENERATION [GENERATION]]", "Show what differs between generations", 0,
	  2, verb_diff, VERB_PAGED },
	{ DECLARED, "apply", "[PLACE...]", "Make machines what their definitions say", 0, VERB_ANY,
	  verb_apply, VERB_TERMINAL },
	{ DECLARED, "generations", "[NAME]", "List what was applied", 0, 1, verb_generations,
	  VERB_PAGED },
	{ DECLARED, "rollback", "[GENERATION]", "Go back to what was applied before", 0, 1,
	  verb_rollback, VERB_TERMINAL },
	{ DECLARED, "drift", "[PLACE...]", "Show what is not as it was declared or applied", 0,
	  VERB_ANY, verb_drift, VERB_PAGED },
	{ DECLARED, "gc", NULL, "Remove old generations, and what only they need", 0, 0, verb_gc,
	  0 },
	{ FILES, "cat", "NAME...", "Show definitions, and where each line is from", 1, VERB_ANY,
	  verb_cat, VERB_PAGED },
	{ FILES, "export", "NAME", "Write a definition for other programs", 1, 1, verb_export },
	{ FILES, "import", "[KIND] PLACE", "Write definitions of what other programs' files say", 1,
	  2, verb_import, 0 },
	{ GENERAL, "doctor", NULL, "Show what this host can do, and how to get the rest", 0, 0,
	  verb_doctor, VERB_PAGED | VERB_HERE },
	{ GENERAL, "help", NULL, "Show this help", 0, VERB_ANY, verb_help_text, VERB_PAGED },
};

const struct verb_table redd_verbs = { verbs, ARRAY_SIZE(verbs), "plan" };
