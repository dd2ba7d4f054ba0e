#include "cli/bars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unit.h"

#define SECOND UINT64_C(1000000)

static char room[BARS_ROOM];

START_TEST(what_is_over_soon_is_not_shown)
{
	struct bars bars = { .started_us = SECOND };

	bars_note(&bars, SECOND, "", 10, 100);
	ck_assert_str_eq(bars_draw(&bars, room, SECOND + 400000, false), "");
	ck_assert_str_eq(bars_clear(&bars, room), "");
}
END_TEST

START_TEST(the_whole_has_one_line)
{
	struct bars bars = { .started_us = SECOND };

	bars_note(&bars, SECOND, "", 1024, 2048);
	ck_assert_str_eq(bars_draw(&bars, room, 2 * SECOND, false),
			 "[############            ]  50% 1.0 KiB, 1.0 KiB/s");
	/* Not again so soon. */
	ck_assert_str_eq(bars_draw(&bars, room, 2 * SECOND + 1000, false), "");
	ck_assert_str_eq(bars_clear(&bars, room), "\r\033[K");
	ck_assert_str_eq(bars_clear(&bars, room), "");
}
END_TEST

START_TEST(each_part_has_its_line_until_it_is_done)
{
	struct bars bars = { .started_us = SECOND };

	bars_note(&bars, SECOND, "one", 1, 0);
	bars_note(&bars, SECOND, "two", 3, 3);
	bars_note(&bars, SECOND, "three", 5, 0);
	ck_assert_str_eq(bars_draw(&bars, room, 2 * SECOND, false),
			 "one 1 B, 1 B/s\nthree 5 B, 5 B/s");
	bars_note(&bars, SECOND, "one", 1, 1);
	ck_assert_str_eq(bars_draw(&bars, room, 3 * SECOND, false),
			 "\r\033[K\033[A\r\033[Kthree 5 B, 2 B/s");
}
END_TEST

START_TEST(a_narrow_terminal_cuts_lines)
{
	struct bars bars = { .started_us = SECOND, .columns = 10 };

	bars_note(&bars, SECOND, "a-name", 1, 0);
	ck_assert_str_eq(bars_draw(&bars, room, 2 * SECOND, false), "a-name 1 ");
}
END_TEST

START_TEST(there_are_never_too_many)
{
	struct bars bars = { .started_us = SECOND };
	size_t lines = 1;
	char name[32];

	for (int i = 0; i < 2 * BARS_MAX; i++) {
		snprintf(name, sizeof(name), "part-with-a-long-name-%d", i);
		bars_note(&bars, SECOND, name, (uint64_t)i, 0);
	}
	ck_assert_uint_le(bars.count, BARS_MAX);
	for (const char *at = bars_draw(&bars, room, 2 * SECOND, false); *at != '\0'; at++)
		lines += *at == '\n';
	ck_assert_uint_eq(lines, BARS_SHOWN);
}
END_TEST

START_TEST(names_cannot_steer_the_terminal)
{
	struct bars bars = { .started_us = SECOND };

	bars_note(&bars, SECOND, "\033[2J\n\xc2\x9b", 1, 0);
	ck_assert_str_eq(bars_draw(&bars, room, 2 * SECOND, false), "?[2J??? 1 B, 1 B/s");
}
END_TEST

int main(void)
{
	return UNIT_RUN("cli/bars", what_is_over_soon_is_not_shown, the_whole_has_one_line,
			each_part_has_its_line_until_it_is_done, a_narrow_terminal_cuts_lines,
			there_are_never_too_many, names_cannot_steer_the_terminal);
}
