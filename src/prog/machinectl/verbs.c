#include "base/macros.h"
#include "prog/machinectl/machinectl.h"

#define MACHINES "Machine Commands"
#define ENTER "Entering"
#define LIMITS "Limits and Numbers"
#define IMAGES "Image Commands"
#define GENERAL "General Commands"
#define MANY VERB_ANY

/* The image verbs come with the image store; until then they say so. */
static const struct verb verbs[] = {
	{ MACHINES, "list", NULL, "List running machines", 0, 0, verb_list },
	{ MACHINES, "status", "NAME...", "Show what a machine is and does", 1, MANY, verb_status },
	{ MACHINES, "show", "[NAME...]", "Show properties of machines", 0, MANY, verb_show },
	{ MACHINES, "start", "NAME...", "Start machines", 1, MANY, verb_start },
	{ MACHINES, "enable", "NAME...", "Start machines at boot", 1, MANY, verb_enable },
	{ MACHINES, "disable", "NAME...", "Do not start machines at boot", 1, MANY, verb_disable },
	{ MACHINES, "stop", "NAME...", "Stop machines, by whatever started them", 1, MANY,
	  verb_stop },
	{ MACHINES, "poweroff", "NAME...", "Ask machines to power off", 1, MANY, verb_poweroff },
	{ MACHINES, "reboot", "NAME...", "Ask machines to reboot", 1, MANY, verb_reboot },
	{ MACHINES, "restart", "NAME...", NULL, 1, MANY, verb_reboot },
	{ MACHINES, "terminate", "NAME...", "End machines at once", 1, MANY, verb_terminate },
	{ MACHINES, "kill", "NAME...", "Send a signal to processes of machines", 1, MANY,
	  verb_kill },
	{ MACHINES, "wait", "NAME...", "Wait until machines have ended", 1, MANY, verb_wait },
	{ MACHINES, "logs", "NAME", "Show what a machine wrote to its log", 1, 1, verb_logs },
	{ MACHINES, "events", "[NAME...]", "Follow what happens, as JSON lines", 0, MANY,
	  verb_events },
	{ MACHINES, "adopt", "NAME...", "Give abandoned machines a supervisor again", 1, MANY,
	  verb_adopt },
	{ MACHINES, "reexec", "NAME...", "Replace supervisors by the newest program", 1, MANY,
	  verb_reexec },
	{ MACHINES, "reap", "[NAME...]", "Clean up after machines that have ended", 0, MANY,
	  verb_reap },
	{ ENTER, "login", "[NAME]", "Get a login prompt in a machine", 0, 1, verb_login },
	{ ENTER, "shell", "[[USER@]NAME [COMMAND...]]", "Get a shell in a machine", 0, MANY,
	  verb_shell },
	{ ENTER, "exec", "[USER@]NAME [--] COMMAND...", "Run a command in a machine", 2, MANY,
	  verb_exec },
	{ ENTER, "copy-to", "NAME PATH [PATH]", "Copy files into a machine", 2, 3, verb_copy_to },
	{ ENTER, "copy-from", "NAME PATH [PATH]", "Copy files out of a machine", 2, 3,
	  verb_copy_from },
	{ ENTER, "bind", "NAME PATH [PATH]", "Show a path of the host in a machine", 2, 3,
	  verb_bind },
	{ ENTER, "diff", "NAME", "Show what differs from the image", 1, 1, verb_diff },
	{ LIMITS, "set-property", "NAME KEY=VALUE...", "Change limits of a machine", 2, MANY,
	  verb_set_property },
	{ LIMITS, "pause", "NAME...", "Stop all processes of machines for a while", 1, MANY,
	  verb_pause },
	{ LIMITS, "resume", "NAME...", "Let them go on", 1, MANY, verb_resume },
	{ LIMITS, "stats", "[NAME...]", "Show what machines use", 0, MANY, verb_stats },
	{ LIMITS, "top", NULL, "Watch what machines use", 0, 0, verb_top },
	{ IMAGES, "edit", "NAME|FILE...", "Edit settings of machines", 1, MANY, verb_edit },
	{ IMAGES, "cat", "NAME|FILE...", "Show settings of machines", 1, MANY, verb_cat },
	{ GENERAL, "help", NULL, "Show this help", 0, MANY, verb_help_text },
};

const struct verb_table machinectl_verbs = { verbs, ARRAY_SIZE(verbs), "list" };
