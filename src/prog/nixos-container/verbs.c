#include "base/macros.h"
#include "prog/nixos-container/nixos-container.h"

#define CONTAINERS "Containers"
#define RUNNING "Running Containers"
#define SYSTEMS "Systems of Containers"
#define GENERAL "General Commands"
#define MANY VERB_ANY

/* The original looks at the words that it needs. Here one too many is refused, since it was meant
 * as something: one more container, most likely. That too few are is told by the verbs, in its
 * order. */
static const struct verb verbs[] = {
	{ CONTAINERS, "list", NULL, "List all containers", 0, MANY, verb_list },
	{ CONTAINERS, "create", "NAME", "Make a container", 0, 1, verb_create },
	{ CONTAINERS, "destroy", "NAME", "Remove one, with all that is in it", 0, 1, verb_destroy },
	{ CONTAINERS, "reset", "NAME", "Remove what is in it, and keep the container", 0, 1,
	  verb_reset },
	{ CONTAINERS, "export", "NAME", "Print it as a machine's definition", 0, 1, verb_export },
	{ CONTAINERS, "show-ip", "NAME", "Print its address", 0, 1, verb_show_ip },
	{ CONTAINERS, "show-host-key", "NAME", "Print the key that its sshd has", 0, 1,
	  verb_show_host_key },
	{ RUNNING, "start", "NAME", "Start a container", 0, 1, verb_start },
	{ RUNNING, "stop", "NAME", "Ask it to stop, and wait for that", 0, 1, verb_stop },
	{ RUNNING, "restart", "NAME", "Stop it, then start it", 0, 1, verb_restart },
	{ RUNNING, "terminate", "NAME", "End it at once", 0, 1, verb_terminate },
	{ RUNNING, "status", "NAME", "Print up, down or gone", 0, 1, verb_status },
	{ RUNNING, "login", "NAME", "Get a login prompt", 0, 1, verb_login, VERB_TERMINAL },
	{ RUNNING, "root-login", "NAME", "Get a shell of root's", 0, 1, verb_root_login,
	  VERB_TERMINAL },
	{ RUNNING, "run", "NAME -- COMMAND...", "Run a command as root", 0, MANY, verb_run_command,
	  VERB_TERMINAL },
	{ RUNNING, "logs", "NAME", "Show what it wrote to its log", 0, 1, verb_logs },
	{ SYSTEMS, "update", "NAME", "Build its system anew, and switch to it", 0, 1, verb_update },
	{ SYSTEMS, "switch", "NAME PATH", "Switch to a system that is built already", 0, 2,
	  verb_switch },
	{ SYSTEMS, "reload", "NAME", "Have it switch to its system again", 0, 1, verb_reload },
	{ SYSTEMS, "rollback", "NAME [N]", "Switch to an earlier system", 0, 2, verb_rollback },
	{ SYSTEMS, "generations", "NAME", "List its systems", 0, 1, verb_generations },
	{ GENERAL, "help", NULL, "Show this help", 0, MANY, verb_help_text },
};

const struct verb_table nixos_verbs = { verbs, ARRAY_SIZE(verbs), NULL };
