#include "base/macros.h"
#include "prog/nixos-container/nixos-container.h"

#define CONTAINERS "Containers"
#define RUNNING "Running Containers"
#define SYSTEMS "Systems of Containers"
#define GENERAL "General Commands"
#define MANY VERB_ANY

/* Of the original each verb takes whatever words, and looks at those that it needs. */
static const struct verb verbs[] = {
	{ CONTAINERS, "list", NULL, "List all containers", 0, MANY, verb_list },
	{ CONTAINERS, "create", "NAME", "Make a container", 0, MANY, verb_create },
	{ CONTAINERS, "destroy", "NAME", "Remove one, with all that is in it", 0, MANY,
	  verb_destroy },
	{ CONTAINERS, "reset", "NAME", "Remove what is in it, and keep the container", 0, MANY,
	  verb_reset },
	{ CONTAINERS, "export", "NAME", "Print it as a machine's definition", 0, MANY,
	  verb_export },
	{ CONTAINERS, "show-ip", "NAME", "Print its address", 0, MANY, verb_show_ip },
	{ CONTAINERS, "show-host-key", "NAME", "Print the key that its sshd has", 0, MANY,
	  verb_show_host_key },
	{ RUNNING, "start", "NAME", "Start a container", 0, MANY, verb_start },
	{ RUNNING, "stop", "NAME", "Ask it to stop, and wait for that", 0, MANY, verb_stop },
	{ RUNNING, "restart", "NAME", "Stop it, then start it", 0, MANY, verb_restart },
	{ RUNNING, "terminate", "NAME", "End it at once", 0, MANY, verb_terminate },
	{ RUNNING, "status", "NAME", "Print up, down or gone", 0, MANY, verb_status },
	{ RUNNING, "login", "NAME", "Get a login prompt", 0, MANY, verb_login, VERB_TERMINAL },
	{ RUNNING, "root-login", "NAME", "Get a shell of root's", 0, MANY, verb_root_login,
	  VERB_TERMINAL },
	{ RUNNING, "run", "NAME -- COMMAND...", "Run a command as root", 0, MANY, verb_run_command,
	  VERB_TERMINAL },
	{ RUNNING, "logs", "NAME", "Show what it wrote to its log", 0, MANY, verb_logs },
	{ SYSTEMS, "update", "NAME", "Build its system anew, and switch to it", 0, MANY,
	  verb_update },
	{ SYSTEMS, "switch", "NAME PATH", "Switch to a system that is built already", 0, MANY,
	  verb_switch },
	{ SYSTEMS, "reload", "NAME", "Have it switch to its system again", 0, MANY, verb_reload },
	{ SYSTEMS, "rollback", "NAME [N]", "Switch to an earlier system", 0, MANY, verb_rollback },
	{ SYSTEMS, "generations", "NAME", "List its systems", 0, MANY, verb_generations },
	{ GENERAL, "help", NULL, "Show this help", 0, MANY, verb_help_text },
};

const struct verb_table nixos_verbs = { verbs, ARRAY_SIZE(verbs), NULL };
