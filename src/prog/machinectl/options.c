#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "cli/option-set.h"
#include "prog/machinectl/machinectl.h"

FLAG(help)
FLAG(version)
FLAG(no_pager)
FLAG(no_legend)
FLAG(no_ask_password)
FLAG(value_only)
FLAG(all)
FLAG(full)
FLAG(quiet)
FLAG(read_only)
FLAG(mkdir)
FLAG(now)
FLAG(force)
FLAG(copy)
FLAG(follow)
FLAG(keep_privileges)
FLAG(remove)

WORD(user)
WORD(image)
WORD(host)
WORD(verify)
WORD(compression)

/* The host itself is no place to go to. */
static int set_machine(struct arena *arena, void *target, const char *value)
{
	bool here = *value == '\0' || text_equal(value, ".host");

	((struct options *)target)->machine = here ? NULL : arena_text(arena, value);
	return 0;
}

static int add_property(struct arena *arena, void *target, const char *value)
{
	text_list_add(arena, &((struct options *)target)->properties, arena_text(arena, value));
	return 0;
}

static int add_property_value(struct arena *arena, void *target, const char *value)
{
	((struct options *)target)->value_only = true;
	return add_property(arena, target, value);
}

/* A bare name is passed on from here, if it is set here. */
static int add_environment(struct arena *arena, void *target, const char *value)
{
	struct options *options = target;
	char *assignment = arena_text(arena, value);

	if (strchr(value, '=') == NULL) {
		const char *here = text_variable(options->caller, value);

		assignment = arena_format(arena, "%s=%s", value, here == NULL ? "" : here);
		if (here == NULL && name_is_environment(assignment))
			return 0;
	}
	if (!name_is_environment(assignment))
		return -EINVAL;
	text_list_add(arena, &options->environment, assignment);
	return 0;
}

static const char *const whom_words[] = { "all", "leader", "supervisor", NULL };

static int set_whom(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	for (size_t i = 0; whom_words[i] != NULL; i++)
		if (text_equal(value, whom_words[i]))
			((struct options *)target)->kill_whom = (enum kill_whom)i;
	return 0;
}

static int set_signal(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	return parse_signal(&((struct options *)target)->signal, value);
}

/* "help": their names; "list": with their numbers. */
static char *list_signals(struct arena *arena, const char *value)
{
	bool numbers = text_equal(value, "list");
	char *text = arena_text(arena, numbers ? "SIGNAL NAME\n" : "");

	if (!numbers && !text_equal(value, "help"))
		return NULL;
	for (int i = 1; i <= SIGRTMAX; i++) {
		const char *name = parse_signal_name(i);

		if (name == NULL)
			continue;
		if (text_after(name, "SIG") != NULL)
			name = text_after(name, "SIG");
		text = numbers ? arena_format(arena, "%s%-6d SIG%s\n", text, i, name)
			       : arena_format(arena, "%s%s\n", text, name);
	}
	return text;
}

static int set_lines(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	return parse_u32(&((struct options *)target)->lines, value);
}

static int set_addresses(struct arena *arena, void *target, const char *value)
{
	struct options *options = target;

	(void)arena;
	if (text_equal(value, "all")) {
		options->max_addresses = ADDRESSES_ALL;
		return 0;
	}
	return parse_u32(&options->max_addresses, value);
}

static const char *const json_words[] = { "short", "pretty", "off", NULL };

static int set_json(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	((struct options *)target)->format = text_equal(value, "short")	   ? TABLE_JSON_SHORT
					     : text_equal(value, "pretty") ? TABLE_JSON_PRETTY
									   : TABLE_TEXT;
	return 0;
}

/* The journal's modes; those of JSON make lists JSON too (reference, section 3). */
static const char *const output_words[] = {
	"short",
	"short-full",
	"short-iso",
	"short-iso-precise",
	"short-precise",
	"short-monotonic",
	"short-delta",
	"short-unix",
	"verbose",
	"export",
	"json",
	"json-pretty",
	"json-sse",
	"json-seq",
	"cat",
	"with-unit",
	NULL,
};

static int set_output(struct arena *arena, void *target, const char *value)
{
	struct options *options = target;

	options->output = arena_text(arena, value);
	if (text_equal(value, "json-pretty"))
		options->format = TABLE_JSON_PRETTY;
	else if (text_after(value, "json") != NULL)
		options->format = TABLE_JSON_SHORT;
	return 0;
}

static const char *const verify_words[] = { "no", "checksum", "signature", NULL };
static const char *const format_words[] = { "uncompressed", "xz",	   "gzip", "bzip2",
					    "zstd",	    "openmetrics", NULL };

static int set_runner(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	if (text_equal(value, "vmspawn"))
		return fail_input("cannot use 'vmspawn' as a runner: machines of virtual hardware "
				  "are not built yet (try nspawn)");
	if (!text_equal(value, "nspawn"))
		return -EINVAL;
	((struct options *)target)->runner = "nspawn";
	return 0;
}

static int set_system(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	(void)value;
	((struct options *)target)->scope = SCOPE_SYSTEM;
	return 0;
}

static int set_user_scope(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	(void)value;
	((struct options *)target)->scope = SCOPE_USER;
	return 0;
}

static int set_vmspawn(struct arena *arena, void *target, const char *value)
{
	(void)value;
	return set_runner(arena, target, "vmspawn");
}

static const struct option_row rows[] = {
	{ "help", 'h', NULL, "Show this help", NULL, set_help, OPTION_LAST },
	{ "version", 0, NULL, "Show the version", NULL, set_version, OPTION_LAST },
	{ "no-pager", 0, NULL, "Do not pipe output into a pager", NULL, set_no_pager, 0 },
	{ "no-legend", 0, NULL, "Do not show headers and footers", NULL, set_no_legend, 0 },
	{ "no-ask-password", 0, NULL, "Do not ask for passwords", NULL, set_no_ask_password, 0 },
	{ "host", 'H', "[USER@]HOST", "Operate on another host, through ssh", NULL, set_host,
	  OPTION_HERE },
	{ "machine", 'M', "CONTAINER", "Operate inside a machine", NULL, set_machine, OPTION_HERE },
	{ "system", 0, NULL, "The machines of the system", NULL, set_system, 0 },
	{ "user", 0, NULL, "The machines of the calling user", NULL, set_user_scope, 0 },
	{ "property", 'p', "NAME", "Show only this property", NULL, add_property, 0 },
	{ "value", 0, NULL, "Show values only, without names", NULL, set_value_only, 0 },
	{ NULL, 'P', "NAME", "Equivalent to --value --property=NAME", NULL, add_property_value, 0 },
	{ "all", 'a', NULL, "Show all, also empty properties and hidden machines", NULL, set_all,
	  0 },
	{ "full", 'l', NULL, "Do not shorten output", NULL, set_full, 0 },
	{ "quiet", 'q', NULL, "Say less", NULL, set_quiet, 0 },
	{ "kill-whom", 0, "WHOM", "Whom to send the signal to", NULL, set_whom, 0, whom_words },
	{ "kill-who", 0, "WHOM", NULL, NULL, set_whom, OPTION_HIDDEN, whom_words },
	{ "signal", 's', "SIGNAL", "Which signal to send", "try a name like TERM, or a number",
	  set_signal, 0, NULL, list_signals },
	{ "uid", 0, "USER", "The user to run as inside the machine", NULL, set_user, 0 },
	{ "setenv", 'E', "VAR[=VALUE]", "Add an environment variable", "try NAME=VALUE",
	  add_environment, OPTION_HERE },
	{ "read-only", 0, NULL, "Make a bind or a copy read-only", NULL, set_read_only, 0 },
	{ "mkdir", 0, NULL, "Make the place of a bind if it is not there", NULL, set_mkdir, 0 },
	{ "lines", 'n', "N", "Number of log lines to show", "try a number", set_lines, 0 },
	{ "follow", 'f', NULL, "Go on with what is logged next", NULL, set_follow, 0 },
	{ "output", 'o', "MODE", "How to print log lines and lists", NULL, set_output, 0,
	  output_words },
	{ "json", 0, "MODE", "Print as JSON", NULL, set_json, 0, json_words },
	{ "runner", 0, "RUNNER", "What runs machines", "try nspawn", set_runner, 0 },
	{ NULL, 'V', NULL, "Equivalent to --runner=vmspawn", NULL, set_vmspawn, OPTION_HIDDEN },
	{ "now", 0, NULL, "Also start or power off, with enable or disable", NULL, set_now, 0 },
	{ "force", 0, NULL, "Replace what is there already", NULL, set_force, 0 },
	{ "copy", 0, NULL, "Clone by a full copy", NULL, set_copy, 0 },
	{ "image", 0, "SOURCE", "What a machine is created of", NULL, set_image, 0 },
	{ "keep-privileges", 0, NULL, "Let what gives rights out of a machine", NULL,
	  set_keep_privileges, 0 },
	{ "remove", 0, NULL, "Take a bind away again", NULL, set_remove, 0 },
	{ "max-addresses", 0, "N", "Number of addresses to show", "try a number, or all",
	  set_addresses, 0 },
	{ "verify", 0, "MODE", "Verification of downloads", NULL, set_verify, 0, verify_words },
	{ "format", 0, "FORMAT", "Form of what is exported, or openmetrics for stats", NULL,
	  set_compression, 0, format_words },
};

const struct option_table machinectl_options = { rows, ARRAY_SIZE(rows) };

void options_init(struct options *options, const char *const *environment)
{
	*options = (struct options){
		.lines = 10,
		.output = "short",
		.max_addresses = 1,
		.runner = "nspawn",
		.caller = environment,
	};
}
