#include "cli/verb.h"

#include <errno.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"
#include "format/help.h"

static struct arena arena;

static int count_words(void *context, const struct text_list *words)
{
	*(size_t *)context = words->count;
	return 3;
}

static const struct verb verbs[] = {
	{ "Looking", "list", NULL, "List things", 0, 0, count_words, VERB_PAGED },
	{ "Looking", "show", "NAME...", "Show things", 1, VERB_ANY, count_words },
	{ "Looking", "view", "NAME...", NULL, 1, VERB_ANY, count_words },
	{ "Doing", "copy", "FROM TO", "Copy things", 2, 2, count_words },
	{ "Doing", "burn", "NAME", "Burn things", 1, 1, NULL, VERB_UNBUILT },
};

static const struct verb_table table = { verbs, ARRAY_SIZE(verbs), "list" };

static int find(const struct verb **verb, struct text_list *words, const char *line)
{
	fail_forget();
	*words = (struct text_list){ 0 };
	text_split(&arena, words, line, " ");
	return verb_find(&arena, verb, &table, words);
}

static const char *refusal(int code, const char *line)
{
	const struct verb *verb;
	struct text_list words;

	ck_assert_int_eq(find(&verb, &words, line), code);
	return fail_recorded()->text;
}

START_TEST(a_verb_gets_the_words_behind_it)
{
	const struct verb *verb;
	struct text_list words;
	size_t count = 9;

	ck_assert_int_eq(find(&verb, &words, "show a b"), 0);
	ck_assert_int_eq(verb_run(&arena, verb, &count, &words), 3);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(find(&verb, &words, "view a"), 0);
	ck_assert_str_eq(verb->name, "view");
}
END_TEST

START_TEST(without_a_word_there_is_a_default)
{
	const struct verb *verb;
	struct text_list words;
	size_t count = 9;

	ck_assert_int_eq(find(&verb, &words, ""), 0);
	ck_assert_str_eq(verb->name, "list");
	ck_assert_int_eq(verb_run(&arena, verb, &count, &words), 3);
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(what_cannot_run_is_refused)
{
	ck_assert_str_eq(refusal(-EINVAL, "shwo a"),
			 "cannot understand 'shwo': there is no such command (try 'show')");
	ck_assert_str_eq(refusal(-EINVAL, "something"),
			 "cannot understand 'something': there is no such command (try --help)");
	ck_assert_str_eq(refusal(-EINVAL, "list a"),
			 "cannot run 'list' with 1 word: too many (try 'list')");
	ck_assert_str_eq(refusal(-EINVAL, "copy a"),
			 "cannot run 'copy' with 1 word: too few (try 'copy FROM TO')");
	ck_assert_str_eq(refusal(-ENOSYS, "burn"), "cannot run 'burn': it is not built yet");
}
END_TEST

START_TEST(help_has_headings_and_no_second_names)
{
	struct help help;

	help_init(&help, &arena, false, "prog", "", "");
	verb_help(&help, &table);
	ck_assert_uint_eq(help.lines.count, 1 + 2 + 4);
	ck_assert_str_eq(help.lines.items[1], "\nLooking:");
	ck_assert_str_eq(help.lines.items[3], "  show NAME...                Show things");
	ck_assert_str_eq(help.lines.items[4], "\nDoing:");
	ck_assert_str_eq(help.lines.items[6],
			 "  burn NAME                   Burn things (not built yet)");
}
END_TEST

int main(void)
{
	return UNIT_RUN("cli/verb", a_verb_gets_the_words_behind_it,
			without_a_word_there_is_a_default, what_cannot_run_is_refused,
			help_has_headings_and_no_second_names);
}
