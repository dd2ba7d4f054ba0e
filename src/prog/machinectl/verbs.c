#include "base/macros.h"
#include "prog/machinectl/machinectl.h"

#define MACHINES "Machine Commands"
#define ENTER "Entering"
#define NETWORK "Network"
#define LIMITS "Limits and Numbers"
#define IMAGES "Image Commands"
#define GENERAL "General Commands"
#define MANY VERB_ANY
#define LATER(name, arguments, help)                                       \
	{                                                                  \
		IMAGES, name, arguments, help, 0, MANY, NULL, VERB_UNBUILT \
	}

static const struct verb verbs[] = {
	{ MACHINES, "list", NULL, "List running machines", 0, 0, verb_list, VERB_PAGED },
	{ MACHINES, "status", "NAME...", "Show what a machine is and does", 1, MANY, verb_status,
	  VERB_PAGED },
	{ MACHINES, "show", "[NAME...]", "Show properties of machines", 0, MANY, verb_show,
	  VERB_PAGED },
	{ MACHINES, "start", "NAME...", "Start machines", 0, MANY, verb_start },
	{ MACHINES, "enable", "NAME...", "Start machines at boot", 1, MANY, verb_enable },
	{ MACHINES, "disable", "NAME...", "Do not start machines at boot", 1, MANY, verb_disable },
	{ MACHINES, "stop", "NAME...", "Stop machines, by whatever started them", 0, MANY,
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
	{ ENTER, "login", "[NAME]", "Get a login prompt in a machine", 0, 1, verb_login,
	  VERB_TERMINAL },
	{ ENTER, "shell", "[[USER@]NAME [COMMAND...]]", "Get a shell in a machine", 0, MANY,
	  verb_shell, VERB_TERMINAL },
	{ ENTER, "exec", "[USER@]NAME [--] COMMAND...", "Run a command in a machine", 2, MANY,
	  verb_exec, VERB_TERMINAL },
	{ ENTER, "copy-to", "NAME PATH [PATH]", "Copy files into a machine", 2, 3, verb_copy_to,
	  VERB_HERE },
	{ ENTER, "copy-from", "NAME PATH [PATH]", "Copy files out of a machine", 2, 3,
	  verb_copy_from, VERB_HERE },
	{ ENTER, "bind", "NAME PATH [PATH]", "Show a path of the host in a machine", 2, 3,
	  verb_bind },
	{ ENTER, "diff", "NAME", "Show what differs from the image", 1, 1, verb_diff, VERB_PAGED },
	{ NETWORK, "network", "attach|detach|list [NAME [WHAT...]]",
	  "Attach interfaces to a running machine", 1, MANY, verb_network, VERB_PAGED },
	{ NETWORK, "port", "add|remove|list [NAME [PORT...]]",
	  "Forward ports of the host to a running machine", 1, MANY, verb_port, VERB_PAGED },
	{ LIMITS, "set-property", "NAME KEY=VALUE...", "Change limits of a machine", 2, MANY,
	  verb_set_property },
	{ LIMITS, "pause", "NAME...", "Stop all processes of machines for a while", 1, MANY,
	  verb_pause },
	{ LIMITS, "resume", "NAME...", "Let them go on", 1, MANY, verb_resume },
	{ LIMITS, "stats", "[NAME...]", "Show what machines use", 0, MANY, verb_stats, VERB_PAGED },
	{ LIMITS, "top", NULL, "Watch what machines use", 0, 0, verb_top, VERB_TERMINAL },
	{ IMAGES, "edit", "NAME|FILE...", "Edit settings of machines", 1, MANY, verb_edit,
	  VERB_HERE },
	{ IMAGES, "cat", "NAME|FILE...", "Show settings of machines", 1, MANY, verb_cat,
	  VERB_PAGED },
	LATER("list-images", NULL, "List images"),
	LATER("image-status", "[NAME...]", "Show what an image is"),
	LATER("show-image", "[NAME...]", "Show properties of images"),
	LATER("clone", "NAME NAME", "Make another image of one"),
	LATER("rename", "NAME NAME", "Rename an image"),
	LATER("read-only", "NAME [BOOL]", "Make an image read-only, or writable"),
	LATER("remove", "NAME...", "Remove images"),
	LATER("set-limit", "[NAME] BYTES", "Limit how large an image may grow"),
	LATER("clean", NULL, "Remove hidden images, or all"),
	LATER("import-tar", "FILE [NAME]", "Make an image from an archive"),
	LATER("import-raw", "FILE [NAME]", "Make an image from a disk image"),
	LATER("import-fs", "DIRECTORY [NAME]", "Make an image from a directory"),
	LATER("export-tar", "NAME [FILE]", "Make an archive of an image"),
	LATER("export-raw", "NAME [FILE]", "Make a disk image of an image"),
	LATER("pull-tar", "URL [NAME]", "Download an archive as an image"),
	LATER("pull-raw", "URL [NAME]", "Download a disk image"),
	LATER("list-transfers", NULL, "List downloads and the like that go on"),
	LATER("cancel-transfer", "ID...", "End them"),
	LATER("bind-volume", "NAME VOLUME", "Attach a storage volume to a machine"),
	LATER("unbind-volume", "NAME VOLUME", "Detach it"),
	{ GENERAL, "help", NULL, "Show this help", 0, MANY, verb_help_text, VERB_PAGED },
};

const struct verb_table machinectl_verbs = { verbs, ARRAY_SIZE(verbs), "list" };
