#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/parse.h"
#include "base/text.h"
#include "prog/machinectl/machinectl.h"

#define FLAG(field)                                                                  \
	static int set_##field(struct arena *arena, void *target, const char *value) \
	{                                                                            \
		(void)arena;                                                         \
		(void)value;                                                         \
		((struct options *)target)->field = true;                            \
		return 0;                                                            \
	}

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

#define WORD(field)                                                                  \
	static int set_##field(struct arena *arena, void *target, const char *value) \
	{                                                                            \
		((struct options *)target)->field = arena_text(arena, value);        \
		return 0;                                                            \
	}

WORD(user)
WORD(runner)
WORD(host)
WORD(machine)
WORD(verify)
WORD(compression)

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

static int add_environment(struct arena *arena, void *target, const char *value)
{
	text_list_add(arena, &((struct options *)target)->environment, arena_text(arena, value));
	return 0;
}

static int set_whom(struct arena *arena, void *target, const char *value)
{
	static const char *const words[] = { "all", "leader", "supervisor" };

	(void)arena;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (text_equal(value, words[i])) {
			((struct options *)target)->kill_whom = (enum kill_whom)i;
			return 0;
		}
	return -EINVAL;
}

static int set_signal(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	return parse_signal(&((struct options *)target)->signal, value);
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

static int set_json(struct arena *arena, void *target, const char *value)
{
	struct options *options = target;

	(void)arena;
	if (text_equal(value, "off"))
		options->format = TABLE_TEXT;
	else if (text_equal(value, "short"))
		options->format = TABLE_JSON_SHORT;
	else if (text_equal(value, "pretty"))
		options->format = TABLE_JSON_PRETTY;
	else
		return -EINVAL;
	return 0;
}

/* The journal's modes; those of JSON make lists JSON too (reference, section 3). */
static int set_output(struct arena *arena, void *target, const char *value)
{
	static const char *const modes[] = {
		"short",	 "short-full",	    "short-iso",   "short-iso-precise",
		"short-precise", "short-monotonic", "short-delta", "short-unix",
		"verbose",	 "export",	    "json",	   "json-pretty",
		"json-sse",	 "json-seq",	    "cat",	   "with-unit",
	};
	struct options *options = target;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!text_equal(value, modes[i]))
			continue;
		options->output = arena_text(arena, value);
		if (text_equal(value, "json-pretty"))
			options->format = TABLE_JSON_PRETTY;
		else if (text_after(value, "json") != NULL)
			options->format = TABLE_JSON_SHORT;
		return 0;
	}
	return -EINVAL;
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
	(void)arena;
	(void)value;
	((struct options *)target)->runner = "vmspawn";
	return 0;
}

static const struct option_row rows[] = {
	{ "help", 'h', NULL, "Show this help", NULL, set_help, 0 },
	{ "version", 0, NULL, "Show the version", NULL, set_version, 0 },
	{ "no-pager", 0, NULL, "Do not pipe output into a pager", NULL, set_no_pager, 0 },
	{ "no-legend", 0, NULL, "Do not show headers and footers", NULL, set_no_legend, 0 },
	{ "no-ask-password", 0, NULL, "Do not ask for passwords", NULL, set_no_ask_password, 0 },
	{ "host", 'H', "[USER@]HOST", "Operate on another host, through ssh", NULL, set_host, 0 },
	{ "machine", 'M', "CONTAINER", "Operate inside a machine", NULL, set_machine, 0 },
	{ "system", 0, NULL, "The machines of the system", NULL, set_system, 0 },
	{ "user", 0, NULL, "The machines of the calling user", NULL, set_user_scope, 0 },
	{ "property", 'p', "NAME", "Show only this property", NULL, add_property, 0 },
	{ "value", 0, NULL, "Show values only, without names", NULL, set_value_only, 0 },
	{ NULL, 'P', "NAME", "Equivalent to --value --property=NAME", NULL, add_property_value, 0 },
	{ "all", 'a', NULL, "Show all, also empty properties and hidden machines", NULL, set_all,
	  0 },
	{ "full", 'l', NULL, "Do not shorten output", NULL, set_full, 0 },
	{ "quiet", 'q', NULL, "Say less", NULL, set_quiet, 0 },
	{ "kill-whom", 0, "WHOM", "Whom to send the signal to", "try all, leader or supervisor",
	  set_whom, 0 },
	{ "kill-who", 0, "WHOM", NULL, "try all, leader or supervisor", set_whom, OPTION_HIDDEN },
	{ "signal", 's', "SIGNAL", "Which signal to send", "try a name like TERM, or a number",
	  set_signal, 0 },
	{ "uid", 0, "USER", "The user to run as inside the machine", NULL, set_user, 0 },
	{ "setenv", 'E', "VAR[=VALUE]", "Add an environment variable", NULL, add_environment, 0 },
	{ "read-only", 0, NULL, "Make a bind or a copy read-only", NULL, set_read_only, 0 },
	{ "mkdir", 0, NULL, "Make the place of a bind if it is not there", NULL, set_mkdir, 0 },
	{ "lines", 'n', "N", "Number of log lines to show", "try a number", set_lines, 0 },
	{ "output", 'o', "MODE", "How to print log lines and lists",
	  "try short, json, json-pretty or cat", set_output, 0 },
	{ "json", 0, "MODE", "Print as JSON", "try short, pretty or off", set_json, 0 },
	{ "runner", 0, "RUNNER", "What runs machines", "try nspawn", set_runner, 0 },
	{ NULL, 'V', NULL, "Equivalent to --runner=vmspawn", NULL, set_vmspawn, OPTION_HIDDEN },
	{ "now", 0, NULL, "Also start or power off, with enable or disable", NULL, set_now, 0 },
	{ "force", 0, NULL, "Replace what is there already", NULL, set_force, 0 },
	{ "max-addresses", 0, "N", "Number of addresses to show", "try a number, or all",
	  set_addresses, 0 },
	{ "verify", 0, "MODE", "Verification of downloads", "try no, checksum or signature",
	  set_verify, 0 },
	{ "format", 0, "FORMAT", "Compression of exports, or openmetrics", NULL, set_compression,
	  0 },
};

const struct option_table machinectl_options = { rows, ARRAY_SIZE(rows) };

void options_init(struct options *options, struct arena *arena)
{
	*options = (struct options){
		.lines = 10,
		.output = "short",
		.max_addresses = 1,
		.runner = "nspawn",
		.arena = arena,
	};
}
