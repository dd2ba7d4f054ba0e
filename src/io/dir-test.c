#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "io/fd.h"
#include "io/scratch.h"

static bool exists(const char *name)
{
	struct stat st;

	return fstatat(scratch_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make_dir(const char *name)
{
	ck_assert_int_eq(mkdirat(scratch_fd, name, 0755), 0);
}

START_TEST(missing_parents_are_made)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/p/q//r/", scratch_path);
	ck_assert_int_eq(dir_make_all(path, 0700), 0);
	ck_assert_int_eq(dir_make_all(path, 0700), 0);
	ck_assert(exists("p/q/r"));
	scratch_put("p/file", "");
	snprintf(path, sizeof(path), "%s/p/file", scratch_path);
	ck_assert_int_eq(dir_make_all(path, 0700), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/p/file/below", scratch_path);
	ck_assert_int_eq(dir_make_all(path, 0700), -ENOTDIR);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(dir_make_all(path, 0700), -ENAMETOOLONG);
}
END_TEST

static int stop_at_third(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd, (void)name;
	ck_assert_uint_eq(type, DT_DIR);
	return ++*(int *)context == 3 ? 42 : 0;
}

START_TEST(a_walk_ends_when_the_visitor_says_so)
{
	autoclose int dir = -EBADF;
	char name[32];
	int seen = 0;

	make_dir("w");
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "w/%d", i);
		make_dir(name);
	}
	dir = openat(scratch_fd, "w", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(dir_walk(dir, stop_at_third, &seen), 42);
	ck_assert_int_eq(seen, 3);
	seen = 10;
	ck_assert_int_eq(dir_walk(dir, stop_at_third, &seen), 0);
	ck_assert_int_eq(seen, 15);
	ck_assert_int_eq(dir_walk(-EBADF, stop_at_third, &seen), -EBADF);
}
END_TEST

START_TEST(names_are_sorted_by_their_bytes)
{
	autoarena struct arena arena = { 0 };
	struct text_list names = { 0 };
	autoclose int dir = -EBADF;

	make_dir("names");
	scratch_put("names/b", "");
	scratch_put("names/B", "");
	make_dir("names/.a");
	dir = openat(scratch_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(dir_names(&arena, &names, dir), 0);
	ck_assert_uint_eq(names.count, 3);
	ck_assert_str_eq(names.items[0], ".a");
	ck_assert_str_eq(names.items[1], "B");
	ck_assert_str_eq(names.items[2], "b");
	ck_assert_int_eq(dir_names(&arena, &names, -EBADF), -EBADF);
}
END_TEST

START_TEST(files_links_and_nothing_are_removed)
{
	scratch_put("file", "x");
	make_dir("kept");
	ck_assert_int_eq(symlinkat("kept", scratch_fd, "link"), 0);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "file"), 0);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "link"), 0);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "nothing"), 0);
	ck_assert(!exists("file"));
	ck_assert(!exists("link"));
	ck_assert(exists("kept"));
}
END_TEST

START_TEST(links_are_not_followed)
{
	make_dir("victim");
	scratch_put("victim/canary", "x");
	make_dir("tree");
	ck_assert_int_eq(symlinkat("../victim", scratch_fd, "tree/a"), 0);
	ck_assert_int_eq(symlinkat("/etc", scratch_fd, "tree/b"), 0);
	ck_assert_int_eq(symlinkat(".", scratch_fd, "tree/c"), 0);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "tree"), 0);
	ck_assert(!exists("tree"));
	ck_assert(exists("victim/canary"));
}
END_TEST

START_TEST(wide_trees_are_removed)
{
	char name[300];

	make_dir("wide");
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "wide/%d-%0200d", i, i);
		if (i % 3 == 0)
			make_dir(name);
		else
			scratch_put(name, "x");
		if (i % 6 == 0) {
			snprintf(name, sizeof(name), "wide/%d-%0200d/x", i, i);
			scratch_put(name, "x");
		}
	}
	ck_assert_int_eq(dir_remove_all(scratch_fd, "wide"), 0);
	ck_assert(!exists("wide"));
}
END_TEST

START_TEST(deep_trees_need_few_descriptors)
{
	const struct rlimit few = { 32, 32 };
	int dir = -EBADF;

	make_dir("deep");
	dir = openat(scratch_fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 5000; i++) {
		int below;

		ck_assert_int_eq(mkdirat(dir, "d", 0755), 0);
		ck_assert_int_eq(mkdirat(dir, "e", 0755), 0);
		below = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd_close(&dir);
		dir = below;
	}
	fd_close(&dir);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "deep"), 0);
	ck_assert(!exists("deep"));
}
END_TEST

START_TEST(mounts_are_not_crossed)
{
	char path[PATH_MAX];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return; /* only root can ask */
	make_dir("m");
	make_dir("m/a");
	make_dir("m/a/point");
	make_dir("other");
	scratch_put("other/canary", "x");
	snprintf(path, sizeof(path), "%s/m/a/point", scratch_path);
	/* The same file system once more: device numbers would not tell. */
	ck_assert_int_eq(mount("/usr", path, NULL, MS_BIND, NULL), 0);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "m"), -EBUSY);
	ck_assert(exists("m/a/point"));
	ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "m"), 0);
}
END_TEST

static void set_flags(const char *name, int flags)
{
	autoclose int fd = openat(scratch_fd, name, O_RDONLY | O_CLOEXEC);

	/* Not on every file system, not for everybody: then nothing is to be cleared either. */
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
		ck_assert(errno == ENOTTY || errno == EPERM || errno == EOPNOTSUPP);
}

START_TEST(immutable_files_are_removed)
{
	make_dir("i");
	make_dir("i/sub");
	scratch_put("i/sub/file", "x");
	scratch_put("i/log", "x");
	set_flags("i/sub/file", FS_IMMUTABLE_FL);
	set_flags("i/log", FS_APPEND_FL);
	set_flags("i/sub", FS_IMMUTABLE_FL);
	set_flags("i", FS_APPEND_FL);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "i"), 0);
	ck_assert(!exists("i"));
}
END_TEST

START_TEST(closed_directories_of_ones_own_are_opened)
{
	ck_assert_int_eq(fchmod(scratch_fd, 0777), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	make_dir("c");
	make_dir("c/ro");
	scratch_put("c/ro/file", "x");
	make_dir("c/none");
	scratch_put("c/none/file", "x");
	ck_assert_int_eq(fchmodat(scratch_fd, "c/ro", 0555, 0), 0);
	ck_assert_int_eq(fchmodat(scratch_fd, "c/none", 0, 0), 0);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "c"), 0);
	ck_assert(!exists("c"));
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	/* The leak checker must be able to look at us. */
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("io/dir", missing_parents_are_made, a_walk_ends_when_the_visitor_says_so,
			   names_are_sorted_by_their_bytes, files_links_and_nothing_are_removed,
			   links_are_not_followed, wide_trees_are_removed,
			   deep_trees_need_few_descriptors, mounts_are_not_crossed,
			   immutable_files_are_removed, closed_directories_of_ones_own_are_opened);
}
