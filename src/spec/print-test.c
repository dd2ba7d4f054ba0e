#include "spec/print.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/unit.h"
#include "spec/settings.h"

static struct arena arena;

START_TEST(help_is_complete_and_fits_a_terminal)
{
	char *help = spec_help(&arena, "nspawn", false);

	ck_assert_ptr_null(strchr(help, '\t'));
	ck_assert_ptr_null(strchr(help, '\033'));
	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];
		bool shown;

		if (!row->option)
			continue;
		shown = strstr(help, arena_format(&arena, "--%s", row->option)) != NULL;
		ck_assert_msg(shown || row->flags & SETTING_HIDDEN, "--%s", row->option);
	}
	for (char *line = help; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		size_t width = 0;

		for (size_t i = 0; line[i] && line[i] != '\n'; i++)
			width += ((unsigned char)line[i] & 0xC0) != 0x80;
		ck_assert_msg(width <= 80, "%.100s", line);
		ck_assert_msg(width == 0 || line[width - 1] != ' ', "%.100s", line);
	}
}
END_TEST

START_TEST(colours_must_be_asked_for)
{
	ck_assert_ptr_nonnull(strstr(spec_help(&arena, "nspawn", true), "\033[1m"));
}
END_TEST

START_TEST(words_stand_one_on_a_line)
{
	bool ambiguous;

	ck_assert_str_eq(spec_words(&arena, setting_by_option("volatile", 8, &ambiguous)),
			 "no\nyes\nstate\noverlay");
}
END_TEST

START_TEST(secrets_are_not_printed)
{
	static struct spec spec;
	struct setting_reader reader = {
		.arena = &arena,
		.spec = &spec,
		.origin = BY_OPTION,
		.line = SPEC_LINE_OPTION,
	};
	bool ambiguous;

	spec_init(&spec);
	ck_assert_str_eq(spec_print(&arena, &spec), "");
	ck_assert_int_eq(setting_apply(&reader, setting_by_option("set-cred", 8, &ambiguous),
				       "key:hunter2"),
			 0);
	ck_assert_uint_eq(spec.credentials.items[0].size, strlen("hunter2"));
	ck_assert_str_eq(spec.credentials.items[0].data, "hunter2");
	ck_assert_ptr_nonnull(strstr(spec_print(&arena, &spec), "set-credential=key:"));
	ck_assert_ptr_null(strstr(spec_print(&arena, &spec), "hunter2"));
}
END_TEST

int main(void)
{
	return UNIT_RUN("spec/print", help_is_complete_and_fits_a_terminal,
			colours_must_be_asked_for, words_stand_one_on_a_line,
			secrets_are_not_printed);
}
