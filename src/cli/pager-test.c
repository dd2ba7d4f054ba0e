#include "cli/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "io/scratch.h"

#define ENVIRONMENT(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct arena arena;

/* A program of that name in a directory of ours, which tells its options and what it reads. */
static const char *make_program(const char *name)
{
	static const char script[] = "#!/bin/sh\necho \"$0 $*: $LESS, ${LESSSECURE-no}\" | "
				     "/bin/sed s,^.*/,,\nexec /bin/cat\n";
	int fd = openat(scratch_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, script, strlen(script)), (ssize_t)strlen(script));
	close(fd);
	return arena_format(&arena, "PATH=%s", scratch_path);
}

/* What appears on standard output. */
static const char *shown(const char *const *environment, int expected)
{
	int ends[2], before = dup(STDOUT_FILENO), r;
	char text[256] = { 0 };

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_ge(dup2(ends[1], STDOUT_FILENO), 0);
	r = pager_show(&arena, "words\n", environment);
	ck_assert_int_ge(dup2(before, STDOUT_FILENO), 0);
	ck_assert_int_eq(r, expected);
	(void)!read(ends[0], text, sizeof(text) - 1);
	return arena_text(&arena, text);
}

START_TEST(only_what_is_longer_than_the_screen_wants_one)
{
	ck_assert(!pager_wanted("", 2));
	ck_assert(!pager_wanted("a\n", 2));
	ck_assert(pager_wanted("a\nb\n", 2));
	ck_assert(pager_wanted("a\nb\nc", 2));
}
END_TEST

START_TEST(the_first_variable_that_is_set_names_it)
{
	const char *path = make_program("mine");

	make_program("less");
	ck_assert_str_eq(shown(ENVIRONMENT(path, "SYSTEMD_PAGER=mine -x", "PAGER=less"), 0),
			 "mine -x: FRSXMK, no\nwords\n");
	ck_assert_str_eq(shown(ENVIRONMENT(path, "PAGER=mine", "SYSTEMD_LESS=R", "LESS=q"), 0),
			 "mine : R, no\nwords\n");
	ck_assert_str_eq(shown(ENVIRONMENT(path), 0), "less : FRSXMK, no\nwords\n");
	ck_assert_str_eq(shown(ENVIRONMENT(path, "PAGER=missing"), 0),
			 "less : FRSXMK, no\nwords\n");
}
END_TEST

START_TEST(none_is_possible)
{
	const char *path = make_program("less");

	ck_assert_str_eq(shown(ENVIRONMENT(path, "SYSTEMD_PAGER=", "PAGER=less"), -ENOENT), "");
	ck_assert_str_eq(shown(ENVIRONMENT(path, "PAGER=cat"), -ENOENT), "");
	ck_assert_str_eq(shown(ENVIRONMENT("PATH=/nowhere"), -ENOENT), "");
}
END_TEST

START_TEST(who_became_root_gets_a_tame_one)
{
	const char *path = make_program("mine");

	make_program("less");
	ck_assert_str_eq(shown(ENVIRONMENT(path, "PAGER=mine", "SUDO_UID=1000"), 0),
			 "less : FRSXMK, 1\nwords\n");
	ck_assert_str_eq(shown(ENVIRONMENT(path, "PAGER=mine", "SUDO_UID=1000",
					   "SYSTEMD_PAGERSECURE=no"),
			       0),
			 "mine : FRSXMK, no\nwords\n");
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("cli/pager", only_what_is_longer_than_the_screen_wants_one,
			   the_first_variable_that_is_set_names_it, none_is_possible,
			   who_became_root_gets_a_tame_one);
}
