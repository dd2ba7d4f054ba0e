#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/unit.h"
#include "cli/option.h"
#include "cli/verb.h"

static struct arena arena;

/* What goes to standard output; each case is a process of its own. */
static int catch_output(void)
{
	int fd = memfd_create("output", MFD_CLOEXEC);

	ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	return fd;
}

static const char *caught(int fd)
{
	static char text[4096];
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(size, 0);
	text[size] = '\0';
	return text;
}

static void one_row(struct table *table, bool filled)
{
	static const struct column columns[] = { { .title = "NAME" } };

	table_init(table, &arena, columns, 1);
	if (filled)
		table_text(table, "web");
}

START_TEST(a_table_ends_with_how_many_things_there_are)
{
	struct program program = { .arena = &arena };
	struct table full, empty;
	int fd = catch_output();

	one_row(&full, true);
	one_row(&empty, false);
	ck_assert_int_eq(program_print_table(&program, &full, "images"), 0);
	ck_assert_int_eq(program_print_table(&program, &empty, "images"), 0);
	ck_assert_str_eq(caught(fd), "NAME\nweb\n\n1 images listed.\nNo images.\n");
}
END_TEST

START_TEST(without_legend_or_as_json_only_the_rows_are_printed)
{
	struct program program = { .arena = &arena, .no_legend = true };
	struct table full, empty;
	int fd = catch_output();

	one_row(&full, true);
	one_row(&empty, false);
	ck_assert_int_eq(program_print_table(&program, &full, "images"), 0);
	program.format = TABLE_JSON_SHORT;
	ck_assert_int_eq(program_print_table(&program, &empty, "images"), 0);
	ck_assert_str_eq(caught(fd), "web\n[]\n");
}
END_TEST

struct lines {
	const struct program *program;
	int fd;
	const char *meanwhile; /* what is printed when the first line was */
};

static int print_lines(void *context, const struct text_list *words)
{
	const struct lines *lines = context;

	(void)words;
	ck_assert_int_eq(program_print(lines->program, "one\n"), 0);
	ck_assert_str_eq(caught(lines->fd), lines->meanwhile);
	return program_print(lines->program, "two\n");
}

START_TEST(what_is_collected_is_printed_at_the_end)
{
	static const struct verb verb = { .name = "lines",
					  .run = print_lines,
					  .flags = VERB_PAGED };
	struct text_list words = { 0 };
	struct program program = { .arena = &arena, .rows = 24 };
	int fd = catch_output();

	text_list_add(&arena, &words, arena_text(&arena, "lines"));
	ck_assert_int_eq(
		program_run_verb(&program, &verb, &(struct lines){ &program, fd, "" }, &words), 0);
	ck_assert_str_eq(caught(fd), "one\ntwo\n");
	program.no_pager = true;
	ck_assert_int_eq(program_run_verb(&program, &verb,
					  &(struct lines){ &program, fd, "one\ntwo\none\n" },
					  &words),
			 0);
	ck_assert_str_eq(caught(fd), "one\ntwo\none\ntwo\n");
}
END_TEST

START_TEST(help_is_that_of_the_name_by_which_it_was_called)
{
	static const struct verb_table verbs = { 0 };
	static const struct option_table options = { 0 };
	char path[] = "/usr/bin/nspawnctl", *arguments[] = { path, NULL };
	struct program program = { .arena = &arena, .arguments = arguments };
	int fd = catch_output();

	ck_assert_int_eq(program_print_help(&program, "Look around.", &verbs, &options), 0);
	ck_assert_ptr_nonnull(strstr(caught(fd), "nspawnctl [OPTIONS…]"));
	ck_assert_ptr_nonnull(strstr(caught(fd), "Look around."));
	ck_assert_ptr_nonnull(strstr(caught(fd), "man nspawnctl"));
}
END_TEST

START_TEST(a_failure_is_exit_status_1)
{
	ck_assert_int_eq(program_end(7), 7);
	ck_assert_int_eq(program_end(0), 0);
	ck_assert_int_eq(program_end(-EINVAL), EXIT_FAILURE);
	ck_assert_str_eq(fail_recorded()->text, "cannot go on: Invalid argument");
}
END_TEST

START_TEST(a_full_standard_output_is_a_failure)
{
	struct program program = { .arena = &arena };
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	ck_assert_int_eq(program_print(&program, "text\n"), -ENOSPC);
}
END_TEST

int main(void)
{
	return UNIT_RUN("cli/program", a_table_ends_with_how_many_things_there_are,
			without_legend_or_as_json_only_the_rows_are_printed,
			what_is_collected_is_printed_at_the_end,
			help_is_that_of_the_name_by_which_it_was_called, a_failure_is_exit_status_1,
			a_full_standard_output_is_a_failure);
}
