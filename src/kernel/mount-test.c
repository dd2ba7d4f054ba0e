#include "kernel/mount.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/syscall.h"

static void enter(void)
{
	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/from", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/from/sub", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/to", 0755), 0);
	fixture_write("/mnt/from/file", "text");
}

static unsigned long flags_of(const char *path)
{
	struct statvfs st;

	ck_assert_int_eq(statvfs(path, &st), 0);
	return st.f_flag;
}

START_TEST(a_closed_descriptor_is_refused)
{
	enter();
	ck_assert_int_eq(mount_clone(-EBADF, "", false), -EBADF);
	ck_assert_int_eq(mount_attach(-EBADF, AT_FDCWD), -EBADF);
	ck_assert_int_eq(mount_restrict(-EBADF, MOUNT_ATTR_RDONLY, 0, false), -EBADF);
	ck_assert_int_eq(mount_is_point(-EBADF), -EBADF);
}
END_TEST

START_TEST(a_clone_is_invisible_until_attached)
{
	autoclose int tree = -EBADF, target = -EBADF;

	enter();
	tree = mount_clone(AT_FDCWD, "/mnt/from", true);
	ck_assert_int_ge(tree, 0);
	ck_assert_int_lt(access("/mnt/to/file", F_OK), 0);
	target = fixture_open("/mnt/to");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	ck_assert_int_eq(access("/mnt/to/file", F_OK), 0);
	ck_assert_int_eq(umount2("/mnt/to", MNT_DETACH), 0);
	ck_assert_int_lt(access("/mnt/to/file", F_OK), 0);
}
END_TEST

START_TEST(files_are_cloned_and_attached_too)
{
	autoclose int tree = -EBADF, target = -EBADF, source = -EBADF;

	enter();
	fixture_write("/mnt/to/empty", "");
	source = fixture_open("/mnt/from/file");
	tree = mount_clone(source, "", false);
	ck_assert_int_ge(tree, 0);
	target = fixture_open("/mnt/to/empty");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	fd_close(&target);
	target = fixture_open("/mnt/to/empty");
	ck_assert_int_eq(mount_is_point(target), 1);
}
END_TEST

START_TEST(options_reach_the_file_system)
{
	autoclose int tree = -EBADF, target = -EBADF;
	struct statvfs st;
	struct stat inode;

	enter();
	tree = mount_create("tmpfs", "name", "mode=0711,,size=64k,nr_inodes=10",
			    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	ck_assert_msg(tree >= 0, "%s", strerror(-tree));
	target = fixture_open("/mnt/to");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	ck_assert_int_eq(statvfs("/mnt/to", &st), 0);
	ck_assert_uint_eq(st.f_blocks * st.f_frsize, 65536);
	ck_assert_uint_eq(st.f_files, 10);
	ck_assert_uint_eq(st.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC), ST_NOSUID | ST_NODEV);
	ck_assert_int_eq(stat("/mnt/to", &inode), 0);
	ck_assert_uint_eq(inode.st_mode & 07777, 0711);
}
END_TEST

START_TEST(quoted_options_keep_their_commas)
{
	autoclose int tree = -EBADF, target = -EBADF;

	enter();
	ck_assert_int_eq(mkdir("/mnt/a,b", 0755), 0);
	fixture_write("/mnt/a,b/seen", "");
	tree = mount_create("overlay", "overlay", "lowerdir=/mnt/a\\,b:/mnt/from,userxattr", 0);
	ck_assert_msg(tree >= 0, "%s", strerror(-tree));
	target = fixture_open("/mnt/to");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	ck_assert_int_eq(access("/mnt/to/seen", F_OK), 0);
	fd_close(&tree);
	tree = mount_create("overlay", "overlay", "lowerdir=\"/mnt/a,b:/mnt/from\",userxattr", 0);
	ck_assert_msg(tree >= 0, "%s", strerror(-tree));
}
END_TEST

START_TEST(an_overlay_may_have_many_layers)
{
	autoclose int tree = -EBADF, target = -EBADF;
	char options[2048] = "lowerdir=", path[64];

	enter();
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/mnt/layer:%d", i);
		ck_assert_int_eq(mkdir(path, 0755), 0);
		snprintf(path, sizeof(path), "/mnt/layer:%d/%d", i, i);
		fixture_write(path, "");
		snprintf(options + strlen(options), 64, "%s/mnt/layer\\:%d", i ? ":" : "", i);
	}
	snprintf(options + strlen(options), 64, ",userxattr");
	tree = mount_create("overlay", "overlay", options, 0);
	if (tree == -EINVAL)
		return; /* before Linux 6.7 */
	ck_assert_msg(tree >= 0, "%s", strerror(-tree));
	target = fixture_open("/mnt/to");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	ck_assert_int_eq(access("/mnt/to/0", F_OK), 0);
	ck_assert_int_eq(access("/mnt/to/39", F_OK), 0);
}
END_TEST

START_TEST(the_kernels_reason_is_kept)
{
	char why[128] = "unset", option[512] = "mode=";

	enter();
	ck_assert_int_eq(mount_create_explained("tmpfs", NULL, "nonsense=1", 0, why, sizeof(why)),
			 -EINVAL);
	ck_assert_msg(strstr(why, "nonsense"), "why: %s", why);
	ck_assert_int_eq(mount_create_explained("no-such-fs", NULL, NULL, 0, why, sizeof(why)),
			 -ENODEV);
	ck_assert_str_eq(why, "");
	memset(option + 5, '7', 300);
	ck_assert_int_eq(mount_create("tmpfs", NULL, option, 0), -E2BIG);
	ck_assert_int_eq(mount_create("tmpfs", NULL, "mode=\\", 0), -EINVAL);
}
END_TEST

START_TEST(restrictions_are_set_before_anybody_sees_it)
{
	autoclose int tree = -EBADF, target = -EBADF;

	enter();
	tree = mount_clone(AT_FDCWD, "/mnt/from", true);
	ck_assert_int_ge(tree, 0);
	ck_assert_int_eq(mount_restrict(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, 0, true), 0);
	target = fixture_open("/mnt/to");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	ck_assert_uint_eq(flags_of("/mnt/to") & (ST_RDONLY | ST_NOEXEC), ST_RDONLY | ST_NOEXEC);
	ck_assert_int_lt(mkdir("/mnt/to/new", 0755), 0);
}
END_TEST

START_TEST(restrictions_work_without_mount_setattr)
{
	autoclose int tree = -EBADF, target = -EBADF;
	const unsigned long all = ST_RDONLY | ST_NOSUID | ST_NODEV;

	enter();
	fixture_deny(SYS_mount_setattr, ENOSYS);
	tree = mount_clone(AT_FDCWD, "/mnt/from", false);
	ck_assert_int_eq(mount_map_ids(tree, 0, false), -ENOSYS);
	target = fixture_open("/mnt/to");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	ck_assert_int_eq(mount_restrict(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, false), 0);
	ck_assert_uint_eq(flags_of("/mnt/to") & all, ST_RDONLY | ST_NOSUID);
	ck_assert_uint_eq(flags_of("/mnt/from") & all, 0);
	ck_assert_int_eq(mount_restrict(tree, MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY, false), 0);
	ck_assert_uint_eq(flags_of("/mnt/to") & all, ST_NOSUID | ST_NODEV);
}
END_TEST

START_TEST(detached_trees_too)
{
	autoclose int tree = -EBADF, target = -EBADF;
	const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC;

	enter();
	ck_assert_int_eq(mount("tmpfs", "/mnt/from/sub", "tmpfs", MS_NODEV, NULL), 0);
	ck_assert_int_eq(mkdir("/mnt/from/sub/subsub", 0755), 0);
	ck_assert_int_eq(mount("tmpfs", "/mnt/from/sub/subsub", "tmpfs", 0, NULL), 0);
	fixture_deny(SYS_mount_setattr, ENOSYS);
	tree = mount_clone(AT_FDCWD, "/mnt/from", true);
	ck_assert_int_eq(mount_restrict(tree, attributes, 0, true), 0);
	ck_assert_int_eq(access("/mnt/from/file", F_OK), 0);
	target = fixture_open("/mnt/to");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	ck_assert_uint_eq(flags_of("/mnt/to") & (ST_RDONLY | ST_NOEXEC), ST_RDONLY | ST_NOEXEC);
	ck_assert_uint_eq(flags_of("/mnt/to/sub") & (ST_RDONLY | ST_NODEV), ST_RDONLY | ST_NODEV);
	ck_assert_uint_eq(flags_of("/mnt/to/sub/subsub") & ST_RDONLY, ST_RDONLY);
	ck_assert_uint_eq(flags_of("/mnt/from") & ST_RDONLY, 0);
	ck_assert_uint_eq(flags_of("/mnt/from/sub/subsub") & ST_RDONLY, 0);
}
END_TEST

START_TEST(detached_files_too)
{
	autoclose int tree = -EBADF, target = -EBADF;

	enter();
	fixture_write("/mnt/to/file", "");
	fixture_deny(SYS_mount_setattr, ENOSYS);
	tree = mount_clone(AT_FDCWD, "/mnt/from/file", false);
	ck_assert_int_eq(mount_restrict(tree, MOUNT_ATTR_RDONLY, 0, false), 0);
	target = fixture_open("/mnt/to/file");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	ck_assert_uint_eq(flags_of("/mnt/to/file") & ST_RDONLY, ST_RDONLY);
	ck_assert_int_lt(open("/mnt/to/file", O_WRONLY | O_CLOEXEC), 0);
}
END_TEST

START_TEST(owners_are_mapped_for_one_mount)
{
	autoclose int tree = -EBADF, target = -EBADF, userns = -EBADF;
	struct stat st;
	int to_child[2], from_child[2];
	char path[64], byte;
	pid_t child;

	if (!fixture_enter_as_root())
		return;
	ck_assert_int_eq(mkdir("/mnt/from", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/to", 0755), 0);
	ck_assert_int_eq(pipe(to_child), 0);
	ck_assert_int_eq(pipe(from_child), 0);
	child = fork();
	if (child == 0) {
		unshare(CLONE_NEWUSER);
		_exit(write(from_child[1], "x", 1) != 1 || read(to_child[0], &byte, 1) != 1);
	}
	ck_assert_int_eq(read(from_child[0], &byte, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)child);
	fixture_write(path, "0 524288 65536");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)child);
	fixture_write(path, "0 524288 65536");
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)child);
	userns = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(userns, 0);

	tree = mount_clone(AT_FDCWD, "/mnt/from", false);
	ck_assert_int_eq(mount_map_ids(tree, userns, false), 0);
	target = fixture_open("/mnt/to");
	ck_assert_int_eq(mount_attach(tree, target), 0);
	ck_assert_int_eq(stat("/mnt/to", &st), 0);
	ck_assert_uint_eq(st.st_uid, 524288);
	ck_assert_int_eq(stat("/mnt/from", &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);

	/* procfs is one that cannot. */
	fd_close(&tree);
	tree = mount_clone(AT_FDCWD, "/proc", false);
	ck_assert_int_eq(mount_map_ids(tree, userns, false), -EINVAL);
	ck_assert_int_eq(write(to_child[1], "x", 1), 1);
}
END_TEST

START_TEST(mount_points_are_told_from_directories)
{
	autoclose int point = -EBADF, directory = -EBADF;
	int one, other;

	enter();
	point = fixture_open("/mnt");
	directory = fixture_open("/mnt/from");
	ck_assert_int_eq(mount_is_point(point), 1);
	ck_assert_int_eq(mount_is_point(directory), 0);
	ck_assert_int_eq(mount_id(point, &one), 0);
	ck_assert_int_eq(mount_id(directory, &other), 0);
	ck_assert_int_eq(one, other);
	fixture_deny(SYS_statx, ENOSYS);
	ck_assert_int_eq(mount_is_point(point), 1);
	ck_assert_int_eq(mount_is_point(directory), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("mount");

	tcase_add_test(cases, a_closed_descriptor_is_refused);
	tcase_add_test(cases, a_clone_is_invisible_until_attached);
	tcase_add_test(cases, files_are_cloned_and_attached_too);
	tcase_add_test(cases, options_reach_the_file_system);
	tcase_add_test(cases, quoted_options_keep_their_commas);
	tcase_add_test(cases, an_overlay_may_have_many_layers);
	tcase_add_test(cases, the_kernels_reason_is_kept);
	tcase_add_test(cases, restrictions_are_set_before_anybody_sees_it);
	tcase_add_test(cases, restrictions_work_without_mount_setattr);
	tcase_add_test(cases, detached_trees_too);
	tcase_add_test(cases, detached_files_too);
	tcase_add_test(cases, owners_are_mapped_for_one_mount);
	tcase_add_test(cases, mount_points_are_told_from_directories);
	return fixture_run(cases, "kernel/mount");
}
