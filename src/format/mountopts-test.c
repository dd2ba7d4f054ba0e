#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "format/mountopts.h"

START_TEST(options_are_split_and_joined)
{
	static const struct {
		const char *text, *again;
	} cases[] = {
		{ "mode=0755", "mode=0755" },
		{ "ro,size=10%,nr_inodes=", "ro,size=10%,nr_inodes=" },
		{ ",,ro,,", "ro" },
		{ "", "" },
		{ "a=b=c", "a=b=c" },
		{ "context=\"u:r:t:s0:c1,c2\",ro", "context=\"u:r:t:s0:c1,c2\",ro" },
		{ "\"quoted\"=x", "quoted=x" },
	};
	autoarena struct arena arena = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mountopts options;

		ck_assert_int_eq(mountopts_parse(&arena, &options, cases[i].text), 0);
		ck_assert_str_eq(mountopts_format(&arena, &options), cases[i].again);
	}
}
END_TEST

START_TEST(flags_have_no_value)
{
	autoarena struct arena arena = {};
	struct mountopts options;

	ck_assert_int_eq(mountopts_parse(&arena, &options, "ro,size=1,size=2,x="), 0);
	ck_assert_uint_eq(options.count, 4);
	ck_assert_ptr_null(mountopts_find(&options, "ro")->value);
	ck_assert_str_eq(mountopts_find(&options, "size")->value, "2");
	ck_assert_str_eq(mountopts_find(&options, "x")->value, "");
	ck_assert_ptr_null(mountopts_find(&options, "rw"));
}
END_TEST

START_TEST(malformed_options_are_refused)
{
	autoarena struct arena arena = {};
	struct mountopts options = { .count = 7 };
	char text[MOUNTOPTS_LENGTH_MAX + 2];

	ck_assert_int_eq(mountopts_parse(&arena, &options, "=x"), -EINVAL);
	ck_assert_int_eq(mountopts_parse(&arena, &options, "a,b=\"c"), -EINVAL);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(mountopts_parse(&arena, &options, text), -E2BIG);
	ck_assert_uint_eq(options.count, 7);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/mountopts", options_are_split_and_joined, flags_have_no_value,
			malformed_options_are_refused);
}
