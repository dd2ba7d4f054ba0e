/* The command line, as getopt_long() with a leading "+" reads it: it ends at the first word that
 * is no option, long options may be shortened while they stay unique, short ones may share a
 * dash. */
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/nearest.h"
#include "base/text.h"
#include "spec/check.h"
#include "spec/field.h"
#include "spec/readers.h"
#include "spec/settings.h"

struct args {
	char **words;
	int count, next;
	struct setting_reader reader;
	const struct setting *words_of;
};

static int refuse_unknown(const char *word, size_t length)
{
	struct nearest nearest;

	nearest_init(&nearest, word + 2, length);
	for (size_t i = 0; i < spec_settings_count; i++)
		if (!(spec_settings[i].flags & SETTING_HIDDEN))
			nearest_offer(&nearest, spec_settings[i].option);
	return fail_input("cannot understand '%.*s': there is no such option (try --%s)",
			  (int)(length + 2), word, nearest.name ? nearest.name : "help");
}

static int refuse_ambiguous(struct arena *arena, const char *word, size_t length)
{
	const char *list = "";
	size_t listed = 0;

	for (size_t i = 0; i < spec_settings_count; i++) {
		const char *option = spec_settings[i].option;

		if (!option || strncmp(option, word + 2, length) != 0 ||
		    spec_settings[i].flags & SETTING_HIDDEN)
			continue;
		if (++listed <= 6)
			list = arena_format(arena, "%s%s--%s", list, listed > 1 ? " " : "", option);
	}
	return fail_input("cannot tell which option '%.*s' means (try one of %s%s)",
			  (int)(length + 2), word, list, listed > 6 ? " …" : "");
}

static const char *option_name(struct arena *arena, const struct setting *row, char letter)
{
	if (letter)
		return arena_format(arena, "-%c", letter);
	return arena_format(arena, "--%s", row->option);
}

static int refuse_value(struct args *args, const struct setting *row, char letter,
			const char *value, int code)
{
	struct arena *arena = args->reader.arena;
	const char *expected = setting_expectation(arena, row);

	fail_plain(code, "cannot use '%s%s%s': %s", option_name(arena, row, letter),
		   !value   ? ""
		   : letter ? " "
			    : "=",
		   value ? value : "", setting_refusal(&args->reader, code));
	if (*expected)
		fail_hint("%s", expected);
	return code;
}

/* LETTER is 0 when the long name was used. 1: the row's words were asked for. */
static int apply(struct args *args, const struct setting *row, char letter, const char *value)
{
	int r;

	if (row->flags & SETTING_HELP && text_equal(value, "help")) {
		args->words_of = row;
		return 1;
	}
	if (row->parse == field_share_system)
		log_warning("'--share-system' is deprecated and shares the host's namespaces with "
			    "the container");

	r = setting_apply(&args->reader, row, value);
	if (r < 0)
		return refuse_value(args, row, letter, value, r);
	if (row->parse == field_scope && value)
		log_notice("'--user=%s' is the older way to say '--uid=%s'", value, value);
	return 0;
}

/* The value of an option that needs one stands behind it or in the next word. */
static int take_value(struct args *args, const struct setting *row, char letter, const char **value)
{
	struct arena *arena = args->reader.arena;

	if (*value)
		return 0;
	if (args->next >= args->count)
		return fail_input("cannot use '%s': it needs a value (try %s%s%s)",
				  option_name(arena, row, letter), option_name(arena, row, letter),
				  letter ? " " : "=", row->value);
	*value = args->words[args->next++];
	return 0;
}

static int read_long(struct args *args, const char *word)
{
	size_t length = strcspn(word + 2, "=");
	const char *value = word[2 + length] ? word + 2 + length + 1 : NULL;
	const struct setting *row;
	bool ambiguous;
	int r;

	row = setting_by_option(word + 2, length, &ambiguous);
	if (ambiguous)
		return refuse_ambiguous(args->reader.arena, word, length);
	if (!row)
		return refuse_unknown(word, length);

	if (!row->value && value)
		return fail_input("cannot use '--%s=%s': this option takes no value (try --%s)",
				  row->option, value, row->option);
	/* The one option whose optional value may also be the next word: how --uid= was once
	 * spelled. */
	if (row->parse == field_scope && row->value && !value && args->next < args->count &&
	    args->words[args->next][0] != '-')
		value = args->words[args->next++];
	if (row->value && !(row->flags & SETTING_OPTIONAL_VALUE)) {
		r = take_value(args, row, 0, &value);
		if (r < 0)
			return r;
	}
	return apply(args, row, 0, value);
}

static int read_short(struct args *args, const char *word)
{
	int r = 0;

	for (const char *letter = word + 1; *letter && r == 0; letter++) {
		const struct setting *row = setting_by_letter(*letter);
		const char *value = NULL;

		if (!row)
			return fail_input(
				"cannot understand '-%c': there is no such option (try --help)",
				*letter);
		if (!row->value) {
			r = apply(args, row, *letter, NULL);
			continue;
		}
		if (letter[1])
			value = letter + 1;
		r = take_value(args, row, *letter, &value);
		if (r < 0)
			return r;
		return apply(args, row, *letter, value);
	}
	return r;
}

static void take_parameters(struct args *args)
{
	struct spec *spec = args->reader.spec;

	if (args->next >= args->count)
		return;
	spec->group_origin[GROUP_START_MODE] = BY_OPTION;
	spec->setting_line[setting_by_key("Exec", "Parameters") - spec_settings] = SPEC_LINE_OPTION;
	for (int i = args->next; i < args->count; i++)
		text_list_add(args->reader.arena, &spec->parameters, args->words[i]);
}

int args_parse(struct arena *arena, struct spec *spec, const struct reader_facts *facts, int argc,
	       char **argv, const struct setting **ret_words_of)
{
	struct args args = {
		.words = argv,
		.count = argc,
		.next = 1,
		.reader = {
			.arena = arena,
			.spec = spec,
			.origin = BY_OPTION,
			.line = SPEC_LINE_OPTION,
			.working_directory = facts->working_directory,
			.environment = facts->environment,
		},
	};

	while (args.next < args.count) {
		const char *word = args.words[args.next];
		int r;

		if (word[0] != '-' || !word[1])
			break;
		args.next++;
		if (text_equal(word, "--"))
			break;
		r = word[1] == '-' ? read_long(&args, word) : read_short(&args, word);
		if (r < 0)
			return r;
		if (r > 0) {
			*ret_words_of = args.words_of;
			return 1;
		}
		/* What follows is nobody's business any more. */
		if (spec->help || spec->version)
			return 0;
	}
	take_parameters(&args);
	return check_image(arena, spec);
}
