#include <signal.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"

START_TEST(memory_is_zeroed_and_aligned)
{
	autoarena struct arena arena = {};

	for (size_t size = 1; size < 10000; size = size * 3 + 1) {
		unsigned char *memory = arena_take(&arena, size);

		ck_assert_uint_eq((uintptr_t)memory % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			ck_assert_uint_eq(memory[i], 0);
		memset(memory, 0xff, size);
	}
}
END_TEST

START_TEST(texts_are_copied)
{
	autoarena struct arena arena = {};
	char original[] = "web.example";
	char *copy = arena_text(&arena, original);

	original[0] = 'x';
	ck_assert_str_eq(copy, "web.example");
	ck_assert_str_eq(arena_text_n(&arena, copy, 3), "web");
	ck_assert_str_eq(arena_text_n(&arena, copy, 0), "");
	ck_assert_ptr_null(arena_text(&arena, NULL));
}
END_TEST

START_TEST(formatted_texts_have_any_length)
{
	autoarena struct arena arena = {};
	char *text = arena_format(&arena, "%s-%d", "a", 7);

	ck_assert_str_eq(text, "a-7");
	for (int i = 0; i < 14; i++)
		text = arena_format(&arena, "%s%s", text, text);
	ck_assert_uint_eq(strlen(text), 3u << 14);
}
END_TEST

START_TEST(a_size_that_wraps_ends_the_program)
{
	autoarena struct arena arena = {};

	arena_take_array(&arena, SIZE_MAX / 2, 3);
}
END_TEST

START_TEST(an_empty_arena_can_be_dropped_twice)
{
	struct arena arena = {};

	arena_done(&arena);
	arena_take(&arena, 1);
	arena_done(&arena);
	arena_done(&arena);
	ck_assert_ptr_null(arena.newest);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base/arena");
	TCase *cases = tcase_create("arena");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_test(cases, memory_is_zeroed_and_aligned);
	tcase_add_test(cases, texts_are_copied);
	tcase_add_test(cases, formatted_texts_have_any_length);
	tcase_add_test(cases, an_empty_arena_can_be_dropped_twice);
	tcase_add_test_raise_signal(cases, a_size_that_wraps_ends_the_program, SIGABRT);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_ENV);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures != 0;
}
