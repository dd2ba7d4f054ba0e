#include "cli/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/unit.h"

static struct arena arena;

static const struct column columns[] = {
	{ .title = "NAME" },
	{ .title = "RUNS", .kind = COLUMN_BOOL },
	{ .title = "MEMORY", .kind = COLUMN_SIZE },
	{ .title = "CPU TIME", .kind = COLUMN_DURATION, .json_only = true },
	{ .title = "HIDDEN", .hidden = true },
	{ .title = "ADDRESSES" },
};

static struct table sample(void)
{
	struct table table;

	table_init(&table, &arena, columns, ARRAY_SIZE(columns));
	table_text(&table, "web");
	table_bool(&table, true);
	table_number(&table, 1536);
	table_number(&table, 1500000);
	table_text(&table, "never");
	table_text(&table, "10.0.0.1\nfe80::1");
	table_text(&table, "database");
	table_bool(&table, false);
	table_empty(&table);
	table_empty(&table);
	table_empty(&table);
	table_text(&table, "");
	return table;
}

static const char *print(const struct table *table, unsigned int width, bool legend)
{
	const struct table_style style = { .legend = legend, .columns = width };

	return table_print(table, &style);
}

START_TEST(columns_are_aligned)
{
	struct table table = sample();

	ck_assert_uint_eq(table_rows(&table), 2);
	ck_assert_str_eq(print(&table, 0, true), "NAME     RUNS MEMORY ADDRESSES\n"
						 "web      yes    1.5K 10.0.0.1\n"
						 "                     fe80::1\n"
						 "database no        - -\n");
}
END_TEST

START_TEST(without_a_legend_columns_are_as_wide_as_their_texts)
{
	struct table table = sample();

	ck_assert_str_eq(print(&table, 0, false), "web      yes 1.5K 10.0.0.1\n"
						  "                  fe80::1\n"
						  "database no     - -\n");
}
END_TEST

START_TEST(a_narrow_screen_cuts_the_widest_texts)
{
	struct table table = sample();

	ck_assert_str_eq(print(&table, 24, true), "NAME  RUNS MEMORY ADDRE\xe2\x80\xa6\n"
						  "web   yes    1.5K 10.0.\xe2\x80\xa6\n"
						  "                  fe80:\xe2\x80\xa6\n"
						  "data\xe2\x80\xa6 no        - -\n");
	ck_assert_str_eq(print(&table, 30, true), print(&table, 0, true));
	ck_assert_ptr_nonnull(strstr(print(&table, 1, true), "1.5K"));
}
END_TEST

START_TEST(characters_are_not_cut_in_half)
{
	static const struct column one[] = { { .title = "N" } };
	struct table table;

	table_init(&table, &arena, one, 1);
	table_text(&table, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f");
	ck_assert_str_eq(print(&table, 3, false), "\xc3\xa4\xc3\xb6\xe2\x80\xa6\n");
	ck_assert_str_eq(print(&table, 4, false), "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\n");
}
END_TEST

START_TEST(titles_are_underlined_in_colour)
{
	const struct table_style style = { .legend = true, .colour = true };
	static const struct column one[] = { { .title = "N" } };
	struct table table;

	table_init(&table, &arena, one, 1);
	table_text(&table, "a");
	ck_assert_str_eq(table_print(&table, &style), "\033[4mN\033[0m\na\n");
}
END_TEST

START_TEST(nothing_from_outside_moves_the_cursor)
{
	static const struct column one[] = { { .title = "N" } };
	struct table table;

	table_init(&table, &arena, one, 1);
	table_text(&table, "a\033[2J\rb\nc\xc2\x9b");
	ck_assert_str_eq(print(&table, 0, false), "a\\x1b[2J\\x0db\nc\\xc2\\x9b\n");
}
END_TEST

START_TEST(an_empty_table_is_no_text_and_an_empty_array)
{
	const struct table_style json = { .format = TABLE_JSON_SHORT };
	struct table table;

	table_init(&table, &arena, columns, ARRAY_SIZE(columns));
	ck_assert_str_eq(print(&table, 0, true), "");
	ck_assert_str_eq(table_print(&table, &json), "[]\n");
}
END_TEST

START_TEST(json_has_keys_types_and_nulls)
{
	const struct table_style style = { .format = TABLE_JSON_SHORT };
	struct table table = sample();

	ck_assert_str_eq(table_print(&table, &style),
			 "[{\"name\":\"web\",\"runs\":true,\"memory\":1536,\"cpu_time\":1500000,"
			 "\"addresses\":\"10.0.0.1\\nfe80::1\"},"
			 "{\"name\":\"database\",\"runs\":false,\"memory\":null,\"cpu_time\":null,"
			 "\"addresses\":null}]\n");
}
END_TEST

START_TEST(sizes_have_one_decimal)
{
	ck_assert_str_eq(table_size_text(&arena, 0), "0B");
	ck_assert_str_eq(table_size_text(&arena, 1023), "1023B");
	ck_assert_str_eq(table_size_text(&arena, 1024), "1K");
	ck_assert_str_eq(table_size_text(&arena, 1300000000), "1.2G");
	ck_assert_str_eq(table_size_text(&arena, UINT64_MAX), "15.9E");
}
END_TEST

START_TEST(times_are_local)
{
	setenv("TZ", "UTC-2", 1);
	tzset();
	ck_assert_str_eq(table_time_text(&arena, 1704164645 * UINT64_C(1000000)),
			 "Tue 2024-01-02 05:04:05 UTC");
	ck_assert_str_eq(table_duration_text(&arena, 1234000), "1.234s");
	ck_assert_str_eq(table_duration_text(&arena, 123 * UINT64_C(1000000)), "2min 3s");
	ck_assert_str_eq(table_duration_text(&arena, 18000 * UINT64_C(1000000)), "5h 0min");
}
END_TEST

int main(void)
{
	return UNIT_RUN("cli/table", columns_are_aligned,
			without_a_legend_columns_are_as_wide_as_their_texts,
			a_narrow_screen_cuts_the_widest_texts, characters_are_not_cut_in_half,
			titles_are_underlined_in_colour, nothing_from_outside_moves_the_cursor,
			an_empty_table_is_no_text_and_an_empty_array, json_has_keys_types_and_nulls,
			sizes_have_one_decimal, times_are_local);
}
