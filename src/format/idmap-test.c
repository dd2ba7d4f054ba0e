#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "format/idmap.h"

START_TEST(a_map_is_read_and_written)
{
	autoarena struct arena arena = {};
	struct idmap map = {};

	ck_assert_int_eq(idmap_parse(&arena, &map, "         0     524288      65536\n65536 0 1\n"),
			 0);
	ck_assert_uint_eq(map.count, 2);
	ck_assert_str_eq(idmap_format(&arena, &map), "0 524288 65536\n65536 0 1\n");
	ck_assert_int_eq(idmap_parse(&arena, &map, "0 0 4294967295"), 0);
	ck_assert_uint_eq(map.items[0].count, UINT32_MAX);
	ck_assert_int_eq(idmap_parse(&arena, &map, ""), 0);
	ck_assert_uint_eq(map.count, 0);
	ck_assert_str_eq(idmap_format(&arena, &map), "");
}
END_TEST

START_TEST(malformed_maps_are_refused)
{
	static const char *const bad[] = { "0",
					   "0 1",
					   "0 1 0",
					   "a b c",
					   "0 1 2 3",
					   "-1 0 1",
					   "0 0 0x1",
					   "1 0 4294967295",
					   "0 4294967295 1",
					   "0 0 4294967296",
					   "0 0 99999999999999999999",
					   "0 1 1\nx\n" };
	autoarena struct arena arena = {};
	struct idmap map = { .count = 7 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(idmap_parse(&arena, &map, bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_uint_eq(map.count, 7);
}
END_TEST

START_TEST(maps_have_the_kernels_limit)
{
	autoarena struct arena arena = {};
	char *text = arena_text(&arena, "");
	struct idmap map;

	for (unsigned int i = 0; i < IDMAP_LINES_MAX; i++)
		text = arena_format(&arena, "%s%u %u 1\n", text, i, i);
	ck_assert_int_eq(idmap_parse(&arena, &map, text), 0);
	ck_assert_uint_eq(map.count, IDMAP_LINES_MAX);
	text = arena_format(&arena, "%s400 400 1\n", text);
	ck_assert_int_eq(idmap_parse(&arena, &map, text), -E2BIG);
}
END_TEST

START_TEST(ids_translate_both_ways)
{
	autoarena struct arena arena = {};
	struct idmap map;
	uint32_t id = 7;

	ck_assert_int_eq(idmap_parse(&arena, &map, "0 1000 1\n1 100000 65535"), 0);
	ck_assert(idmap_to_outside(&id, &map, 0));
	ck_assert_uint_eq(id, 1000);
	ck_assert(idmap_to_outside(&id, &map, 65535));
	ck_assert_uint_eq(id, 165534);
	ck_assert(idmap_to_inside(&id, &map, 100000));
	ck_assert_uint_eq(id, 1);
	ck_assert(!idmap_to_outside(&id, &map, 65536));
	ck_assert(!idmap_to_inside(&id, &map, 0));
	ck_assert(!idmap_to_inside(&id, &map, 999));
	ck_assert_uint_eq(id, 1);
}
END_TEST

START_TEST(subordinate_ranges_are_found_by_name_or_number)
{
	static const char text[] = "alice:100000:65536\nbob:165536:65536\n1001:300000:10\n"
				   "alice:400000:1\n";
	autoarena struct arena arena = {};
	struct idmap map = {};

	ck_assert_int_eq(idmap_find_subids(&arena, &map, text, sizeof(text) - 1, "alice", 1000), 0);
	ck_assert_str_eq(idmap_format(&arena, &map), "0 100000 65536\n0 400000 1\n");
	ck_assert_int_eq(idmap_find_subids(&arena, &map, text, sizeof(text) - 1, NULL, 1001), 0);
	ck_assert_str_eq(idmap_format(&arena, &map), "0 300000 10\n");
	ck_assert_int_eq(idmap_find_subids(&arena, &map, text, sizeof(text) - 1, "carol", 5),
			 -ENOENT);
	ck_assert_int_eq(idmap_find_subids(&arena, &map, "", 0, "", 0), -ENOENT);
}
END_TEST

START_TEST(malformed_subordinate_lines_are_skipped)
{
	static const char text[] = "a\na:\na:1\na:1:\na::1\na:-1:5\na:1:0\na:1:5:6\n:1:5\n#a:1:5\n"
				   "a:4294967295:1\na:1:4294967295\na:1:99999999999\na:5:6";
	autoarena struct arena arena = {};
	struct idmap map = {};

	ck_assert_int_eq(idmap_find_subids(&arena, &map, text, sizeof(text) - 1, "a", 7), 0);
	ck_assert_str_eq(idmap_format(&arena, &map), "0 5 6\n");
	ck_assert_int_eq(idmap_find_subids(&arena, &map, text, sizeof(text) - 1, "", 7), -ENOENT);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/idmap", a_map_is_read_and_written, malformed_maps_are_refused,
			maps_have_the_kernels_limit, ids_translate_both_ways,
			subordinate_ranges_are_found_by_name_or_number,
			malformed_subordinate_lines_are_skipped);
}
