#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "format/ini.h"

/* One line an item: "LINE [SECTION]", "LINE SECTION.KEY=VALUE" or "LINE !". */
static const char *shown(struct arena *arena, const char *text, size_t size)
{
	char *all = arena_text(arena, "");
	struct ini_item item;
	struct ini ini;
	int r;

	ck_assert_int_eq(ini_start(&ini, arena, text, size), 0);
	while ((r = ini_next(&ini, &item)) > 0)
		if (item.kind == INI_SECTION)
			all = arena_format(arena, "%s%u [%s]\n", all, item.line, item.section);
		else if (item.kind == INI_ASSIGNMENT)
			all = arena_format(arena, "%s%u %s.%s=%s\n", all, item.line,
					   item.section == NULL ? "" : item.section, item.key,
					   item.value);
		else
			all = arena_format(arena, "%s%u !\n", all, item.line);
	ck_assert_int_eq(r, 0);
	return all;
}

#define EXPECT(text, items) ck_assert_str_eq(shown(&arena, text, sizeof(text) - 1), items)

START_TEST(sections_and_assignments_have_line_numbers)
{
	autoarena struct arena arena = {};

	EXPECT("[Exec]\nBoot=yes\n\n# note\n; note\n[X-Foo]\n Key = a b \n",
	       "1 [Exec]\n2 Exec.Boot=yes\n6 [X-Foo]\n7 X-Foo.Key=a b\n");
	EXPECT("", "");
	EXPECT("\n\n", "");
	EXPECT("A=", "1 .A=\n");
	EXPECT("[S]\nA=b=c", "1 [S]\n2 S.A=b=c\n");
}
END_TEST

START_TEST(windows_line_ends_are_fine)
{
	autoarena struct arena arena = {};

	EXPECT("\xef\xbb\xbf[S]\r\nA=1\r\n\r\nB=x\\\r\ny\r\n", "1 [S]\n2 S.A=1\n4 S.B=x y\n");
}
END_TEST

START_TEST(a_backslash_continues_past_comments)
{
	autoarena struct arena arena = {};

	EXPECT("[S]\nA=1 \\\n# no\\\n; no\n2\\\n   3\nB=x\n", "1 [S]\n2 S.A=1  2    3\n7 S.B=x\n");
	EXPECT("A=x\\\\\nB=y\n", "1 .A=x\\\\\n2 .B=y\n");
	EXPECT("A=x\\", "1 .A=x\n");
	EXPECT("A=x\\\n", "1 .A=x\n");
	EXPECT("A=x\\\n\nB=y", "1 .A=x\n3 .B=y\n");
	EXPECT("\\\n\\\n", "");
}
END_TEST

START_TEST(bad_lines_are_handed_out)
{
	autoarena struct arena arena = {};

	EXPECT("word\n=x\n[\n[]\n[a\nA=\xff\nB=1\n", "1 !\n2 !\n3 !\n4 !\n5 !\n6 !\n7 .B=1\n");
}
END_TEST

START_TEST(nul_bytes_and_endless_files_are_refused)
{
	autoarena struct arena arena = {};
	char *lines = arena_take(&arena, INI_LINES_MAX + 2);
	struct ini_item item;
	struct ini ini;

	ck_assert_int_eq(ini_start(&ini, &arena, "a\0b", 3), -EINVAL);
	memset(lines, '\n', INI_LINES_MAX + 1);
	ck_assert_int_eq(ini_start(&ini, &arena, lines, INI_LINES_MAX), 0);
	ck_assert_int_eq(ini_next(&ini, &item), 0);
	ck_assert_int_eq(ini_start(&ini, &arena, lines, INI_LINES_MAX + 1), 0);
	while (ini_next(&ini, &item) > 0)
		;
	lines[INI_LINES_MAX] = 'x';
	ck_assert_int_eq(ini_start(&ini, &arena, lines, INI_LINES_MAX + 1), 0);
	ck_assert_int_eq(ini_next(&ini, &item), -E2BIG);
}
END_TEST

/* Many lines that go on must not each take memory for the whole rest. */
START_TEST(memory_stays_linear)
{
	autoarena struct arena arena = {};
	char *text = arena_take(&arena, 1024 * 1024 + 1);
	struct ini_item item;
	struct ini ini;
	size_t size = 0;
	int items = 0;

	while (size + 32 < 1024 * 1024 && items < 30000) {
		memcpy(text + size, "A=\\\nb\n", 6);
		size += 6;
		items++;
	}
	ck_assert_int_eq(ini_start(&ini, &arena, text, size), 0);
	while (ini_next(&ini, &item) > 0)
		items--;
	ck_assert_int_eq(items, 0);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/ini", sections_and_assignments_have_line_numbers,
			windows_line_ends_are_fine, a_backslash_continues_past_comments,
			bad_lines_are_handed_out, nul_bytes_and_endless_files_are_refused,
			memory_stays_linear);
}
