/* What tests/spec/files.case cannot show: files that are no text, and no end of them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "base/unit.h"
#include "format/ini.h"
#include "spec/readers.h"

static struct arena arena;
static struct spec spec;
static int warnings = -1;
static const char *const environment[] = { "SECRET=x", NULL };
static const struct reader_facts facts = { .working_directory = "/", .environment = environment };

static void setup(void)
{
	warnings = memfd_create("warnings", MFD_CLOEXEC);
	ck_assert_int_ge(warnings, 0);
	ck_assert_int_ge(dup2(warnings, STDERR_FILENO), 0);
	fail_forget();
	spec_init(&spec);
}

static int parse(const char *text, size_t size, bool trusted)
{
	return nspawn_file_parse(&arena, &spec, &facts, text, size, "/x/web.nspawn", trusted);
}

static unsigned count_warnings(void)
{
	static char text[65536];
	ssize_t size = pread(warnings, text, sizeof(text), 0);
	unsigned lines = 0;

	ck_assert_int_lt(size, (ssize_t)sizeof(text));
	for (ssize_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	return lines;
}

START_TEST(an_empty_file_says_nothing)
{
	setup();
	ck_assert_int_eq(parse("", 0, true), 0);
	ck_assert_uint_eq(count_warnings(), 0);
}
END_TEST

START_TEST(a_zero_byte_is_not_text)
{
	static const char text[] = "[Exec]\nBoot=yes\0\n";

	setup();
	ck_assert_int_lt(parse(text, sizeof(text) - 1, true), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/x/web.nspawn"));
	ck_assert_int_eq(parse(text, sizeof(text) - 1, false), 0);
	ck_assert_uint_eq(count_warnings(), 1);
	ck_assert_int_eq(spec.boot, TRISTATE_UNSET);
}
END_TEST

START_TEST(a_file_that_is_too_long_is_not_read)
{
	char *text = malloc(NSPAWN_FILE_LIMIT + 1);

	setup();
	memset(text, '#', NSPAWN_FILE_LIMIT + 1);
	ck_assert_int_eq(parse(text, NSPAWN_FILE_LIMIT, true), 0);
	ck_assert_int_lt(parse(text, NSPAWN_FILE_LIMIT + 1, true), 0);
	ck_assert_int_eq(parse(text, NSPAWN_FILE_LIMIT + 1, false), 0);
	memset(text, '\n', NSPAWN_FILE_LIMIT);
	ck_assert_int_lt(parse(text, INI_LINES_MAX + 10, true), 0);
	free(text);
}
END_TEST

START_TEST(a_file_of_nonsense_does_not_fill_the_terminal)
{
	size_t size = 0;
	char *text = malloc(NSPAWN_FILE_LIMIT);

	setup();
	size += (size_t)snprintf(text, NSPAWN_FILE_LIMIT, "[Exec]\n");
	for (unsigned i = 0; i < 50000; i++)
		size += (size_t)snprintf(text + size, NSPAWN_FILE_LIMIT - size, "Nonsense=%u\n", i);
	ck_assert_int_eq(parse(text, size, false), 0);
	ck_assert_uint_le(count_warnings(), 30);
	free(text);
}
END_TEST

START_TEST(a_long_value_is_shortened_in_the_warning)
{
	size_t size = 60000;
	char *text = malloc(size), report[8192];
	ssize_t length;

	setup();
	memset(text, 'x', size);
	memcpy(text, "[Exec]\nKillSignal=", strlen("[Exec]\nKillSignal="));
	ck_assert_int_eq(parse(text, size, false), 0);
	length = pread(warnings, report, sizeof(report), 0);
	ck_assert_int_gt(length, 0);
	ck_assert_int_lt(length, 500);
	free(text);
}
END_TEST

START_TEST(no_value_reaches_the_terminal_as_it_is)
{
	static const char text[] = "[Exec]\nKillSignal=\033[2J\nHostname=a\033]0;x\007\n"
				   "Env\033ironment=x\n[\033Bad]\n";
	char report[8192];
	ssize_t length;

	setup();
	ck_assert_int_eq(parse(text, sizeof(text) - 1, false), 0);
	length = pread(warnings, report, sizeof(report), 0);
	ck_assert_int_gt(length, 0);
	ck_assert_ptr_null(memchr(report, '\033', (size_t)length));
	ck_assert_ptr_null(memchr(report, '\007', (size_t)length));
}
END_TEST

START_TEST(shell_and_unit_characters_stay_what_they_are)
{
	static const char text[] = "[Exec]\nBoot=yes\nParameters=\"$(id)\" %n `id` ;x\n"
				   "Environment=\"A=%n $HOME\"\n";

	setup();
	ck_assert_int_eq(parse(text, sizeof(text) - 1, false), 0);
	ck_assert_str_eq(spec.parameters.items[0], "$(id)");
	ck_assert_str_eq(spec.parameters.items[1], "%n");
	ck_assert_str_eq(spec.environment.items[0], "A=%n $HOME");
	ck_assert_uint_eq(count_warnings(), 0);
}
END_TEST

START_TEST(a_line_feed_begins_no_second_variable)
{
	setup();
	/* An escaped line feed is a value like any other: it never becomes a second assignment. */
	static const char text[] = "[Exec]\nEnvironment=\"A=1\\nB=2\"\n";

	ck_assert_int_eq(parse(text, sizeof(text) - 1, false), 0);
	for (size_t i = 0; i < spec.environment.count; i++)
		ck_assert_ptr_null(text_after(spec.environment.items[i], "B="));
}
END_TEST

int main(void)
{
	return UNIT_RUN("spec/nspawn-file", an_empty_file_says_nothing, a_zero_byte_is_not_text,
			a_file_that_is_too_long_is_not_read,
			a_file_of_nonsense_does_not_fill_the_terminal,
			a_long_value_is_shortened_in_the_warning,
			no_value_reaches_the_terminal_as_it_is,
			shell_and_unit_characters_stay_what_they_are,
			a_line_feed_begins_no_second_variable);
}
