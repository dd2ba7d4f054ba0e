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

#define TRANSFER(name, arguments, help, min, max)                                 \
	{                                                                         \
		IMAGES, name, arguments, help, min, max, verb_transfer, VERB_HERE \
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
	{ IMAGES, "list-images", NULL, "List images", 0, 0, verb_list_images, VERB_PAGED },
	{ IMAGES, "image-status", "[NAME...]", "Show what an image is", 0, MANY, verb_image_status,
	  VERB_PAGED },
	{ IMAGES, "show-image", "[NAME...]", "Show properties of images", 0, MANY, verb_show_image,
	  VERB_PAGED },
	{ IMAGES, "create", "NAME", "Make a machine of what --image= names", 1, 1, verb_create,
	  VERB_HERE },
	{ IMAGES, "clone", "NAME NAME", "Make another image of one", 2, 2, verb_clone },
	{ IMAGES, "rename", "NAME NAME", "Rename an image", 2, 2, verb_rename },
	{ IMAGES, "read-only", "NAME [BOOL]", "Make an image read-only, or writable", 1, 2,
	  verb_read_only },
	{ IMAGES, "remove", "NAME...", "Remove images", 1, MANY, verb_remove },
	{ IMAGES, "set-limit", "[NAME] BYTES", "Limit how large an image may grow", 1, 2,
	  verb_set_limit },
	{ IMAGES, "clean", NULL, "Remove hidden images, or all", 0, 0, verb_clean },
	TRANSFER("import-tar", "FILE [NAME]", "Make an image from an archive", 1, 2),
	TRANSFER("import-raw", "FILE [NAME]", "Make an image from a disk image", 1, 2),
	TRANSFER("import-fs", "DIRECTORY [NAME]", "Make an image from a directory", 1, 2),
	TRANSFER("export-tar", "NAME [FILE]", "Make an archive of an image", 1, 2),
	TRANSFER("export-raw", "NAME [FILE]", "Make a disk image of an image", 1, 2),
	TRANSFER("pull-tar", "URL [NAME]", "Download an archive as an image", 1, 2),
	TRANSFER("pull-raw", "URL [NAME]", "Download a disk image", 1, 2),
	{ IMAGES, "list-transfers", NULL, "List downloads and the like that go on", 0, 0,
	  verb_transfer },
	{ IMAGES, "cancel-transfer", "ID...", "End them", 1, MANY, verb_transfer },
	LATER("bind-volume", "NAME VOLUME", "Attach a storage volume to a machine"),
	LATER("unbind-volume", "NAME VOLUME", "Detach it"),
	{ GENERAL, "help", NULL, "Show this help", 0, MANY, verb_help_text, VERB_PAGED },
};

const struct verb_table machinectl_verbs = { verbs, ARRAY_SIZE(verbs), "list" };
