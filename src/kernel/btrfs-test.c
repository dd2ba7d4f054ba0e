#include "kernel/btrfs.h"

#include <linux/btrfs.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "io/fd.h"
#include "kernel/fixture.h"

#define IMAGE_SIZE (512L * 1024 * 1024) /* of holes; mkfs.btrfs wants some 110 MiB at least */

static const char *run_mkfs(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execlp("mkfs.btrfs", "mkfs.btrfs", "-q", "/mnt/image", NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return "mkfs.btrfs is not installed, or failed";
	return NULL;
}

/* A free loop device for the image; others may be faster. */
static int attach(int image)
{
	autoclose int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = {
		.fd = (unsigned int)image,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};

	for (int tries = 0; control >= 0 && tries < 16; tries++) {
		int loop, number = ioctl(control, LOOP_CTL_GET_FREE);
		char path[32];

		snprintf(path, sizeof(path), "/mnt/loop%d", number);
		if (number < 0 || mknod(path, S_IFBLK | 0600, makedev(7, (unsigned int)number)) < 0)
			return -1;
		loop = open(path, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) == 0)
			return loop;
		fd_close(&loop);
		unlink(path);
	}
	return -1;
}

/* Once for all cases, in /mnt of this program's own mount namespace, with which it ends. */
static const char *make_btrfs(void)
{
	autoclose int image = -EBADF, loop = -EBADF;
	const char *r;
	char path[32];

	if (geteuid() != 0)
		return "only root can mount a loop device";
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") < 0)
		return "no mount namespace can be made";
	image = open("/mnt/image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (image < 0 || ftruncate(image, IMAGE_SIZE) < 0 || mkdir("/mnt/b", 0755) < 0)
		return "no image can be made";
	r = run_mkfs();
	if (r)
		return r;
	loop = attach(image);
	if (loop < 0)
		return "no loop device can be had";
	snprintf(path, sizeof(path), "/proc/self/fd/%d", loop);
	if (mount(path, "/mnt/b", "btrfs", 0, NULL) < 0)
		return "this kernel has no btrfs";
	return NULL;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "open %s: %s", path, strerror(errno));
	return fd;
}

static void make_subvolume(const char *directory, const char *name)
{
	autoclose int parent = open_dir(directory);
	struct btrfs_ioctl_vol_args args = { 0 };

	snprintf(args.name, sizeof(args.name), "%s", name);
	ck_assert_msg(ioctl(parent, BTRFS_IOC_SUBVOL_CREATE, &args) == 0, "%s", strerror(errno));
}

/* A directory for each case: /mnt/b/CASE, with the subvolume "source" in it. */
static int enter(const char *name, int *ret_parent)
{
	char path[64];

	snprintf(path, sizeof(path), "/mnt/b/%s", name);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	make_subvolume(path, "source");
	*ret_parent = open_dir(path);
	return openat(*ret_parent, "source", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool exists(int fd, const char *path)
{
	return faccessat(fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

START_TEST(a_subvolume_is_known)
{
	autoclose int parent = -EBADF, source = enter("known", &parent);
	autoclose int top = open_dir("/mnt/b"), tmpfs = open_dir("/mnt"), path = -EBADF;
	autoclose int file = -EBADF;

	ck_assert(btrfs_is_subvolume(source));
	ck_assert(btrfs_is_subvolume(top));
	ck_assert(!btrfs_is_subvolume(parent)); /* a directory of one */
	ck_assert(!btrfs_is_subvolume(tmpfs));
	ck_assert(!btrfs_is_subvolume(-EBADF));
	path = fixture_open("/mnt/b/known/source");
	ck_assert(btrfs_is_subvolume(path));
	file = openat(source, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert(!btrfs_is_subvolume(file));
}
END_TEST

START_TEST(a_snapshot_is_a_tree_of_its_own)
{
	autoclose int parent = -EBADF, source = enter("own", &parent), copy = -EBADF;

	fixture_write("/mnt/b/own/source/file", "before");
	ck_assert_int_eq(btrfs_snapshot(parent, "copy", source), 0);
	fixture_write("/mnt/b/own/source/later", "");
	fixture_write("/mnt/b/own/copy/mine", "");
	ck_assert(exists(parent, "copy/file") && !exists(parent, "copy/later"));
	ck_assert(!exists(source, "mine"));
	copy = openat(parent, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert(btrfs_is_subvolume(copy));
	ck_assert_int_eq(btrfs_is_read_only(copy), 0);
}
END_TEST

START_TEST(nested_subvolumes_come_along)
{
	autoclose int parent = -EBADF, source = enter("nested", &parent), inner = -EBADF;
	struct stat a, b;

	ck_assert_int_eq(mkdirat(source, "var", 0755), 0);
	ck_assert_int_eq(mkdirat(source, "var/lib", 0755), 0);
	make_subvolume("/mnt/b/nested/source/var/lib", "machines");
	make_subvolume("/mnt/b/nested/source/var/lib/machines", "deep");
	make_subvolume("/mnt/b/nested/source", ".#temporary");
	fixture_write("/mnt/b/nested/source/var/lib/machines/file", "");
	fixture_write("/mnt/b/nested/source/var/lib/machines/deep/file", "");
	fixture_write("/mnt/b/nested/source/.#temporary/file", "");
	ck_assert_int_eq(btrfs_snapshot(parent, "copy", source), 0);
	ck_assert(exists(parent, "copy/var/lib/machines/file"));
	ck_assert(exists(parent, "copy/var/lib/machines/deep/file"));
	ck_assert(!exists(parent, "copy/.#temporary/file"));
	inner = openat(parent, "copy/var/lib/machines", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert(btrfs_is_subvolume(inner));
	ck_assert_int_eq(fstat(inner, &a), 0);
	ck_assert_int_eq(fstatat(source, "var/lib/machines", &b, 0), 0);
	ck_assert_uint_ne(a.st_dev, b.st_dev);
}
END_TEST

/* As --ephemeral does with a tree that is a mount point: the copy lies in it. */
START_TEST(a_snapshot_inside_of_its_source_ends)
{
	autoclose int parent = -EBADF, source = enter("inside", &parent);

	make_subvolume("/mnt/b/inside/source", "nested");
	ck_assert_int_eq(btrfs_snapshot(source, ".#copy", source), 0);
	ck_assert(exists(source, ".#copy/nested"));
	ck_assert(!exists(source, ".#copy/.#copy/nested"));
}
END_TEST

START_TEST(more_nested_ones_than_fit_one_answer)
{
	autoclose int parent = -EBADF, source = enter("many", &parent);
	char name[32];

	for (int i = 0; i < BTRFS_MAX_ROOTREF_BUFFER_NUM + 10; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		make_subvolume("/mnt/b/many/source", name);
		snprintf(name, sizeof(name), "s%d/file", i);
		ck_assert_int_eq(mkdirat(source, name, 0755), 0);
	}
	ck_assert_int_eq(btrfs_snapshot(parent, "copy", source), 0);
	for (int i = 0; i < BTRFS_MAX_ROOTREF_BUFFER_NUM + 10; i++) {
		snprintf(name, sizeof(name), "copy/s%d/file", i);
		ck_assert_msg(exists(parent, name), "%s", name);
	}
}
END_TEST

START_TEST(the_read_only_mark_is_kept_and_changed)
{
	autoclose int parent = -EBADF, source = enter("read-only", &parent), copy = -EBADF;

	ck_assert_int_eq(btrfs_set_read_only(source, true), 0);
	ck_assert_int_eq(btrfs_is_read_only(source), 1);
	ck_assert_int_lt(mkdirat(source, "x", 0755), 0);
	ck_assert_int_eq(errno, EROFS);
	ck_assert_int_eq(btrfs_snapshot(parent, "copy", source), 0);
	copy = openat(parent, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(btrfs_is_read_only(copy), 0); /* one to write to */
	ck_assert_int_eq(btrfs_set_read_only(source, false), 0);
	ck_assert_int_eq(btrfs_is_read_only(source), 0);
	ck_assert_int_eq(mkdirat(source, "x", 0755), 0);
}
END_TEST

START_TEST(what_is_no_snapshot_is_refused)
{
	autoclose int parent = -EBADF, source = enter("refused", &parent), tmpfs = open_dir("/mnt");
	autoclose int directory = -EBADF;
	char longest[BTRFS_SUBVOL_NAME_MAX + 2];

	ck_assert_int_eq(mkdirat(source, "directory", 0755), 0);
	directory = openat(source, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_lt(btrfs_snapshot(parent, "copy", directory), 0);
	ck_assert_int_lt(btrfs_snapshot(tmpfs, "copy", source), 0);
	ck_assert_int_lt(btrfs_snapshot(parent, "copy", tmpfs), 0);
	ck_assert_int_lt(btrfs_snapshot(parent, "../copy", source), 0);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_lt(btrfs_snapshot(parent, longest, source), 0);
	ck_assert_int_eq(btrfs_snapshot(parent, "copy", source), 0);
	ck_assert_int_eq(btrfs_snapshot(parent, "copy", source), -EEXIST);
	ck_assert_int_lt(btrfs_is_read_only(tmpfs), 0);
	ck_assert_int_lt(btrfs_set_read_only(tmpfs, true), 0);
	ck_assert(!exists(tmpfs, "copy"));
}
END_TEST

START_TEST(a_new_subvolume_is_empty_and_knows_when_it_was_made)
{
	autoclose int parent = -EBADF, source = enter("made", &parent), made = -EBADF;
	struct btrfs_times times;
	char longest[BTRFS_SUBVOL_NAME_MAX + 2];
	time_t now = time(NULL);

	ck_assert_int_eq(btrfs_make(parent, "new"), 0);
	ck_assert_int_eq(btrfs_make(parent, "new"), -EEXIST);
	made = openat(parent, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert(btrfs_is_subvolume(made));
	ck_assert_int_eq(btrfs_times(made, &times), 0);
	ck_assert_int_le(llabs((long long)(times.created_us / 1000000) - now), 60);
	ck_assert_uint_ge(times.modified_us, times.created_us);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(btrfs_make(parent, longest), -ENAMETOOLONG);
	ck_assert_int_lt(btrfs_make(source, "a/b"), 0);
}
END_TEST

START_TEST(quotas_count_and_limit)
{
	autoclose int parent = -EBADF, source = enter("quota", &parent), tmpfs = open_dir("/mnt");
	struct btrfs_quota quota;

	ck_assert_int_eq(btrfs_quota_read(source, &quota), -ENOENT);
	ck_assert_int_eq(btrfs_quota_limit(source, 0, 1 << 20), -ENOTCONN);
	ck_assert_int_lt(btrfs_quota_read(tmpfs, &quota), 0);
	ck_assert_int_eq(btrfs_quota_enable(source), 0);
	ck_assert_int_eq(btrfs_quota_read(source, &quota), 0);
	ck_assert_uint_ne(quota.group, 0);
	ck_assert_uint_eq(quota.referenced_limit, BTRFS_UNLIMITED);
	ck_assert_int_eq(btrfs_quota_limit(source, quota.group, 64 << 20), 0);
	ck_assert_int_eq(btrfs_quota_read(source, &quota), 0);
	ck_assert_uint_eq(quota.referenced_limit, 64 << 20);
	ck_assert_uint_eq(quota.exclusive_limit, BTRFS_UNLIMITED);
	ck_assert_int_eq(btrfs_quota_limit(source, quota.group, BTRFS_UNLIMITED), 0);
	ck_assert_int_eq(btrfs_quota_read(source, &quota), 0);
	ck_assert_uint_eq(quota.referenced_limit, BTRFS_UNLIMITED);
	ck_assert_int_lt(btrfs_quota_forget(tmpfs, quota.group), 0);
}
END_TEST

/* "1/ID" is for the subvolume and all that is nested in it. */
START_TEST(a_group_of_the_whole_subtree_counts)
{
	autoclose int parent = -EBADF, source = enter("subtree", &parent);
	struct btrfs_ioctl_qgroup_create_args create = { .create = 1 };
	struct btrfs_ioctl_qgroup_assign_args assign = { .assign = 1 };
	struct btrfs_quota quota;

	ck_assert_int_eq(btrfs_quota_enable(source), 0);
	ck_assert_int_eq(btrfs_quota_read(source, &quota), 0);
	create.qgroupid = quota.group | UINT64_C(1) << 48;
	ck_assert_int_eq(ioctl(source, BTRFS_IOC_QGROUP_CREATE, &create), 0);
	assign.src = quota.group;
	assign.dst = create.qgroupid;
	ck_assert_int_ge(ioctl(source, BTRFS_IOC_QGROUP_ASSIGN, &assign), 0);
	ck_assert_int_eq(btrfs_quota_read(source, &quota), 0);
	ck_assert_uint_eq(quota.group, create.qgroupid);
}
END_TEST

START_TEST(a_group_gathers_what_is_nested_and_what_comes_later)
{
	autoclose int parent = -EBADF, source = enter("gather", &parent), made = -EBADF;
	struct btrfs_quota quota, other;
	uint64_t group = 0, again = 0;

	ck_assert_int_eq(btrfs_quota_enable(source), 0);
	ck_assert(!btrfs_quota_is_member(source));
	ck_assert_int_eq(btrfs_quota_join(source), 0);
	ck_assert_int_eq(btrfs_make(source, "early"), 0);
	ck_assert_int_ge(btrfs_quota_gather(source, &group), 0);
	ck_assert_uint_eq(group >> 48, BTRFS_SUBTREE_LEVEL);
	ck_assert(btrfs_quota_is_member(source));
	ck_assert_int_ge(btrfs_quota_gather(source, &again), 0);
	ck_assert_uint_eq(again, group);
	ck_assert_int_eq(btrfs_make(source, "late"), 0);
	made = openat(source, "late", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert(!btrfs_quota_is_member(made));
	ck_assert_int_ge(btrfs_quota_join(made), 0);
	ck_assert(btrfs_quota_is_member(made));
	ck_assert_int_ge(btrfs_quota_rescan(source), 0);
	ck_assert_int_eq(btrfs_quota_read(source, &quota), 0);
	ck_assert_uint_eq(quota.group, group);
	/* A member's own numbers are its own. */
	ck_assert_int_eq(btrfs_quota_read(made, &other), 0);
	ck_assert_uint_eq(other.group >> 48, 0);
	ck_assert_int_ge(btrfs_quota_release(source), 0);
	ck_assert(!btrfs_quota_is_member(source) && !btrfs_quota_is_member(made));
	ck_assert_int_ge(btrfs_quota_forget(parent, group), 0);
	ck_assert_int_lt(btrfs_quota_limit(source, group, 1 << 20), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("btrfs");
	const char *why_not = make_btrfs();

	if (why_not) {
		printf("skipped: %s\n", why_not);
		return 77;
	}
	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, a_subvolume_is_known);
	tcase_add_test(cases, a_snapshot_is_a_tree_of_its_own);
	tcase_add_test(cases, nested_subvolumes_come_along);
	tcase_add_test(cases, a_snapshot_inside_of_its_source_ends);
	tcase_add_test(cases, more_nested_ones_than_fit_one_answer);
	tcase_add_test(cases, the_read_only_mark_is_kept_and_changed);
	tcase_add_test(cases, what_is_no_snapshot_is_refused);
	tcase_add_test(cases, a_new_subvolume_is_empty_and_knows_when_it_was_made);
	tcase_add_test(cases, quotas_count_and_limit);
	tcase_add_test(cases, a_group_of_the_whole_subtree_counts);
	tcase_add_test(cases, a_group_gathers_what_is_nested_and_what_comes_later);
	return fixture_run(cases, "kernel/btrfs");
}
