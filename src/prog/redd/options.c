#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "cli/option-set.h"
#include "declare/export.h"
#include "prog/redd/redd.h"

FLAG(help)
FLAG(version)
FLAG(no_pager)
FLAG(no_legend)
FLAG(force)
FLAG(no_start)
FLAG(keep_going)
FLAG(yes)
FLAG(update)
FLAG(quiet)
FLAG(forget)

WORD(as)
WORD(output)

static int set_only(struct arena *arena, void *target, const char *value)
{
	struct text_list names = { 0 };

	text_split(arena, &names, value, ",");
	/* A script's variable that is not set must not mean all of them. */
	if (names.count == 0)
		return fail_input("cannot use '%s' as a value of --only (try NAME, or NAME,NAME)",
				  text_printable(arena, value));
	for (size_t i = 0; i < names.count; i++) {
		if (!name_is_machine(names.items[i]))
			return fail_input("cannot use '%s' as the name of a machine",
					  text_printable(arena, names.items[i]));
		text_list_add(arena, &((struct options *)target)->only, names.items[i]);
	}
	return 0;
}

static int set_keep(struct arena *arena, void *target, const char *value)
{
	struct options *options = target;
	int r = parse_u32(&options->keep, value);

	(void)arena;
	options->keep_set = r >= 0;
	return r;
}

/* "30d", "12h", "2w"; a number alone is days. */
static int take_age(struct arena *arena, uint64_t *ret, const char *value)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	size_t length = strlen(value);
	char last = length > 0 ? value[length - 1] : '\0';
	uint64_t seconds = 86400;
	uint32_t number;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (units[i].unit == last) {
			seconds = units[i].seconds;
			value = arena_text_n(arena, value, length - 1);
			break;
		}
	if (parse_u32(&number, value) < 0 || number == 0)
		return -EINVAL;
	/* Nothing is older than what is too long to count. */
	if (__builtin_mul_overflow(number, seconds * 1000000, ret))
		*ret = UINT64_MAX;
	return 0;
}

static int set_older(struct arena *arena, void *target, const char *value)
{
	return take_age(arena, &((struct options *)target)->older_us, value);
}

static int set_trash(struct arena *arena, void *target, const char *value)
{
	struct options *options = target;
	int r = take_age(arena, &options->trash_us, value);

	options->trash_set = r >= 0;
	return r;
}

static const char *const json_words[] = { "short", "pretty", "off", NULL };

static int set_json(struct arena *arena, void *target, const char *value)
{
	struct options *options = target;

	(void)arena;
	options->json = !text_equal(value, "off");
	options->json_automatic = value == NULL;
	options->table_format = text_equal(value, "short")    ? TABLE_JSON_SHORT
				: text_equal(value, "pretty") ? TABLE_JSON_PRETTY
							      : TABLE_TEXT;
	return 0;
}

static const struct option_row rows[] = {
	{ "help", 'h', NULL, "Show this help", NULL, set_help, OPTION_LAST },
	{ "version", 0, NULL, "Show the version", NULL, set_version, OPTION_LAST },
	{ "no-pager", 0, NULL, "Do not pipe output into a pager", NULL, set_no_pager, 0 },
	{ "no-legend", 0, NULL, "Do not show headers and footers", NULL, set_no_legend, 0 },
	{ "json", 0, "MODE", "Print as JSON", NULL, set_json, OPTION_OPTIONAL, json_words },
	{ "only", 0, "NAME", "These machines alone", NULL, set_only, 0 },
	{ "output", 0, "DIRECTORY", "Where to write what is imported", NULL, set_output, 0 },
	{ "force", 0, NULL, "Write over files that are there", NULL, set_force, 0 },
	{ "as", 0, "FORMAT", "What to write a definition as", NULL, set_as, 0, export_words },
	{ "no-start", 0, NULL, "Leave machines alone that do not run", NULL, set_no_start, 0 },
	{ "keep-going", 0, NULL, "Go on after a failure, and do not go back", NULL, set_keep_going,
	  0 },
	{ "update", 0, NULL, "Look for newer images", NULL, set_update, 0 },
	{ "yes", 'y', NULL, "Do not ask", NULL, set_yes, 0 },
	{ "quiet", 'q', NULL, "Say less", NULL, set_quiet, 0 },
	{ "keep", 0, "NUMBER", "How many generations to keep", "try a number", set_keep, 0 },
	{ "older", 0, "TIME", "Remove only generations that are older", "try 30d, 2w or 12h",
	  set_older, 0 },
	{ "trash", 0, "TIME", "Leave what removed machines kept for so long", "try 30d, 2w or 12h",
	  set_trash, 0 },
	{ "forget", 0, NULL, "Remove what machines kept that are no more", NULL, set_forget, 0 },
};

const struct option_table redd_options = { rows, ARRAY_SIZE(rows) };
