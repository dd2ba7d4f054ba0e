#include "machine/facts.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "io/scratch.h"

static struct arena arena;

static void fresh(void)
{
	dir_remove_all(scratch_fd, "etc");
	dir_remove_all(scratch_fd, "usr");
	dir_remove_all(scratch_fd, "proc");
	mkdirat(scratch_fd, "etc", 0755);
	mkdirat(scratch_fd, "usr", 0755);
	mkdirat(scratch_fd, "usr/lib", 0755);
	mkdirat(scratch_fd, "proc", 0755);
}

START_TEST(the_three_names_are_read_and_others_are_not)
{
	struct os_release os;

	fresh();
	scratch_put("etc/os-release", "NAME=x\nID=debian\nVERSION_ID=\"12\"\n"
				      "PRETTY_NAME='Debian GNU/Linux 12'\nID_LIKE=no\n");
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), 0);
	ck_assert_str_eq(os.id, "debian");
	ck_assert_str_eq(os.version_id, "12");
	ck_assert_str_eq(os.pretty_name, "Debian GNU/Linux 12");
}
END_TEST

START_TEST(the_second_place_is_for_trees_without_the_first)
{
	struct os_release os;

	fresh();
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), -ENOENT);
	scratch_put("usr/lib/os-release", "ID=second\nVERSION_ID=\n");
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), 0);
	ck_assert_str_eq(os.id, "second");
	ck_assert_ptr_null(os.version_id);
	scratch_put("etc/os-release", "ID=first\n");
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), 0);
	ck_assert_str_eq(os.id, "first");
}
END_TEST

START_TEST(the_same_file_is_not_read_again_unless_it_changed)
{
	struct os_release os, again;
	struct stat before, after;

	fresh();
	scratch_put("etc/os-release", "ID=one\n");
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), 0);
	ck_assert_int_eq(facts_os_release(&arena, &again, &os, scratch_fd, false), 0);
	ck_assert_ptr_eq(again.id, os.id);
	/* In place, until the clock of the file system has gone on. */
	ck_assert_int_eq(fstatat(scratch_fd, "etc/os-release", &before, 0), 0);
	do {
		scratch_put("etc/os-release", "ID=two\n");
		ck_assert_int_eq(fstatat(scratch_fd, "etc/os-release", &after, 0), 0);
	} while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
		 after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
	ck_assert_uint_eq(after.st_ino, before.st_ino);
	ck_assert_int_eq(facts_os_release(&arena, &again, &os, scratch_fd, false), 0);
	ck_assert_str_eq(again.id, "two");
}
END_TEST

START_TEST(what_is_no_small_file_is_not_opened)
{
	autoclose int huge = -EBADF;
	struct os_release os;

	fresh();
	ck_assert_int_eq(mkfifoat(scratch_fd, "etc/os-release", 0644), 0);
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), -EBADFD);
	fresh();
	ck_assert_int_eq(mkdirat(scratch_fd, "etc/os-release", 0755), 0);
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), -EBADFD);
	fresh();
	scratch_put("etc/os-release", "ID=x\n");
	huge = openat(scratch_fd, "etc/os-release", O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(ftruncate(huge, OS_RELEASE_SIZE_MAX + 1), 0);
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), -EFBIG);
}
END_TEST

START_TEST(links_stay_inside_the_tree)
{
	struct os_release os;

	fresh();
	ck_assert_int_eq(symlinkat("/usr/lib/os-release", scratch_fd, "etc/os-release"), 0);
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), -ENOENT);
	scratch_put("usr/lib/os-release", "ID=inside\n");
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), 0);
	ck_assert_str_eq(os.id, "inside");
}
END_TEST

START_TEST(a_value_of_any_length_is_cut)
{
	char text[4096];
	struct os_release os;

	fresh();
	memset(text, 'x', sizeof(text));
	memcpy(text, "ID=", 3);
	text[sizeof(text) - 1] = '\0';
	scratch_put("etc/os-release", text);
	ck_assert_int_eq(facts_os_release(&arena, &os, NULL, scratch_fd, false), 0);
	ck_assert_uint_eq(strlen(os.id), OS_RELEASE_VALUE_MAX);
}
END_TEST

static int shift_of(const char *users, const char *groups, uint32_t *ret)
{
	autoclose int proc = -EBADF;

	fresh();
	scratch_put("proc/uid_map", users);
	scratch_put("proc/gid_map", groups);
	proc = openat(scratch_fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return facts_id_shift(ret, proc);
}

START_TEST(one_range_of_a_users_size_is_a_shift)
{
	const char *range = "         0     131072      65536\n";
	uint32_t shift = 1;

	ck_assert_int_eq(shift_of(range, range, &shift), 0);
	ck_assert_uint_eq(shift, 131072);
	ck_assert_int_eq(shift_of("0 0 4294967295\n", "0 0 4294967295\n", &shift), 0);
	ck_assert_uint_eq(shift, 0);
	ck_assert_int_eq(shift_of(range, "0 7 65536\n", &shift), -ENXIO);
	ck_assert_int_eq(shift_of("0 7 1\n", "0 7 1\n", &shift), -ENXIO);
	ck_assert_int_eq(shift_of("1 7 65536\n", "1 7 65536\n", &shift), -ENXIO);
	ck_assert_int_eq(shift_of("0 7 65536\n70000 7 1\n", "0 7 65536\n70000 7 1\n", &shift),
			 -ENXIO);
	ck_assert_int_eq(shift_of("", "", &shift), -ENXIO);
}
END_TEST

int main(void)
{
	int status = SCRATCH_RUN("machine/facts", the_three_names_are_read_and_others_are_not,
				 the_second_place_is_for_trees_without_the_first,
				 the_same_file_is_not_read_again_unless_it_changed,
				 what_is_no_small_file_is_not_opened, links_stay_inside_the_tree,
				 a_value_of_any_length_is_cut,
				 one_range_of_a_users_size_is_a_shift);

	arena_done(&arena);
	return status;
}
