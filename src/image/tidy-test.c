#include "image/tidy.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "image/lock.h"
#include "io/dir.h"
#include "io/scratch.h"

#undef fail /* an old macro of Check */

static struct arena arena;

static const char *at(const char *name)
{
	return arena_format(&arena, "%s/%s", scratch_path, name);
}

static bool is_there(const char *name)
{
	struct stat st;

	return lstat(at(name), &st) == 0;
}

static void begin_and_end(void)
{
	struct tidy tidy = TIDY_EMPTY;

	ck_assert_int_eq(tidy_begin(&arena, &tidy, scratch_path), 0);
	tidy_end(&tidy);
}

START_TEST(what_was_left_behind_goes)
{
	ck_assert_int_eq(dir_make_all(at(".#new.web.1/etc"), 0755), 0);
	ck_assert_int_eq(dir_make_all(at("web"), 0755), 0);
	scratch_put(".#old.disk.raw.2", "x");
	scratch_put(".#web.lck", "");
	scratch_put(".#web.base", "");
	scratch_put(".#gone.lck", "");
	scratch_put(".#gone.base", "");
	scratch_put(".#snapshot.web0", "");
	begin_and_end();
	ck_assert(!is_there(".#new.web.1"));
	ck_assert(!is_there(".#old.disk.raw.2"));
	ck_assert(!is_there(".#gone.lck"));
	ck_assert(!is_there(".#gone.base"));
	ck_assert(is_there("web"));
	ck_assert(is_there(".#web.lck"));
	ck_assert(is_there(".#web.base"));
	ck_assert(is_there(".#snapshot.web0"));
}
END_TEST

START_TEST(what_is_being_made_stays)
{
	struct tidy other = TIDY_EMPTY;

	ck_assert_int_eq(tidy_begin(&arena, &other, scratch_path), 0);
	scratch_put(".#new.busy.1", "x");
	begin_and_end();
	ck_assert(is_there(".#new.busy.1"));
	tidy_end(&other);
	begin_and_end();
	ck_assert(!is_there(".#new.busy.1"));
}
END_TEST

START_TEST(a_lock_that_is_held_stays)
{
	int fd = lock_file(scratch_fd, ".#nothing.lck", true);
	pid_t pid;
	int status;

	ck_assert_int_ge(fd, 0);
	/* The lock is the descriptor's: a child would share it, so it takes one of its own. */
	pid = fork();
	if (pid == 0) {
		struct tidy tidy = TIDY_EMPTY;

		_exit(tidy_begin(&arena, &tidy, scratch_path) != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert(is_there(".#nothing.lck"));
	close(fd);
	begin_and_end();
	ck_assert(!is_there(".#nothing.lck"));
}
END_TEST

START_TEST(names_are_nobody_elses)
{
	char *one = tidy_new(&arena, "web"), *two = tidy_new(&arena, "web");
	char longest[256];

	ck_assert(!text_equal(one, two));
	ck_assert_ptr_nonnull(text_after(one, ".#new.web."));
	ck_assert_ptr_nonnull(text_after(tidy_old(&arena, "web.raw"), ".#old.web.raw."));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[255] = '\0';
	ck_assert_uint_le(strlen(tidy_new(&arena, longest)), 255);
}
END_TEST

START_TEST(a_directory_that_is_missing_is_said)
{
	struct tidy tidy = TIDY_EMPTY;

	fail_forget();
	ck_assert_int_eq(tidy_begin(&arena, &tidy, at("nowhere")), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot open the directory of images"));
	tidy_end(&tidy);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("image/tidy", what_was_left_behind_goes, what_is_being_made_stays,
			   a_lock_that_is_held_stays, names_are_nobody_elses,
			   a_directory_that_is_missing_is_said);
}
