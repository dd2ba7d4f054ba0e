#include "base/nearest.h"

#include <string.h>

#include "base/unit.h"

static const char *nearest(const char *word)
{
	static const char *const names[] = { "list", "status", "start", "stop", "copy-to", "no" };
	struct nearest nearest;

	nearest_init(&nearest, word, strlen(word));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		nearest_offer(&nearest, names[i]);
	nearest_offer(&nearest, NULL);
	return nearest.name;
}

START_TEST(a_letter_may_change_swap_come_or_go)
{
	ck_assert_str_eq(nearest("lisp"), "list");
	ck_assert_str_eq(nearest("lsit"), "list");
	ck_assert_str_eq(nearest("lists"), "list");
	ck_assert_str_eq(nearest("statu"), "status");
	ck_assert_str_eq(nearest("cpy-to"), "copy-to");
	ck_assert_str_eq(nearest("sotp"), "stop");
}
END_TEST

START_TEST(what_is_far_is_not_offered)
{
	ck_assert_ptr_null(nearest("image-remove"));
	ck_assert_ptr_null(nearest("x"));
	ck_assert_ptr_null(nearest("xy"));
	ck_assert_ptr_null(nearest("foo")); /* "no" is two letters away */
	ck_assert_ptr_null(nearest(""));
}
END_TEST

START_TEST(a_word_may_be_the_start_of_a_text)
{
	struct nearest nearest;

	nearest_init(&nearest, "lits=value", 4);
	nearest_offer(&nearest, "list");
	ck_assert_str_eq(nearest.name, "list");
	ck_assert_uint_eq(nearest.distance, 1);
}
END_TEST

START_TEST(long_words_are_near_nothing)
{
	char word[NEAREST_MAX_LENGTH + 2];
	struct nearest nearest;

	memset(word, 'a', sizeof(word));
	word[NEAREST_MAX_LENGTH] = '\0';
	nearest_init(&nearest, word, NEAREST_MAX_LENGTH);
	nearest_offer(&nearest, word);
	ck_assert_str_eq(nearest.name, word);
	nearest_init(&nearest, word, NEAREST_MAX_LENGTH + 1);
	nearest_offer(&nearest, word);
	ck_assert_ptr_null(nearest.name);
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/nearest", a_letter_may_change_swap_come_or_go,
			what_is_far_is_not_offered, a_word_may_be_the_start_of_a_text,
			long_words_are_near_nothing);
}
