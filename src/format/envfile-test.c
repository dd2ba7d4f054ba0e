#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "format/envfile.h"

static const char *shown(struct arena *arena, const char *text)
{
	char *all = arena_text(arena, ""), *name, *value;
	struct envfile file;

	ck_assert_int_eq(envfile_start(&file, arena, text, strlen(text)), 0);
	while (envfile_next(&file, &name, &value) > 0)
		all = arena_format(arena, "%s%s<%s>", all, name, value);
	return all;
}

START_TEST(os_release_is_read)
{
	static const char text[] = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
				   "NAME=\"Debian GNU/Linux\"\r\nVERSION_ID=\"12\"\nID=debian\n"
				   "# comment\nVARIANT='a b'\n";
	autoarena struct arena arena = {};

	ck_assert_str_eq(envfile_find(&arena, text, sizeof(text) - 1, "ID"), "debian");
	ck_assert_str_eq(envfile_find(&arena, text, sizeof(text) - 1, "VERSION_ID"), "12");
	ck_assert_str_eq(envfile_find(&arena, text, sizeof(text) - 1, "NAME"), "Debian GNU/Linux");
	ck_assert_str_eq(envfile_find(&arena, text, sizeof(text) - 1, "VARIANT"), "a b");
	ck_assert_ptr_null(envfile_find(&arena, text, sizeof(text) - 1, "BUILD_ID"));
}
END_TEST

START_TEST(quotes_are_the_shells)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(shown(&arena, "A='b'\"c\"d"), "A<bcd>");
	ck_assert_str_eq(shown(&arena, "A=\"\\\"\\\\\\$\\`\\n\""), "A<\"\\$`\\n>");
	ck_assert_str_eq(shown(&arena, "A='\\n'"), "A<\\n>");
	ck_assert_str_eq(shown(&arena, "A=a\\ b\\\"c"), "A<a b\"c>");
	ck_assert_str_eq(shown(&arena, "A= b c  \nB=' x '  "), "A<b c>B< x >");
	ck_assert_str_eq(shown(&arena, "A=\"x\ny\"\nB=1"), "A<x\ny>B<1>");
	ck_assert_str_eq(shown(&arena, "A=x\\\ny\nB="), "A<xy>B<>");
	ck_assert_str_eq(shown(&arena, "A=$(reboot) `reboot` $HOME"),
			 "A<$(reboot) `reboot` $HOME>");
}
END_TEST

START_TEST(other_lines_are_skipped)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(shown(&arena, "word\n1A=x\nA B=x\n=x\nexport C=x\n#D=x\n  E=x\n"), "E<x>");
	ck_assert_str_eq(shown(&arena, "A=\"open\nB=1\n"), "B<1>");
	ck_assert_str_eq(shown(&arena, "A='open\nB=1\n"), "B<1>");
	ck_assert_str_eq(shown(&arena, "A=x\\"), "A<x\\>");
}
END_TEST

START_TEST(the_last_value_counts)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(envfile_find(&arena, "A=1\nA=2\n", 8, "A"), "2");
}
END_TEST

START_TEST(nul_bytes_and_endless_files_are_refused)
{
	autoarena struct arena arena = {};
	struct envfile file;

	ck_assert_int_eq(envfile_start(&file, &arena, "A=\0", 3), -EINVAL);
	ck_assert_ptr_null(envfile_find(&arena, "A=\0", 3, "A"));
	ck_assert_int_eq(envfile_start(&file, &arena, "", ENVFILE_SIZE_MAX + 1), -E2BIG);
}
END_TEST

START_TEST(memory_stays_linear)
{
	autoarena struct arena arena = {};
	char *text = arena_take(&arena, ENVFILE_SIZE_MAX), *name, *value;
	struct envfile file;
	int found = 0;

	memset(text, '\n', ENVFILE_SIZE_MAX);
	for (size_t i = 0; i + 4 <= ENVFILE_SIZE_MAX; i += 4)
		memcpy(text + i, "A=b", 3);
	ck_assert_int_eq(envfile_start(&file, &arena, text, ENVFILE_SIZE_MAX), 0);
	while (envfile_next(&file, &name, &value) > 0)
		found++;
	ck_assert_int_eq(found, ENVFILE_SIZE_MAX / 4);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/envfile", os_release_is_read, quotes_are_the_shells,
			other_lines_are_skipped, the_last_value_counts,
			nul_bytes_and_endless_files_are_refused, memory_stays_linear);
}
