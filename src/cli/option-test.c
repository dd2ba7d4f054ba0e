#include "cli/option.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/unit.h"
#include "format/help.h"

static struct arena arena;

struct target {
	struct text_list names;
	bool all, help;
	uint32_t lines;
	const char *colour;
};

static int set_all(struct arena *unused, void *target, const char *value)
{
	(void)unused, (void)value;
	((struct target *)target)->all = true;
	return 0;
}

static int set_help(struct arena *unused, void *target, const char *value)
{
	(void)unused, (void)value;
	((struct target *)target)->help = true;
	return 0;
}

static int set_lines(struct arena *unused, void *target, const char *value)
{
	(void)unused;
	return parse_u32(&((struct target *)target)->lines, value);
}

static int set_colour(struct arena *to, void *target, const char *value)
{
	((struct target *)target)->colour = arena_text(to, value == NULL ? "auto" : value);
	return 0;
}

static int add_name(struct arena *to, void *target, const char *value)
{
	text_list_add(to, &((struct target *)target)->names, arena_text(to, value));
	return 0;
}

static int add_pair(struct arena *to, void *target, const char *first, const char *second)
{
	if (*first == '\0')
		return -EINVAL;
	text_list_add(to, &((struct target *)target)->names,
		      arena_format(to, "%s=%s", first, second));
	return 0;
}

static const char *const colours[] = { "red", "green", "blue", NULL };

static const struct option_row rows[] = {
	{ "help", 'h', NULL, "Show this", NULL, set_help, OPTION_LAST },
	{ "name", 'n', "NAME", "A name", NULL, add_name, 0 },
	{ "names-of-all", 0, NULL, "More", NULL, set_all, OPTION_UNBUILT },
	{ "all", 'a', NULL, "All of it", NULL, set_all, 0 },
	{ "lines", 'l', "N", "How many", "try a number", set_lines, OPTION_HERE },
	{ "colour", 'c', "COLOUR", "Which", NULL, set_colour, OPTION_OPTIONAL, colours },
	{ "color", 0, "COLOUR", NULL, NULL, set_colour, OPTION_OPTIONAL | OPTION_HIDDEN, colours },
	{ NULL, 'X', NULL, "One more", NULL, set_all, 0 },
	{ NULL, 'Y', "NAME", "The same", NULL, add_name, 0 },
	{ "set", 's', "NAME VALUE", "Two words", NULL, NULL, 0, NULL, NULL, add_pair },
};

static const struct option_table table = { rows, ARRAY_SIZE(rows) };

static bool after_two(const struct text_list *words)
{
	return words->count == 2 && text_equal(words->items[0], "run");
}

static const char *joined(const struct text_list *list)
{
	char *text = arena_text(&arena, "");

	for (size_t i = 0; i < list->count; i++)
		text = arena_format(&arena, "%s%s%s", text, i == 0 ? "" : "|", list->items[i]);
	return text;
}

static int parse(struct target *target, struct option_result *result, const char *line)
{
	struct text_list words = { 0 };

	fail_forget();
	*target = (struct target){ 0 };
	text_split(&arena, &words, arena_format(&arena, "prog %s", line), " ");
	return option_parse(&arena, result, &table, target, (int)words.count, words.items,
			    after_two);
}

static const char *refusal(const char *line)
{
	struct option_result result;
	struct target target;

	ck_assert_int_eq(parse(&target, &result, line), -EINVAL);
	return fail_recorded()->text;
}

START_TEST(options_stand_anywhere)
{
	struct option_result result;
	struct target target;

	ck_assert_int_eq(parse(&target, &result, "list -n a x --name=b -anc,d --colour y -l7"), 0);
	ck_assert_str_eq(joined(&result.words), "list|x|y");
	ck_assert_str_eq(joined(&target.names), "a|b|c,d");
	ck_assert(target.all);
	ck_assert_uint_eq(target.lines, 7);
	ck_assert_str_eq(target.colour, "auto");
}
END_TEST

START_TEST(they_end_where_a_command_begins)
{
	struct option_result result;
	struct target target;

	ck_assert_int_eq(parse(&target, &result, "run --all web -n a -- --bogus"), 0);
	ck_assert_str_eq(joined(&result.words), "run|web|-n|a|--|--bogus");
	ck_assert(target.all);
	ck_assert_uint_eq(target.names.count, 0);
	ck_assert_int_eq(parse(&target, &result, "list -- -a -- b"), 0);
	ck_assert_str_eq(joined(&result.words), "list|-a|--|b");
	ck_assert(!target.all);
}
END_TEST

START_TEST(they_can_be_said_again_without_those_for_here)
{
	struct option_result result;
	struct target target;

	ck_assert_int_eq(parse(&target, &result, "-l 3 --name x -aX run web -l 5"), 0);
	ck_assert_str_eq(joined(&result.again), "--name=x|--all|-X|run|web|-l|5");
	ck_assert_int_eq(parse(&target, &result, "-aYx list"), 0);
	ck_assert_str_eq(joined(&result.again), "--all|-Y|x|list");
	ck_assert_int_eq(parse(&target, &result, "list --colour -- -l"), 0);
	ck_assert_str_eq(joined(&result.again), "list|--colour|--|-l");
}
END_TEST

START_TEST(long_names_may_be_shortened)
{
	struct option_result result;
	struct target target;

	ck_assert_int_eq(parse(&target, &result, "--li=4 --al"), 0);
	ck_assert_uint_eq(target.lines, 4);
	/* Two spellings of one option leave no doubt, and a whole name is no shortened one. */
	ck_assert_int_eq(parse(&target, &result, "--colo=red --name=x"), 0);
	ck_assert_str_eq(target.colour, "red");
	ck_assert_str_eq(refusal("--na=x"), "cannot tell which option '--na' means "
					    "(try one of --name --names-of-all)");
}
END_TEST

START_TEST(the_nearest_name_is_suggested)
{
	ck_assert_str_eq(refusal("--coluor=red"),
			 "cannot understand '--coluor': there is no such option (try --colour)");
	ck_assert_str_eq(refusal("--something-else"), "cannot understand '--something-else': there "
						      "is no such option (try --help)");
	ck_assert_str_eq(refusal("-z"),
			 "cannot understand '-z': there is no such option (try --help)");
	ck_assert_str_eq(refusal("--=x"),
			 "cannot understand '--': there is no such option (try --help)");
}
END_TEST

START_TEST(values_that_cannot_be_are_refused)
{
	ck_assert_str_eq(refusal("--lines=many"),
			 "cannot use 'many' as a value of --lines (try a number)");
	ck_assert_str_eq(refusal("-lx"), "cannot use 'x' as a value of -l (try a number)");
	ck_assert_str_eq(refusal("--colour=pink"),
			 "cannot use 'pink' as a value of --colour (try red, green or blue)");
	ck_assert_str_eq(refusal("--name"),
			 "cannot use '--name': it needs a value (try --name=NAME)");
	ck_assert_str_eq(refusal("-n"), "cannot use '-n': it needs a value (try -n NAME)");
	ck_assert_str_eq(refusal("--all=yes"),
			 "cannot use '--all=yes': this option takes no value (try --all)");
}
END_TEST

START_TEST(values_list_themselves)
{
	struct option_result result;
	struct target target;

	ck_assert_int_eq(parse(&target, &result, "--colour=help --bogus"), 0);
	ck_assert_str_eq(result.list, "red\ngreen\nblue\n");
	ck_assert_ptr_null(target.colour);
	ck_assert_int_eq(parse(&target, &result, "--name=help"), 0);
	ck_assert_ptr_null(result.list);
}
END_TEST

START_TEST(nothing_is_read_behind_help)
{
	struct option_result result;
	struct target target;

	ck_assert_int_eq(parse(&target, &result, "list -ha --bogus"), 0);
	ck_assert(target.help);
	ck_assert(!target.all);
	ck_assert_str_eq(refusal("--bogus --help"),
			 "cannot understand '--bogus': there is no such option (try --help)");
}
END_TEST

START_TEST(some_take_two_words)
{
	struct option_result result;
	struct target target;

	ck_assert_int_eq(parse(&target, &result, "--set a b list --set=c --all -s d e"), 0);
	ck_assert_str_eq(joined(&target.names), "a=b|c=--all|d=e");
	ck_assert(!target.all);
	ck_assert_str_eq(joined(&result.words), "list");
	ck_assert_str_eq(joined(&result.again), "--set=a|b|list|--set=c|--all|--set=d|e");
	ck_assert_str_eq(refusal("--set a"),
			 "cannot use '--set': it needs two values (try --set NAME VALUE)");
	ck_assert_str_eq(refusal("--set"),
			 "cannot use '--set': it needs a value (try --set=NAME VALUE)");
	ck_assert_str_eq(refusal("--set= b"), "cannot use '' as a value of --set");
}
END_TEST

START_TEST(help_has_an_entry_for_each)
{
	struct help help;

	help_init(&help, &arena, false, "prog", "", "");
	option_help(&help, &table);
	ck_assert_uint_eq(help.lines.count, 1 + ARRAY_SIZE(rows) - 1);
	ck_assert_str_eq(help.lines.items[1], "  -h, --help                  Show this");
	ck_assert_str_eq(help.lines.items[3], "      --names-of-all          More (not built yet)");
	ck_assert_str_eq(help.lines.items[6], "  -c, --colour[=COLOUR]       Which");
	ck_assert_str_eq(help.lines.items[7], "  -X                          One more");
	ck_assert_str_eq(help.lines.items[8], "  -Y NAME                     The same");
}
END_TEST

int main(void)
{
	return UNIT_RUN("cli/option", options_stand_anywhere, they_end_where_a_command_begins,
			they_can_be_said_again_without_those_for_here, long_names_may_be_shortened,
			the_nearest_name_is_suggested, values_that_cannot_be_are_refused,
			values_list_themselves, nothing_is_read_behind_help, some_take_two_words,
			help_has_an_entry_for_each);
}
