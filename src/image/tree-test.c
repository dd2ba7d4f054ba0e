#include "image/tree.h"

#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "io/fd.h"
#include "kernel/fixture.h"

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void enter(void)
{
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(mkdir("/mnt/from", 0751), 0);
	ck_assert_int_eq(mkdir("/mnt/to", 0700), 0);
}

static int copy(void)
{
	autoclose int from = open_dir("/mnt/from"), to = open_dir("/mnt/to");

	return tree_copy(to, from, NULL);
}

static struct stat look(const char *path)
{
	struct stat st;

	ck_assert_msg(lstat(path, &st) == 0, "%s: %s", path, strerror(errno));
	return st;
}

START_TEST(owners_modes_and_times_are_kept)
{
	const struct timespec times[2] = { { 1000, 5 }, { 2000, 7 } };
	struct stat st;

	enter();
	ck_assert_int_eq(mkdir("/mnt/from/dir", 0700), 0);
	fixture_write("/mnt/from/dir/su", "#!");
	ck_assert_int_eq(chown("/mnt/from/dir/su", 3, 4), 0);
	ck_assert_int_eq(chmod("/mnt/from/dir/su", 06755), 0);
	ck_assert_int_eq(symlink("/etc/passwd", "/mnt/from/dir/link"), 0);
	ck_assert_int_eq(lchown("/mnt/from/dir/link", 5, 6), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, "/mnt/from/dir/su", times, 0), 0);
	ck_assert_int_eq(chown("/mnt/from/dir", 7, 8), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, "/mnt/from/dir", times, 0), 0);
	ck_assert_int_eq(copy(), 0);

	st = look("/mnt/to/dir/su");
	ck_assert(st.st_uid == 3 && st.st_gid == 4 && (st.st_mode & 07777) == 06755);
	ck_assert(st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 7 && st.st_size == 2);
	st = look("/mnt/to/dir/link");
	ck_assert(S_ISLNK(st.st_mode) && st.st_uid == 5);
	st = look("/mnt/to/dir");
	ck_assert(st.st_uid == 7 && (st.st_mode & 07777) == 0700 && st.st_mtim.tv_sec == 2000);
	ck_assert_int_eq(look("/mnt/to").st_mode & 07777, 0751);
}
END_TEST

START_TEST(hard_links_stay_one_file)
{
	enter();
	ck_assert_int_eq(mkdir("/mnt/from/a", 0755), 0);
	fixture_write("/mnt/from/a/x", "text");
	ck_assert_int_eq(link("/mnt/from/a/x", "/mnt/from/y"), 0);
	ck_assert_int_eq(copy(), 0);
	ck_assert_uint_eq(look("/mnt/to/a/x").st_ino, look("/mnt/to/y").st_ino);
	ck_assert_uint_eq(look("/mnt/to/y").st_nlink, 2);
}
END_TEST

/* Each in the one before. */
static int descend(int fd, int depth, const char *name, bool make)
{
	while (fd >= 0 && depth-- > 0) {
		int next;

		if (make)
			ck_assert_int_eq(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	return fd;
}

/* Deeper than there are descriptors, and than a path can say. */
START_TEST(it_may_be_as_deep_as_it_likes)
{
	static const char name[] = "a-name-of-some-length";
	autoclose int deep = -EBADF, again = -EBADF;
	const struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
	struct stat st;
	int file;

	enter();
	deep = descend(open_dir("/mnt/from"), 3000, name, true);
	for (const char *text = "ab"; *text != '\0'; text++) {
		file = openat(deep, (const char[]){ *text, '\0' }, O_WRONLY | O_CREAT, 0600);
		ck_assert_int_ge(file, 0);
		close(file);
	}
	ck_assert_int_eq(linkat(deep, "a", deep, "c", 0), 0);
	ck_assert_int_eq(mkdirat(deep, "beside", 0700), 0);
	ck_assert_int_eq(linkat(deep, "a", deep, "beside/a", 0), 0);
	ck_assert_int_eq(futimens(deep, times), 0);
	ck_assert_int_eq(copy(), 0);
	again = descend(open_dir("/mnt/to"), 3000, name, false);
	ck_assert_int_ge(again, 0);
	ck_assert_int_eq(fstatat(again, "beside/a", &st, 0), 0);
	ck_assert_uint_eq(st.st_nlink, 3);
	ck_assert_int_eq(fstatat(again, "b", &st, 0), 0);
	ck_assert_uint_eq(st.st_nlink, 1);
	ck_assert_int_eq(fstat(again, &st), 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, 2000);
	ck_assert_uint_eq(look("/mnt/to").st_nlink, 3); /* nothing of ours is left */
}
END_TEST

START_TEST(nodes_and_pipes_are_copied_not_read)
{
	struct stat st;

	enter();
	ck_assert_int_eq(mkfifo("/mnt/from/fifo", 0600), 0);
	ck_assert_int_eq(mknod("/mnt/from/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	ck_assert_int_eq(chmod("/mnt/from/null", 0666), 0);
	ck_assert_int_eq(mknod("/mnt/from/socket", S_IFSOCK | 0700, 0), 0);
	ck_assert_int_eq(copy(), 0);
	ck_assert(S_ISFIFO(look("/mnt/to/fifo").st_mode));
	ck_assert(S_ISSOCK(look("/mnt/to/socket").st_mode));
	st = look("/mnt/to/null");
	ck_assert(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	ck_assert_int_eq(st.st_mode & 07777, 0666);
}
END_TEST

START_TEST(attributes_and_file_capabilities_are_kept)
{
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 }; /* net_bind_service, v2 */
	char value[64];

	enter();
	fixture_write("/mnt/from/ping", "x");
	ck_assert_int_eq(setxattr("/mnt/from/ping", "security.capability", capability,
				  sizeof(capability), 0),
			 0);
	ck_assert_int_eq(setxattr("/mnt/from/ping", "trusted.note", "abc", 3, 0), 0);
	ck_assert_int_eq(copy(), 0);
	ck_assert_int_eq(getxattr("/mnt/to/ping", "security.capability", value, sizeof(value)), 20);
	ck_assert_int_eq(getxattr("/mnt/to/ping", "trusted.note", value, sizeof(value)), 3);
}
END_TEST

START_TEST(what_is_mounted_in_the_tree_stays_behind)
{
	enter();
	ck_assert_int_eq(mkdir("/mnt/from/proc", 0555), 0);
	ck_assert_int_eq(mount("tmpfs", "/mnt/from/proc", "tmpfs", 0, NULL), 0);
	fixture_write("/mnt/from/proc/secret", "x");
	ck_assert_int_eq(copy(), 0);
	ck_assert(S_ISDIR(look("/mnt/to/proc").st_mode));
	ck_assert_int_lt(access("/mnt/to/proc/secret", F_OK), 0);
}
END_TEST

START_TEST(a_copy_that_lies_in_the_tree_is_left_out)
{
	autoclose int from = -EBADF, to = -EBADF;

	enter();
	ck_assert_int_eq(mkdir("/mnt/from/images", 0700), 0);
	ck_assert_int_eq(mkdir("/mnt/from/images/copy", 0700), 0);
	ck_assert_int_eq(mkdir("/mnt/from/other", 0700), 0);
	fixture_write("/mnt/from/other/file", "text");
	from = open_dir("/mnt/from");
	to = open_dir("/mnt/from/images/copy");
	ck_assert_int_eq(tree_copy(to, from, NULL), 0);
	ck_assert_int_eq(look("/mnt/from/images/copy/other/file").st_size, 4);
	ck_assert(S_ISDIR(look("/mnt/from/images/copy/images").st_mode));
	ck_assert_int_lt(access("/mnt/from/images/copy/images/copy", F_OK), 0);
}
END_TEST

START_TEST(holes_stay_holes)
{
	autoclose int fd = -EBADF;
	struct stat st;

	enter();
	fd = open("/mnt/from/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_eq(ftruncate(fd, 64 << 20), 0);
	ck_assert_int_eq(pwrite(fd, "end", 3, (64 << 20) - 3), 3);
	ck_assert_int_eq(copy(), 0);
	st = look("/mnt/to/sparse");
	ck_assert_int_eq(st.st_size, 64 << 20);
	ck_assert_int_lt(st.st_blocks * 512, 1 << 20);
}
END_TEST

/* As editors and package managers write files: never is there none. */
static pid_t replace_all_the_time(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	for (;;) {
		fixture_write("/mnt/from/new", "text");
		(void)rename("/mnt/from/new", "/mnt/from/x");
	}
}

START_TEST(what_is_replaced_meanwhile_is_there_and_what_goes_is_not_missed)
{
	pid_t pid;

	enter();
	fixture_write("/mnt/from/x", "text");
	pid = replace_all_the_time();
	for (int i = 0; i < 3000; i++) {
		ck_assert_int_eq(copy(), 0);
		ck_assert_int_eq(look("/mnt/to/x").st_size, 4);
		(void)unlink("/mnt/to/new");
		ck_assert_int_eq(unlink("/mnt/to/x"), 0);
	}
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(somebody_can_stop_it)
{
	autoclose int from = -EBADF, to = -EBADF;
	volatile int stop = 1;

	enter();
	fixture_write("/mnt/from/x", "x");
	from = open_dir("/mnt/from");
	to = open_dir("/mnt/to");
	ck_assert_int_eq(tree_copy(to, from, &stop), -EINTR);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("tree");

	if (geteuid() != 0)
		return 77;
	tcase_add_test(cases, owners_modes_and_times_are_kept);
	tcase_add_test(cases, hard_links_stay_one_file);
	tcase_add_test(cases, it_may_be_as_deep_as_it_likes);
	tcase_add_test(cases, nodes_and_pipes_are_copied_not_read);
	tcase_add_test(cases, attributes_and_file_capabilities_are_kept);
	tcase_add_test(cases, what_is_mounted_in_the_tree_stays_behind);
	tcase_add_test(cases, a_copy_that_lies_in_the_tree_is_left_out);
	tcase_add_test(cases, holes_stay_holes);
	tcase_add_test(cases, what_is_replaced_meanwhile_is_there_and_what_goes_is_not_missed);
	tcase_add_test(cases, somebody_can_stop_it);
	return fixture_run(cases, "image/tree");
}
