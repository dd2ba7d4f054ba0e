#include <errno.h>
#include <string.h>

#include "base/fail.h"
#include "base/unit.h"

#undef fail /* an old macro of Check */

START_TEST(a_sentence_ends_with_the_reason)
{
	ck_assert_int_eq(fail(-ENOENT, "cannot open '%s'", "/x"), -ENOENT);
	ck_assert_int_eq(fail_recorded()->code, -ENOENT);
	ck_assert_str_eq(fail_recorded()->text, "cannot open '/x': No such file or directory");
}
END_TEST

START_TEST(bad_input_needs_no_reason)
{
	ck_assert_int_eq(fail_input("'%d' is no port", 0), -EINVAL);
	ck_assert_str_eq(fail_recorded()->text, "'0' is no port");
	ck_assert_int_eq(fail_plain(-EBUSY, "the tree is in use"), -EBUSY);
	ck_assert_str_eq(fail_recorded()->text, "the tree is in use");
}
END_TEST

START_TEST(context_goes_before_the_sentence)
{
	fail_plain(-EBUSY, "in use");
	ck_assert_int_eq(fail_in(-EIO, "--bind=%s", "/a"), -EIO);
	ck_assert_str_eq(fail_recorded()->text, "--bind=/a: in use");
	ck_assert_int_eq(fail_recorded()->code, -EIO);
}
END_TEST

START_TEST(context_alone_still_is_a_sentence)
{
	fail_forget();
	fail_in(-EPERM, "step %d", 3);
	ck_assert_str_eq(fail_recorded()->text, "step 3: Operation not permitted");
}
END_TEST

START_TEST(a_hint_follows_in_parentheses)
{
	fail_forget();
	fail_hint("nothing to hint at");
	ck_assert_str_eq(fail_recorded()->text, "");
	fail_plain(-EPERM, "cannot map");
	fail_hint("try %s", "--private-users=no");
	ck_assert_str_eq(fail_recorded()->text, "cannot map (try --private-users=no)");
}
END_TEST

START_TEST(long_texts_are_cut)
{
	char text[3 * FAIL_TEXT_MAX];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 3; i++) {
		fail(-EIO, "%s", text);
		fail_hint("%s", text);
		fail_in(-EIO, "%s", text + i * FAIL_TEXT_MAX);
		ck_assert_uint_eq(strlen(fail_recorded()->text), FAIL_TEXT_MAX - 1);
	}
	fail_plain(-EIO, "%.*s", FAIL_TEXT_MAX - 3, text);
	fail_hint("a");
	ck_assert_uint_lt(strlen(fail_recorded()->text), FAIL_TEXT_MAX);
}
END_TEST

START_TEST(what_a_child_sent_is_adopted_with_an_end)
{
	struct failure child = { .code = -EIO };

	memset(child.text, 'y', sizeof(child.text));
	fail_adopt(&child);
	ck_assert_int_eq(fail_recorded()->code, -EIO);
	ck_assert_uint_eq(strlen(fail_recorded()->text), FAIL_TEXT_MAX - 1);
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/fail", a_sentence_ends_with_the_reason, bad_input_needs_no_reason,
			context_goes_before_the_sentence, context_alone_still_is_a_sentence,
			a_hint_follows_in_parentheses, long_texts_are_cut,
			what_a_child_sent_is_adopted_with_an_end);
}
