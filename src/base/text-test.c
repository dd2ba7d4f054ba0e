#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "base/unit.h"

/* "a|b|c" is easier to compare than a list. */
static const char *joined(struct arena *arena, const struct text_list *list)
{
	char *text = arena_text(arena, "");

	for (size_t i = 0; i < list->count; i++)
		text = arena_format(arena, "%s%s%s", text, i == 0 ? "" : "|", list->items[i]);
	return text;
}

START_TEST(small_questions_have_answers)
{
	ck_assert(text_equal(NULL, NULL));
	ck_assert(!text_equal(NULL, ""));
	ck_assert(text_equal("a", "a"));
	ck_assert(text_empty(NULL));
	ck_assert(text_empty(""));
	ck_assert(!text_empty("a"));
	ck_assert_str_eq(text_after("--bind=x", "--bind="), "x");
	ck_assert_ptr_null(text_after("--b", "--bind="));
	ck_assert(text_ends("web.nspawn", ".nspawn"));
	ck_assert(!text_ends("n", ".nspawn"));
}
END_TEST

START_TEST(splitting_drops_empty_fields)
{
	autoarena struct arena arena = {};
	struct text_list list;

	text_split(&arena, &list, " a,,b  c,", " ,");
	ck_assert_str_eq(joined(&arena, &list), "a|b|c");
	text_split(&arena, &list, "", ",");
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(escaped_fields_keep_their_colons)
{
	autoarena struct arena arena = {};
	struct text_list list = {};

	ck_assert_int_eq(text_split_escaped(&arena, &list, "/a\\:b:/c\\\\d::\\x", ':'), 0);
	ck_assert_str_eq(joined(&arena, &list), "/a:b|/c\\d||x");
	ck_assert_int_eq(text_split_escaped(&arena, &list, "", ':'), 0);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_int_eq(text_split_escaped(&arena, &list, ":", ':'), 0);
	ck_assert_uint_eq(list.count, 2);
	ck_assert_int_eq(text_split_escaped(&arena, &list, "a:b\\", ':'), -EINVAL);
	ck_assert_uint_eq(list.count, 2);
}
END_TEST

START_TEST(words_may_be_quoted)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "a b\tc\n", "a|b|c" },
		{ "'a b' \"c d\"", "a b|c d" },
		{ "A=\"b c\"d", "A=b cd" },
		{ "'' \"\"", "|" },
		{ "'a\\nb'", "a\\nb" },
		{ "\"a\\nb\" c\\td", "a\nb|c\td" },
		{ "a\\sb \\x41\\102\\u00e9", "a b|AB\xc3\xa9" },
		{ "   ", "" },
	};
	autoarena struct arena arena = {};
	struct text_list list;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(text_split_quoted(&arena, &list, cases[i].text), 0);
		ck_assert_str_eq(joined(&arena, &list), cases[i].words);
	}
}
END_TEST

START_TEST(broken_words_are_refused)
{
	static const char *const bad[] = { "'a",      "\"a",	     "a\"b",  "a\\",
					   "\\q",     "\\x4",	     "\\x00", "\\000",
					   "\\ud800", "\\U00110000", "\\9",   "\\400" };
	autoarena struct arena arena = {};
	struct text_list list = {};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(text_split_quoted(&arena, &list, bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(unescaping_may_give_nul)
{
	autoarena struct arena arena = {};
	size_t size;
	char *data;

	ck_assert_int_eq(text_unescape(&arena, &data, &size, "a\\x00b\\\\\\n\\\"\\'"), 0);
	ck_assert_uint_eq(size, 7);
	ck_assert_mem_eq(data, "a\0b\\\n\"'", 8);
	ck_assert_int_eq(text_unescape(&arena, &data, &size, "\\U0001f41f"), 0);
	ck_assert_str_eq(data, "\xf0\x9f\x90\x9f");
	ck_assert_int_eq(text_unescape(&arena, &data, &size, "x\\"), -EINVAL);
	ck_assert_int_eq(text_unescape(&arena, &data, &size, "\\xg0"), -EINVAL);
}
END_TEST

START_TEST(only_well_formed_utf8_is_decoded)
{
	static const struct {
		const char *text;
		size_t length;
		uint32_t code;
	} cases[] = {
		{ "a", 1, 'a' },
		{ "\xc3\xa9", 2, 0xe9 },
		{ "\xe2\x82\xac", 3, 0x20ac },
		{ "\xf0\x9f\x90\x9f", 4, 0x1f41f },
		{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
		{ "\xc0\x80", 0, 0 },	      /* overlong */
		{ "\xe0\x80\xaf", 0, 0 },     /* overlong */
		{ "\xed\xa0\x80", 0, 0 },     /* surrogate */
		{ "\xf4\x90\x80\x80", 0, 0 }, /* above U+10FFFF */
		{ "\xf8\x88\x80\x80", 0, 0 },
		{ "\x80", 0, 0 },
		{ "\xc3", 0, 0 },
		{ "\xc3"
		  "a",
		  0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t code = 0;
		char again[4];

		ck_assert_uint_eq(text_utf8_decode(&code, cases[i].text, strlen(cases[i].text)),
				  cases[i].length);
		ck_assert_uint_eq(code, cases[i].code);
		if (cases[i].length == 0)
			continue;
		ck_assert_uint_eq(text_utf8_encode(again, code), cases[i].length);
		ck_assert_mem_eq(again, cases[i].text, cases[i].length);
	}
}
END_TEST

START_TEST(nothing_printable_moves_the_cursor)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(text_printable(&arena, "caf\xc3\xa9"), "caf\xc3\xa9");
	ck_assert_str_eq(text_printable(&arena, "\x1b[2J\n\x7f"), "\\x1b[2J\\x0a\\x7f");
	ck_assert_str_eq(text_printable(&arena, "\xc2\x9b"), "\\xc2\\x9b");
	ck_assert_str_eq(text_printable(&arena, "a\xff\xc3"), "a\\xff\\xc3");
	ck_assert_str_eq(text_printable(&arena, "\xe2\x80\xae"), "\\xe2\\x80\\xae");
	ck_assert_str_eq(text_printable(&arena, ""), "");
}
END_TEST

START_TEST(a_variable_is_found_by_its_whole_name)
{
	static const char *const environment[] = { "HOMER=x", "HOME=/home/ada", "EMPTY=", NULL };

	ck_assert_str_eq(text_variable(environment, "HOME"), "/home/ada");
	ck_assert_str_eq(text_variable(environment, "EMPTY"), "");
	ck_assert_ptr_null(text_variable(environment, "HOM"));
	ck_assert_ptr_null(text_variable(NULL, "HOME"));
}
END_TEST

START_TEST(a_loose_prefix_is_one_in_any_case)
{
	ck_assert_str_eq(text_after_loose("rLimit_NOFILE", "RLIMIT_"), "NOFILE");
	ck_assert_str_eq(text_after_loose("x", ""), "x");
	ck_assert_ptr_null(text_after_loose("RLIM", "RLIMIT_"));
	ck_assert_ptr_null(text_after_loose("RLIMIT@", "RLIMIT_"));
}
END_TEST

START_TEST(base64_is_padded)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(text_base64(&arena, "", 0), "");
	ck_assert_str_eq(text_base64(&arena, "f", 1), "Zg==");
	ck_assert_str_eq(text_base64(&arena, "fo", 2), "Zm8=");
	ck_assert_str_eq(text_base64(&arena, "foo", 3), "Zm9v");
	ck_assert_str_eq(text_base64(&arena, "foobar", 6), "Zm9vYmFy");
	ck_assert_str_eq(text_base64(&arena, "\xff\xfe\x00", 3), "//4A");
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/text", small_questions_have_answers, splitting_drops_empty_fields,
			escaped_fields_keep_their_colons, words_may_be_quoted,
			broken_words_are_refused, unescaping_may_give_nul,
			only_well_formed_utf8_is_decoded, nothing_printable_moves_the_cursor,
			a_variable_is_found_by_its_whole_name, a_loose_prefix_is_one_in_any_case,
			base64_is_padded);
}
