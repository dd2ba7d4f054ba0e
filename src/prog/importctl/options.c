#include <errno.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "cli/option-set.h"
#include "prog/importctl/importctl.h"

FLAG(help)
FLAG(version)
FLAG(no_pager)
FLAG(no_legend)
FLAG(no_ask_password)
FLAG(read_only)
FLAG(force)
FLAG(quiet)

CONSTANT(set_system, scope, SCOPE_SYSTEM)
CONSTANT(set_user, scope, SCOPE_USER)
CONSTANT(set_class_machine, class, CLASS_MACHINE)
CONSTANT(set_class_portable, class, CLASS_PORTABLE)
CONSTANT(set_class_sysext, class, CLASS_SYSEXT)
CONSTANT(set_class_confext, class, CLASS_CONFEXT)
CONSTANT(set_no_keep, keep_download, 0)

WORD(host)

/* The host itself is no place to go to. */
static int set_machine(struct arena *arena, void *target, const char *value)
{
	bool here = *value == '\0' || text_equal(value, ".host");

	((struct options *)target)->machine = here ? NULL : arena_text(arena, value);
	return 0;
}

static const char *const class_words[] = { "machine", "portable", "sysext", "confext", NULL };

static int set_class(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	((struct options *)target)->class = class_of(value);
	return 0;
}

static int set_keep(struct arena *arena, void *target, const char *value)
{
	bool keep;
	int r = parse_bool(&keep, value);

	(void)arena;
	if (r < 0)
		return r;
	((struct options *)target)->keep_download = keep;
	return 0;
}

static int set_verify(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	return verify_parse(&((struct options *)target)->verify, value);
}

static char *list_verify(struct arena *arena, const char *value)
{
	return text_equal(value, "help") ? arena_text(arena, "signature\nchecksum\nno\n") : NULL;
}

static const char *const format_words[] = { "uncompressed", "xz", "gzip", "bzip2", "zstd", NULL };

static int set_format(struct arena *arena, void *target, const char *value)
{
	((struct options *)target)->format = arena_text(arena, value);
	return 0;
}

static int set_image_root(struct arena *arena, void *target, const char *value)
{
	if (!path_is_absolute(value) || !path_is_normal(value))
		return -EINVAL;
	((struct options *)target)->image_root = arena_text(arena, value);
	return 0;
}

static const char *const json_words[] = { "short", "pretty", "off", NULL };

static int set_json(struct arena *arena, void *target, const char *value)
{
	struct options *options = target;

	(void)arena;
	options->json = !text_equal(value, "off");
	options->json_automatic = false;
	options->table_format = text_equal(value, "short")    ? TABLE_JSON_SHORT
				: text_equal(value, "pretty") ? TABLE_JSON_PRETTY
							      : TABLE_TEXT;
	return 0;
}

static int set_json_automatic(struct arena *arena, void *target, const char *value)
{
	struct options *options = target;

	(void)arena;
	(void)value;
	options->json = options->json_automatic = true;
	return 0;
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
	{ "system", 0, NULL, "The images of the system", NULL, set_system, 0 },
	{ "user", 0, NULL, "The images of the calling user", NULL, set_user, 0 },
	{ "class", 0, "CLASS", "What the image is for", NULL, set_class, 0, class_words },
	{ NULL, 'm', NULL, "Equivalent to --class=machine", NULL, set_class_machine, 0 },
	{ NULL, 'P', NULL, "Equivalent to --class=portable", NULL, set_class_portable, 0 },
	{ NULL, 'S', NULL, "Equivalent to --class=sysext", NULL, set_class_sysext, 0 },
	{ NULL, 'C', NULL, "Equivalent to --class=confext", NULL, set_class_confext, 0 },
	{ "keep-download", 0, "BOOL", "Keep what was downloaded as it is, beside the image",
	  "try yes or no", set_keep, 0 },
	{ NULL, 'N', NULL, "Equivalent to --keep-download=no", NULL, set_no_keep, 0 },
	{ "verify", 0, "MODE", "Verification of downloads",
	  "try signature, checksum, no, or a SHA-256 sum", set_verify, 0, NULL, list_verify },
	{ "read-only", 0, NULL, "Make the image read-only", NULL, set_read_only, 0 },
	{ "force", 0, NULL, "Replace an image that has the name already", NULL, set_force, 0 },
	{ "image-root", 0, "PATH", "Make the image in this directory", "give an absolute path",
	  set_image_root, 0 },
	{ "format", 0, "FORMAT", "Compression of what is exported", NULL, set_format, 0,
	  format_words },
	{ "quiet", 'q', NULL, "Say less", NULL, set_quiet, 0 },
	{ "json", 0, "MODE", "Print as JSON", NULL, set_json, 0, json_words },
	{ NULL, 'j', NULL, "Equivalent to --json=pretty on a terminal, else --json=short", NULL,
	  set_json_automatic, 0 },
};

const struct option_table importctl_options = { rows, ARRAY_SIZE(rows) };

void options_init(struct options *options)
{
	*options = (struct options){ .keep_download = -1 };
}
