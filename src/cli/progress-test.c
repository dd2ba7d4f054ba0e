#include "cli/progress.h"

#include "base/unit.h"

#define SECOND 1000000u
#define MIB (1024u * 1024)

START_TEST(what_is_short_shows_nothing)
{
	struct progress progress = { .started_us = SECOND };
	char text[PROGRESS_ROOM];

	ck_assert_str_eq(progress_line(&progress, text, SECOND + 400000, 5, 10, 1), "");
	ck_assert_str_eq(progress_end(&progress), "");
}
END_TEST

START_TEST(a_file_has_a_bar_and_a_rate)
{
	struct progress progress = { .started_us = SECOND };
	char text[PROGRESS_ROOM];

	ck_assert_str_eq(progress_line(&progress, text, 3 * SECOND, 100 * MIB, 400 * MIB, 1),
			 "\r\033[K[######                  ]  25% 100.0 MiB, 50.0 MiB/s");
	ck_assert_str_eq(progress_end(&progress), "\r\033[K");
}
END_TEST

START_TEST(a_tree_has_a_number_of_files)
{
	struct progress progress = { .started_us = SECOND };
	char text[PROGRESS_ROOM];

	ck_assert_str_eq(progress_line(&progress, text, 2 * SECOND, 10, 0, 7),
			 "\r\033[K10 B, 7 files, 10 B/s");
	ck_assert_str_eq(progress_line(&progress, text, 2 * SECOND + 1000, 20, 0, 7), "");
}
END_TEST

START_TEST(more_than_all_is_all)
{
	struct progress progress = { .started_us = SECOND };
	char text[PROGRESS_ROOM];

	ck_assert_str_eq(progress_line(&progress, text, 2 * SECOND, 30, 20, 1),
			 "\r\033[K[########################] 100% 30 B, 30 B/s");
}
END_TEST

int main(void)
{
	return UNIT_RUN("cli/progress", what_is_short_shows_nothing, a_file_has_a_bar_and_a_rate,
			a_tree_has_a_number_of_files, more_than_all_is_all);
}
