#include "format/checksums.h"

#include <errno.h>
#include <string.h>

#include "base/unit.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char sum[CHECKSUMS_DIGITS + 1];

static int find(const char *text, const char *name)
{
	memset(sum, 0, sizeof(sum));
	return checksums_find(sum, text, strlen(text), name);
}

START_TEST(the_three_forms_of_a_line_are_taken)
{
	ck_assert_int_eq(find(A " *file\n", "file"), 0);
	ck_assert_str_eq(sum, A);
	ck_assert_int_eq(find(B "  other\n" A "  file\n", "file"), 0);
	ck_assert_str_eq(sum, A);
	ck_assert_int_eq(find(A " file\n" B " other\n", "other"), 0);
	ck_assert_str_eq(sum, B);
}
END_TEST

START_TEST(lines_around_do_not_matter)
{
	ck_assert_int_eq(find("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" A
			      "  file\n-----BEGIN PGP SIGNATURE-----\n\nxyz\n",
			      "file"),
			 0);
	ck_assert_str_eq(sum, A);
}
END_TEST

START_TEST(only_the_whole_name_counts)
{
	ck_assert_int_eq(find(A "  file.xz\n", "file"), -ENOENT);
	ck_assert_int_eq(find(A "  a/file\n", "file"), -ENOENT);
	ck_assert_int_eq(find(A "  fil\n", "file"), -ENOENT);
	ck_assert_int_eq(find(A "   file\n", "file"), -ENOENT);
	ck_assert_int_eq(find(A "\tfile\n", "file"), -ENOENT);
	ck_assert_int_eq(find(A "file\n", "file"), -ENOENT);
	ck_assert_int_eq(find(A "  file\r\n", "file"), -ENOENT);
	ck_assert_int_eq(find(A "  \n", ""), -EINVAL);
	ck_assert_int_eq(find(A "  file\n", "file\n"), -EINVAL);
}
END_TEST

START_TEST(a_line_has_a_beginning_and_an_end)
{
	ck_assert_int_eq(find(A "  file", "file"), -ENOENT);
	ck_assert_int_eq(find("x " A "  file\n", "file"), -ENOENT);
	ck_assert_int_eq(find("a" A "  file\n", "file"), -ENOENT);
	ck_assert_int_eq(find("", "file"), -ENOENT);
	ck_assert_int_eq(find("\n\n", "file"), -ENOENT);
}
END_TEST

START_TEST(sums_are_lower_case_digits)
{
	char text[] = A "  file\n";

	text[5] = 'A';
	ck_assert_int_eq(find(text, "file"), -ENOENT);
	text[5] = 'g';
	ck_assert_int_eq(find(text, "file"), -ENOENT);
	ck_assert(checksums_is_sum(A));
	ck_assert(!checksums_is_sum(A "a"));
	ck_assert(!checksums_is_sum("a"));
	ck_assert(!checksums_is_sum(""));
}
END_TEST

START_TEST(two_sums_for_a_name_are_none)
{
	ck_assert_int_eq(find(A "  file\n" B " *file\n", "file"), -EEXIST);
	ck_assert_int_eq(find(A "  file\n" A " *file\n", "file"), 0);
}
END_TEST

START_TEST(endless_lists_are_refused)
{
	ck_assert_int_eq(checksums_find(sum, "", CHECKSUMS_SIZE_MAX + 1, "file"), -E2BIG);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/checksums", the_three_forms_of_a_line_are_taken,
			lines_around_do_not_matter, only_the_whole_name_counts,
			a_line_has_a_beginning_and_an_end, sums_are_lower_case_digits,
			two_sums_for_a_name_are_none, endless_lists_are_refused);
}
