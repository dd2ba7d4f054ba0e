#include "kernel/resolve.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>

#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/resolve-walk.h"
#include "kernel/syscall.h"

/* Each case runs twice: with openat2(2), and as on a kernel without it. */
static int enter(int without_openat2)
{
	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/tree", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/outside", 0755), 0);
	fixture_write("/mnt/outside/secret", "outside");
	ck_assert_int_eq(mkdir("/mnt/tree/outside", 0755), 0);
	fixture_write("/mnt/tree/outside/secret", "inside");
	ck_assert_int_eq(mkdir("/mnt/tree/a", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/tree/a/b", 0755), 0);
	fixture_write("/mnt/tree/a/file", "text");
	if (without_openat2)
		fixture_deny(SYS_openat2, ENOSYS);
	return fixture_open("/mnt/tree");
}

static void check_text(int fd, const char *expected)
{
	char text[64] = "";

	ck_assert_msg(fd >= 0, "expected '%s', got %s", expected, strerror(-fd));
	ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, expected);
	close(fd);
}

static void check_same(int fd, const char *path)
{
	struct stat a, b;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(-fd));
	ck_assert_int_eq(fstat(fd, &a), 0);
	ck_assert_int_eq(lstat(path, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_uint_eq(a.st_dev, b.st_dev);
	close(fd);
}

START_TEST(plain_paths_are_opened)
{
	int root = enter(_i);

	check_text(resolve_open(root, "a/file", O_RDONLY), "text");
	check_text(resolve_open(root, "/a/./b/..//file", O_RDONLY), "text");
	check_same(resolve_open(root, "", O_PATH), "/mnt/tree");
	check_same(resolve_open(root, "/", O_RDONLY | O_DIRECTORY), "/mnt/tree");
	check_same(resolve_open(root, "a/b/", O_PATH), "/mnt/tree/a/b");
	check_same(resolve_open(root, "a/b/.", O_RDONLY), "/mnt/tree/a/b");
	ck_assert_int_eq(resolve_open(root, "a/file/", O_RDONLY), -ENOTDIR);
	ck_assert_int_eq(resolve_open(root, "a/file/x", O_RDONLY), -ENOTDIR);
	ck_assert_int_eq(resolve_open(root, "a/none", O_RDONLY), -ENOENT);
	ck_assert_int_eq(resolve_open(root, "none/file", O_RDONLY), -ENOENT);
	ck_assert_int_eq(resolve_open(root, "a/file", O_PATH | O_DIRECTORY), -ENOTDIR);
}
END_TEST

START_TEST(links_and_dots_stay_below_the_root)
{
	int root = enter(_i);

	ck_assert_int_eq(symlink("/outside", "/mnt/tree/absolute"), 0);
	ck_assert_int_eq(symlink("../../../../outside", "/mnt/tree/a/relative"), 0);
	ck_assert_int_eq(symlink("absolute/secret", "/mnt/tree/chain"), 0);
	ck_assert_int_eq(symlink("/mnt/outside", "/mnt/tree/host"), 0);
	check_text(resolve_open(root, "../outside/secret", O_RDONLY), "inside");
	check_text(resolve_open(root, "a/../../../outside/secret", O_RDONLY), "inside");
	check_text(resolve_open(root, "absolute/secret", O_RDONLY), "inside");
	check_text(resolve_open(root, "a/relative/secret", O_RDONLY), "inside");
	check_text(resolve_open(root, "chain", O_RDONLY), "inside");
	check_text(resolve_open(root, "absolute/../outside/secret", O_RDONLY), "inside");
	check_same(resolve_open(root, "absolute/", O_PATH), "/mnt/tree/outside");
	ck_assert_int_eq(resolve_open(root, "host/secret", O_RDONLY), -ENOENT);
	ck_assert_int_eq(resolve_open(root, "chain/", O_RDONLY), -ENOTDIR);
}
END_TEST

START_TEST(what_lies_on_another_mount_is_told_apart)
{
	int root;

	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/tree", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/tree/other", 0755), 0);
	fixture_write("/mnt/tree/file", "text");
	ck_assert_int_eq(symlink("/../other/../file", "/mnt/tree/link"), 0);
	root = fixture_open("/mnt/tree");
	check_text(resolve_open_one_mount(root, "link", O_RDONLY), "text");
	ck_assert_int_eq(mount("tmpfs", "/mnt/tree/other", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(resolve_open_one_mount(root, "link", O_RDONLY), -EXDEV);
	ck_assert_int_eq(resolve_open_one_mount(root, "other", O_PATH), -EXDEV);
}
END_TEST

START_TEST(a_last_link_is_kept_when_asked)
{
	int root = enter(_i);

	ck_assert_int_eq(symlink("/a/file", "/mnt/tree/link"), 0);
	check_same(resolve_open(root, "link", O_PATH | O_NOFOLLOW), "/mnt/tree/link");
	ck_assert_int_eq(resolve_open(root, "link", O_RDONLY | O_NOFOLLOW), -ELOOP);
	check_same(resolve_open(root, "link", O_PATH), "/mnt/tree/a/file");
}
END_TEST

/* Devices do things when they are opened. */
START_TEST(only_regular_files_are_opened_as_files)
{
	int root = enter(_i), events = inotify_init1(IN_NONBLOCK);
	char event[256];

	check_text(resolve_open_file(root, "/a/file"), "text");
	ck_assert_int_eq(symlink("/outside/secret", "/mnt/tree/link"), 0);
	check_text(resolve_open_file(root, "link"), "inside");
	ck_assert_int_eq(resolve_open_file(root, "none"), -ENOENT);
	ck_assert_int_eq(mkfifo("/mnt/tree/fifo", 0600), 0);
	ck_assert_int_ge(inotify_add_watch(events, "/mnt/tree/fifo", IN_OPEN), 0);
	ck_assert_int_eq(resolve_open_file(root, "fifo"), -EBADFD);
	ck_assert_int_eq(resolve_open_file(root, "a"), -EBADFD);
	ck_assert_int_eq(read(events, event, sizeof(event)), -1);
}
END_TEST

START_TEST(loops_of_links_end)
{
	int root = enter(_i);

	ck_assert_int_eq(symlink("two", "/mnt/tree/one"), 0);
	ck_assert_int_eq(symlink("one", "/mnt/tree/two"), 0);
	ck_assert_int_eq(symlink("self/x", "/mnt/tree/self"), 0);
	ck_assert_int_eq(resolve_open(root, "one", O_RDONLY), -ELOOP);
	ck_assert_int_eq(resolve_open(root, "self", O_RDONLY), -ELOOP);
	ck_assert_int_eq(resolve_make_dir(root, "one/x", 0755, NULL), -ELOOP);
}
END_TEST

START_TEST(magic_links_are_refused)
{
	int root = enter(_i);

	close(root);
	ck_assert_int_eq(mkdir("/mnt/tree/proc", 0755), 0);
	ck_assert_int_eq(mount("/proc", "/mnt/tree/proc", NULL, MS_BIND | MS_REC, NULL), 0);
	root = fixture_open("/mnt/tree");
	ck_assert_int_eq(resolve_open(root, "proc/self/root/mnt/outside/secret", O_RDONLY), -ELOOP);
	ck_assert_int_eq(resolve_open(root, "proc/self/cwd", O_PATH), -ELOOP);
	ck_assert_int_ge(resolve_open(root, "proc/self/status", O_RDONLY), 0);
	ck_assert_int_ge(resolve_open(root, "proc/mounts", O_RDONLY), 0);
}
END_TEST

START_TEST(parent_and_name_are_told_apart)
{
	const char *name = NULL;
	int root = enter(_i);

	check_same(resolve_open_parent(root, "/a/b/new", &name), "/mnt/tree/a/b");
	ck_assert_str_eq(name, "new");
	check_same(resolve_open_parent(root, "new", &name), "/mnt/tree");
	check_same(resolve_open_parent(root, "/new", &name), "/mnt/tree");
	ck_assert_int_eq(resolve_open_parent(root, "/", &name), -EINVAL);
	ck_assert_int_eq(resolve_open_parent(root, "a/", &name), -EINVAL);
	ck_assert_int_eq(resolve_open_parent(root, "a/..", &name), -EINVAL);
	ck_assert_int_eq(resolve_open_parent(root, "a/file/x", &name), -ENOTDIR);
}
END_TEST

static mode_t mode_of(const char *path)
{
	struct stat st;

	ck_assert_msg(lstat(path, &st) == 0, "%s: %s", path, strerror(errno));
	return st.st_mode & 07777;
}

START_TEST(directories_are_made_with_their_parents)
{
	int root = enter(_i);

	umask(0);
	check_same(resolve_make_dir(root, "/a/new", 01777, NULL), "/mnt/tree/a/new");
	ck_assert_uint_eq(mode_of("/mnt/tree/a/new"), 01777);
	check_same(resolve_make_dir(root, "/x/y/../z/", 0700, NULL), "/mnt/tree/x/z");
	ck_assert_uint_eq(mode_of("/mnt/tree/x"), 0755);
	ck_assert_uint_eq(mode_of("/mnt/tree/x/z"), 0700);
	check_same(resolve_make_dir(root, "/a/b", 0700, NULL), "/mnt/tree/a/b");
	ck_assert_uint_eq(mode_of("/mnt/tree/a/b"), 0755);
	ck_assert_int_eq(resolve_make_dir(root, "/a/file", 0755, NULL), -ENOTDIR);
	ck_assert_int_eq(resolve_make_dir(root, "/a/file/x", 0755, NULL), -ENOTDIR);
	check_same(resolve_make_dir(root, "/", 0755, NULL), "/mnt/tree");
}
END_TEST

START_TEST(targets_are_made_of_the_right_type)
{
	int root = enter(_i);

	umask(0);
	check_same(resolve_make_target(root, "/n/file", false, NULL), "/mnt/tree/n/file");
	ck_assert_uint_eq(mode_of("/mnt/tree/n/file"), 0644);
	check_same(resolve_make_target(root, "/a/file", false, NULL), "/mnt/tree/a/file");
	check_same(resolve_make_target(root, "/n/directory", true, NULL), "/mnt/tree/n/directory");
	ck_assert_int_eq(resolve_make_target(root, "/a/b", false, NULL), -EISDIR);
	ck_assert_int_eq(resolve_make_target(root, "/a/file", true, NULL), -ENOTDIR);
	ck_assert_int_eq(resolve_make_target(root, "/n/other/", false, NULL), -EISDIR);
}
END_TEST

START_TEST(what_dangling_links_name_is_made_inside)
{
	int root = enter(_i);

	ck_assert_int_eq(symlink("/mnt/outside/new", "/mnt/tree/absolute"), 0);
	ck_assert_int_eq(symlink("../../../fresh/file", "/mnt/tree/a/relative"), 0);
	check_same(resolve_make_dir(root, "/absolute/x", 0755, NULL),
		   "/mnt/tree/mnt/outside/new/x");
	check_same(resolve_make_target(root, "/a/relative", false, NULL), "/mnt/tree/fresh/file");
	ck_assert_int_lt(access("/mnt/outside/new", F_OK), 0);
	ck_assert_int_lt(access("/mnt/fresh", F_OK), 0);
}
END_TEST

START_TEST(what_is_made_gets_its_owner)
{
	const struct resolve_owner owner = { .uid = 1000, .gid = 1001 };
	struct stat st;
	int root;

	if (!fixture_enter_as_root())
		return;
	ck_assert_int_eq(mkdir("/mnt/tree", 0755), 0);
	if (_i)
		fixture_deny(SYS_openat2, ENOSYS);
	root = fixture_open("/mnt/tree");
	close(resolve_make_dir(root, "a/b", 0755, &owner));
	close(resolve_make_target(root, "c/d", false, &owner));
	for (size_t i = 0; i < 4; i++) {
		static const char *const made[] = { "/mnt/tree/a", "/mnt/tree/a/b", "/mnt/tree/c",
						    "/mnt/tree/c/d" };

		ck_assert_int_eq(lstat(made[i], &st), 0);
		ck_assert_uint_eq(st.st_uid, 1000);
		ck_assert_uint_eq(st.st_gid, 1001);
	}
	ck_assert_int_eq(lstat("/mnt/tree", &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);
}
END_TEST

static atomic_bool swapping;

/* What a guest can do to a volume that it shares: a directory is now a link, now not. */
static void *swap(void *unused)
{
	(void)unused;
	while (atomic_load(&swapping)) {
		rename("/mnt/tree/a", "/mnt/tree/kept");
		if (symlink("/mnt/outside", "/mnt/tree/a") < 0)
			continue;
		unlink("/mnt/tree/a");
		if (symlink("../outside", "/mnt/tree/a") < 0)
			continue;
		unlink("/mnt/tree/a");
		rename("/mnt/tree/kept", "/mnt/tree/a");
	}
	return NULL;
}

START_TEST(a_racing_swapper_leads_nowhere_outside)
{
	int root = enter(_i);
	pthread_t thread;
	char text[64];

	atomic_store(&swapping, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, swap, NULL), 0);
	for (int i = 0; i < 1500; i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "a/b/new%d/x", i % 10);
		fd_close(&(int){ resolve_make_dir(root, path, 0755, NULL) });
		snprintf(path, sizeof(path), "a/made%d", i % 10);
		fd_close(&(int){ resolve_make_target(root, path, false, NULL) });
		fd = resolve_open(root, "a/../a/secret", O_RDONLY);
		if (fd < 0)
			continue;
		memset(text, 0, sizeof(text));
		ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
		ck_assert_str_ne(text, "outside");
		close(fd);
	}
	atomic_store(&swapping, false);
	pthread_join(thread, NULL);

	/* Only what was there: nothing was made on the host's side. */
	ck_assert_int_eq(unlink("/mnt/outside/secret"), 0);
	ck_assert_int_eq(rmdir("/mnt/outside"), 0);
}
END_TEST

START_TEST(long_paths_are_refused)
{
	char path[8192];
	const char *name;
	int root = enter(_i);

	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 100 ? 'a' : '/';
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(resolve_open(root, path, O_PATH), -ENAMETOOLONG);
	ck_assert_int_eq(resolve_make_dir(root, path, 0755, NULL), -ENAMETOOLONG);
	ck_assert_int_eq(resolve_open_parent(root, path, &name), -ENAMETOOLONG);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("resolve");

	tcase_set_timeout(cases, 60);
	tcase_add_loop_test(cases, plain_paths_are_opened, 0, 2);
	tcase_add_loop_test(cases, links_and_dots_stay_below_the_root, 0, 2);
	tcase_add_test(cases, what_lies_on_another_mount_is_told_apart);
	tcase_add_loop_test(cases, a_last_link_is_kept_when_asked, 0, 2);
	tcase_add_loop_test(cases, only_regular_files_are_opened_as_files, 0, 2);
	tcase_add_loop_test(cases, loops_of_links_end, 0, 2);
	tcase_add_loop_test(cases, magic_links_are_refused, 0, 2);
	tcase_add_loop_test(cases, parent_and_name_are_told_apart, 0, 2);
	tcase_add_loop_test(cases, directories_are_made_with_their_parents, 0, 2);
	tcase_add_loop_test(cases, targets_are_made_of_the_right_type, 0, 2);
	tcase_add_loop_test(cases, what_dangling_links_name_is_made_inside, 0, 2);
	tcase_add_loop_test(cases, what_is_made_gets_its_owner, 0, 2);
	tcase_add_loop_test(cases, a_racing_swapper_leads_nowhere_outside, 0, 2);
	tcase_add_loop_test(cases, long_paths_are_refused, 0, 2);
	return fixture_run(cases, "kernel/resolve");
}
