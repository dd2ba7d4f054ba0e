#include "base/arena.h"
#include "base/list.h"
#include "base/unit.h"

START_TEST(a_text_list_ends_in_null_at_every_length)
{
	autoarena struct arena arena = {};
	struct text_list list = {};

	for (size_t i = 0; i < 100; i++) {
		text_list_add(&arena, &list, arena_format(&arena, "%zu", i));
		ck_assert_uint_eq(list.count, i + 1);
		ck_assert_ptr_null(list.items[i + 1]);
	}
	for (size_t i = 0; i < 100; i++)
		ck_assert_str_eq(list.items[i], arena_format(&arena, "%zu", i));
}
END_TEST

START_TEST(a_text_is_found)
{
	autoarena struct arena arena = {};
	struct text_list list = {};

	ck_assert(!text_list_has(&list, "a"));
	text_list_add(&arena, &list, arena_text(&arena, "a"));
	ck_assert(text_list_has(&list, "a"));
	ck_assert(!text_list_has(&list, "ab"));
	text_list_clear(&list);
	ck_assert_uint_eq(list.count, 0);
	ck_assert(!text_list_has(&list, "a"));
}
END_TEST

START_TEST(a_text_list_is_sorted_by_bytes)
{
	static const char *const words[] = { "b", "a", "B", "c" };
	autoarena struct arena arena = {};
	struct text_list list = { 0 };

	text_list_sort(&list);
	ck_assert_uint_eq(list.count, 0);
	for (size_t i = 0; i < 4; i++)
		text_list_add(&arena, &list, arena_text(&arena, words[i]));
	text_list_sort(&list);
	ck_assert_str_eq(list.items[0], "B");
	ck_assert_str_eq(list.items[1], "a");
	ck_assert_str_eq(list.items[2], "b");
	ck_assert_str_eq(list.items[3], "c");
	ck_assert_ptr_null(list.items[4]);
}
END_TEST

START_TEST(an_assignment_replaces_the_one_of_its_name)
{
	char first[] = "A=1", longer[] = "AB=2", again[] = "A=3";
	autoarena struct arena arena = {};
	struct text_list list = {};

	text_list_assign(&arena, &list, first);
	text_list_assign(&arena, &list, longer);
	text_list_assign(&arena, &list, again);
	ck_assert_uint_eq(list.count, 2);
	ck_assert_str_eq(list.items[0], "A=3");
	ck_assert_str_eq(list.items[1], "AB=2");
}
END_TEST

START_TEST(structs_keep_their_values_and_new_ones_are_zeroed)
{
	struct pair {
		int a, b;
	} * pairs;
	autoarena struct arena arena = {};
	void *items = NULL;
	size_t count = 0;

	for (int i = 0; i < 50; i++) {
		struct pair *pair = list_grow(&arena, &items, &count, sizeof(*pair));

		ck_assert_int_eq(pair->a, 0);
		ck_assert_int_eq(pair->b, 0);
		*pair = (struct pair){ i, -i };
	}
	pairs = items;
	ck_assert_uint_eq(count, 50);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(pairs[i].a + pairs[i].b, 0);
	ck_assert_int_eq(pairs[49].a, 49);
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/list", a_text_list_ends_in_null_at_every_length, a_text_is_found,
			a_text_list_is_sorted_by_bytes, an_assignment_replaces_the_one_of_its_name,
			structs_keep_their_values_and_new_ones_are_zeroed);
}
