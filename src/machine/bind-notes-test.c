#include "machine/bind-notes.h"

#include "base/arena.h"
#include "base/unit.h"

static struct arena arena;

START_TEST(numbers_of_this_leader_are_taken)
{
	struct bind_notes notes = BIND_NOTES_EMPTY;

	bind_notes_parse(&arena, &notes, "12 345\n7\n18446744073709551615\n", "12 345");
	ck_assert_uint_eq(notes.count, 2);
	ck_assert(bind_notes_have(&notes, 7));
	ck_assert(bind_notes_have(&notes, UINT64_MAX));
	ck_assert(!bind_notes_have(&notes, 345));
}
END_TEST

START_TEST(those_of_another_leader_are_not)
{
	struct bind_notes notes = BIND_NOTES_EMPTY;

	bind_notes_parse(&arena, &notes, "12 344\n7\n", "12 345");
	ck_assert_uint_eq(notes.count, 0);
	bind_notes_parse(&arena, &notes, "12 3456\n7\n", "12 345");
	ck_assert_uint_eq(notes.count, 0);
	bind_notes_parse(&arena, &notes, "", "12 345");
	ck_assert_uint_eq(notes.count, 0);
}
END_TEST

START_TEST(what_is_no_number_ends_the_list)
{
	struct bind_notes notes = BIND_NOTES_EMPTY;

	bind_notes_parse(&arena, &notes, "1 2\n7\n-1\n8\n", "1 2");
	ck_assert_uint_eq(notes.count, 1);
	bind_notes_parse(&arena, &notes, "1 2\n7x\n8\n", "1 2");
	ck_assert_uint_eq(notes.count, 1);
}
END_TEST

START_TEST(there_is_a_limit)
{
	char text[16 + 2 * (BIND_NOTES_MAX + 10)] = "1 2\n";
	struct bind_notes notes = BIND_NOTES_EMPTY;

	for (int i = 0; i < BIND_NOTES_MAX + 10; i++) {
		text[4 + 2 * i] = '5';
		text[5 + 2 * i] = '\n';
	}
	bind_notes_parse(&arena, &notes, text, "1 2");
	ck_assert_uint_eq(notes.count, BIND_NOTES_MAX);
}
END_TEST

START_TEST(the_file_is_no_machine)
{
	char name[BIND_NOTES_ROOM];

	bind_notes_name(name, "web");
	ck_assert_str_eq(name, ".web.binds");
}
END_TEST

int main(void)
{
	return UNIT_RUN("machine/bind-notes", numbers_of_this_leader_are_taken,
			those_of_another_leader_are_not, what_is_no_number_ends_the_list,
			there_is_a_limit, the_file_is_no_machine);
}
