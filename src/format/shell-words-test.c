#include "format/shell-words.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"

/* Each word in "<>", with "$" before it if it is expanded and "'" if it is quoted; "/" behind a
 * command; "!" where it cannot be read. */
static char *shown(struct arena *arena, const char *text)
{
	char *said = arena_text(arena, "");
	struct shell_script script;
	int r = shell_script_begin(&script, arena, text, strlen(text));

	ck_assert_int_eq(r, 0);
	while ((r = shell_script_next(&script)) > 0) {
		for (size_t i = 0; i < script.count; i++)
			said = arena_format(arena, "%s%s<%s>", said,
					    !script.words[i].literal ? "$"
					    : script.words[i].bare   ? ""
								     : "'",
					    script.words[i].text);
		said = arena_format(arena, "%s/", said);
	}
	return r < 0 ? arena_format(arena, "%s!", said) : said;
}

START_TEST(words_are_what_they_stand_for)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{ "", "" },
		{ " \n\t# nothing\n", "" },
		{ "a b\nc", "<a><b>/<c>/" },
		{ "a \\\n  b # c\nd#e", "<a><b>/<d#e>/" },
		{ "a; b && c | d &", "<a>/<b>/<c>/<d>/" },
		{ "'a b'\"c \\\" \\d\"e\\ f", "'<a bc \" \\de f>/" },
		{ "\"$a\" ${b-} $c/d", "$<$a>$<${b-}>$<$c/d>/" },
		{ "\"$(< \"${A:-/x}/y\")\" = z", "$<$(< \"${A:-/x}/y\")><=><z>/" },
		{ "a=(b 'c d')", "<a=><(><b>'<c d><)>/" },
		{ "cp >/dev/null 2>&1", "<cp><>></dev/null><2><>>/<1>/" },
		{ "ls * ~ [a] {a,b} a?", "<ls>$<*>$<~>$<[a]>$<{a,b}>$<a?>/" },
		{ "'*' \"~\"", "'<*>'<~>/" },
		{ "\"a\\\nb\" a\\\nb", "'<ab>'<ab>/" },
		{ "''", "'<>/" },
	};
	autoarena struct arena arena = {};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(shown(&arena, rows[i].text), rows[i].shown);
}
END_TEST

START_TEST(what_changes_the_lines_behind_it_is_refused)
{
	static const char *const texts[] = {
		"a 'b",	 "a \"b", "a ${b",   "a $(b",	    "cat <<E\na\nE",
		"a `b`", "a \\",  "$'a\\n'", "\"a $(b\"\n", "\"`\"",
	};
	autoarena struct arena arena = {};
	struct shell_script script;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_msg(text_ends(shown(&arena, texts[i]), "!"), "%s", texts[i]);
	ck_assert_int_eq(shell_script_begin(&script, &arena, "a\0b", 3), -EINVAL);
}
END_TEST

START_TEST(lines_are_counted_and_words_are_limited)
{
	autoarena struct arena arena = {};
	struct shell_script script;
	char *text = arena_take(&arena, 2 * (SHELL_WORDS_MAX + 1) + 1);

	ck_assert_int_eq(shell_script_begin(&script, &arena, "a\n\nb \\\nc\n", 9), 0);
	ck_assert_int_eq(shell_script_next(&script), 1);
	ck_assert_int_eq(shell_script_next(&script), 1);
	ck_assert_uint_eq(script.words[0].line, 3);
	ck_assert_uint_eq(script.words[1].line, 4);
	for (size_t i = 0; i < SHELL_WORDS_MAX + 1; i++)
		memcpy(text + 2 * i, "a ", 2);
	ck_assert_int_eq(shell_script_begin(&script, &arena, text, strlen(text)), 0);
	ck_assert_int_eq(shell_script_next(&script), -E2BIG);
	ck_assert_int_eq(shell_script_begin(&script, &arena, text, strlen(text) - 2), 0);
	ck_assert_int_eq(shell_script_next(&script), 1);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/shell-words", words_are_what_they_stand_for,
			what_changes_the_lines_behind_it_is_refused,
			lines_are_counted_and_words_are_limited);
}
