#include "base/macros.h"
#include "prog/machinectl/machinectl.h"

#define MACHINES "Machine Commands"
#define MORE "Further Machine Commands"
#define GENERAL "General Commands"

static const struct verb verbs[] = {
	{ MACHINES, "list", NULL, "List running machines", 0, 0, verb_list },
	{ MORE, "exec", "[USER@]NAME [--] COMMAND...", "Run a command in a machine", 2, VERB_ANY,
	  verb_exec },
	{ GENERAL, "help", NULL, "Show this help", 0, VERB_ANY, verb_help_text },
};

const struct verb_table machinectl_verbs = { verbs, ARRAY_SIZE(verbs), "list" };
