#include "net/lease-file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/macros.h"
#include "io/scratch.h"

static const struct lease_file nobody = {}, web = { "0123456789abcdef", "web" },
			       other = { "fedcba9876543210", "other.machine" };

static struct lease_file look(const char *file)
{
	struct lease_file lease;

	ck_assert_int_eq(lease_file_look(&lease, scratch_fd, file), 0);
	return lease;
}

START_TEST(a_lease_comes_and_goes)
{
	ck_assert_str_eq(look("a").tag, "");
	ck_assert_int_eq(lease_file_claim(scratch_fd, "a", &nobody, &web), 0);
	ck_assert_str_eq(look("a").tag, web.tag);
	ck_assert_str_eq(look("a").name, "web");
	ck_assert_int_eq(lease_file_drop(scratch_fd, "a", other.tag), 0);
	ck_assert_str_eq(look("a").tag, web.tag);
	ck_assert_int_eq(lease_file_drop(scratch_fd, "a", web.tag), 0);
	ck_assert_int_eq(faccessat(scratch_fd, "a", F_OK, 0), -1);
	ck_assert_int_eq(lease_file_drop(scratch_fd, "a", web.tag), 0);
}
END_TEST

START_TEST(only_what_was_seen_is_taken_over)
{
	ck_assert_int_eq(lease_file_claim(scratch_fd, "b", &nobody, &other), 0);
	ck_assert_int_eq(lease_file_claim(scratch_fd, "b", &nobody, &web), -EBUSY);
	ck_assert_int_eq(lease_file_claim(scratch_fd, "b", &other, &web), 0);
	ck_assert_str_eq(look("b").name, "web");
	/* It was given back meanwhile. */
	ck_assert_int_eq(lease_file_drop(scratch_fd, "b", web.tag), 0);
	ck_assert_int_eq(lease_file_claim(scratch_fd, "b", &web, &other), -EBUSY);
}
END_TEST

START_TEST(what_is_no_lease_belongs_to_nobody)
{
	static const char *const bad[] = {
		"",
		"\n",
		"0123456789abcdef",
		"0123456789abcdef web",
		" web\n",
		"0123 \n",
		"xyz web\n",
		"0123 ../web\n",
		"0123 web x\n",
		"0123\n web\n",
		"000000000000000000000000000000000 web\n",
		"0123 0123456789012345678901234567890123456789012345678901234567890123456789\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		scratch_put("c", bad[i]);
		ck_assert_str_eq(look("c").tag, "");
		ck_assert_int_eq(lease_file_claim(scratch_fd, "c", &nobody, &web), 0);
		ck_assert_str_eq(look("c").name, "web");
	}
	/* What is left of a longer one does not count. */
	scratch_put("c", "0123 web\nold\n");
	ck_assert_str_eq(look("c").name, "web");
	ck_assert_int_eq(symlinkat("c", scratch_fd, "link"), 0);
	ck_assert_int_eq(lease_file_claim(scratch_fd, "link", &nobody, &web), -ELOOP);
}
END_TEST

START_TEST(bad_words_are_not_written)
{
	const struct lease_file bad[] = { { "", "web" }, { "xyz", "web" }, { "0123", "a b" } };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(lease_file_claim(scratch_fd, "d", &nobody, &bad[i]), -EINVAL);
	ck_assert_int_eq(faccessat(scratch_fd, "d", F_OK, 0), -1);
}
END_TEST

static int open_again(void)
{
	return openat(scratch_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

START_TEST(a_held_directory_is_waited_for)
{
	autoclose int first = open_again(), second = open_again();

	ck_assert_int_eq(lease_file_hold(first, 0), 0);
	ck_assert_int_eq(lease_file_hold(second, 0), -EBUSY);
	ck_assert_int_eq(lease_file_hold(second, 20), -EBUSY);
	if (fork() == 0) {
		usleep(50 * 1000);
		_exit(0); /* with its copy of the descriptor */
	}
	fd_close(&first);
	ck_assert_int_eq(lease_file_hold(second, 10 * 1000), 0);
	ck_assert_int_gt(wait(NULL), 0);
}
END_TEST

/* Each claims the file and gives it back: never two at once. */
static void take_turns(unsigned int number)
{
	struct lease_file mine = { "", "turn" };

	snprintf(mine.tag, sizeof(mine.tag), "%u", number);
	for (int won = 0; won < 20;) {
		if (lease_file_claim(scratch_fd, "turns", &nobody, &mine) < 0)
			continue;
		won++;
		/* Two at once would both find the other's mark. */
		if (mkdirat(scratch_fd, "mark", 0700) < 0 ||
		    unlinkat(scratch_fd, "mark", AT_REMOVEDIR) < 0 ||
		    lease_file_drop(scratch_fd, "turns", mine.tag) < 0)
			_exit(1);
	}
	_exit(0);
}

START_TEST(never_two_have_it)
{
	int status;

	for (unsigned int i = 1; i <= 10; i++)
		if (fork() == 0)
			take_turns(i);
	for (unsigned int i = 1; i <= 10; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("net/lease-file", a_lease_comes_and_goes,
			   only_what_was_seen_is_taken_over, what_is_no_lease_belongs_to_nobody,
			   bad_words_are_not_written, a_held_directory_is_waited_for,
			   never_two_have_it);
}
